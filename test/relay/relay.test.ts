/** relay(): what one end receives the other sends, whatever becomes of either. */
import { beforeAll, expect, test } from "bun:test";
import { openTap, openTun, type Relay, relay, type Tap, type Tun, type TunTapError } from "../../src/index.ts";
import { openUdp, type UdpSocket } from "../../src/udp/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { runScript, top } from "../support/programs.ts";
import { run, until } from "../support/system.ts";
import { Namespace, output, ping, pingInVain, wired } from "./support.ts";

interface Joined extends Disposable {
  readonly here: Namespace;
  readonly there: Namespace;
  readonly left: Tun;
  readonly right: Tun;
  readonly joined: Relay;
}

/** A host at each end: 192.0.2.1 and 192.0.2.2. */
async function joinedTuns(offload = false, reuseBuffers = true): Promise<Joined> {
  using stack = new DisposableStack();
  const [here, there] = [stack.use(await Namespace.open()), stack.use(await Namespace.open())];
  const common = { name: "relay0", reuseBuffers, offload };
  const left = stack.use(openTun({ ...common, netns: here.path, addresses: ["192.0.2.1/24"] }));
  const right = stack.use(openTun({ ...common, netns: there.path, addresses: ["192.0.2.2/24"] }));
  const joined = stack.use(relay(left, right));
  const owned = stack.move();
  return { here, there, left, right, joined, [Symbol.dispose]: () => owned.dispose() };
}

describeWithTools("relay()", ["ip", "ping", "nsenter", "tc"], () => {
  beforeAll(() => void run("ip", "link", "set", "lo", "up"));

  test.each([false, true])("joins two devices, offload %p", async (offload) => {
    using net = await joinedTuns(offload);
    await ping(net.here, "192.0.2.2");
    const { forward, back } = net.joined.counters();
    expect(forward.frames).toBeGreaterThanOrEqual(3);
    expect(back.frames).toBeGreaterThanOrEqual(3);
    expect([forward.dropped, back.dropped]).toEqual([0, 0]);
    net.joined.close();
    expect(await net.joined.finished).toBeUndefined();
    expect([net.joined.closed, net.left.closed, net.right.closed]).toEqual([true, false, false]);
  });

  test.each([false, true])("observers of both ends see what passes, reused buffers: %p", async (reuseBuffers) => {
    using net = await joinedTuns(true, reuseBuffers);
    await ping(net.here, "192.0.2.2");
    const [received, sent]: [Uint8Array[], Uint8Array[]] = [[], []];
    const views: Uint8Array[] = [];
    using _ = net.left.observe({
      frames(frames, direction) {
        if (direction !== "received") return;
        views.push(...frames);
        received.push(...frames.map((frame) => frame.slice()));
      },
    });
    using __ = net.right.observe({
      frames(frames, direction) {
        if (direction === "sent") sent.push(...frames.map((frame) => frame.slice()));
      },
    });
    await ping(net.here, "192.0.2.2");
    expect(received.length).toBeGreaterThanOrEqual(3);
    expect(sent).toEqual(received);
    if (!reuseBuffers) expect(views).toEqual(received);
  });

  test.each([false, true])(
    "an observer that transfers a frame's buffer costs its batch alone, offload %p",
    async (offload) => {
      using net = await joinedTuns(offload);
      let transferred = 0;
      using _ = net.left.observe({
        frames([frame], direction) {
          if (direction !== "received" || transferred++ >= 3) return;
          const { buffer } = frame as Uint8Array<ArrayBuffer>;
          structuredClone(buffer, { transfer: [buffer] });
        },
      });
      await ping(net.here, "192.0.2.2");
      expect(transferred).toBeGreaterThan(3);
      // Empty views, and no memory that is not there any more.
      const { malformed, ...others } = net.right.counters().refusedBy;
      expect(malformed).toBeGreaterThanOrEqual(3);
      expect(others).toEqual({ down: 0, other: 0 });
    },
  );

  test("lives while the other side is down, and goes on when it is up again", async () => {
    using net = await joinedTuns();
    await ping(net.here, "192.0.2.2");
    net.right.down();
    await pingInVain(net.here, "192.0.2.2");
    await until(() => net.right.counters().refusedBy.down >= 3, "frames that were refused");
    expect(net.joined.closed).toBe(false);
    net.right.up();
    await ping(net.here, "192.0.2.2");
    // And from the other side of the process, by `ip`.
    net.there.run("ip", "link", "set", "relay0", "down");
    await pingInVain(net.here, "192.0.2.2");
    net.there.run("ip", "link", "set", "relay0", "up");
    await ping(net.here, "192.0.2.2");
    expect(net.joined.closed).toBe(false);
  });

  test("ends when the other side is deleted, and the first one can be joined anew", async () => {
    using net = await joinedTuns();
    net.there.run("ip", "link", "delete", "relay0");
    expect((await net.joined.finished)?.code).toBe("EBADFD");
    expect([net.joined.closed, net.left.closed, net.right.closed]).toEqual([true, false, true]);
    using again = openTun({ name: "relay0", netns: net.there.path, addresses: ["192.0.2.2/24"] });
    using joined = relay(net.left, again);
    await ping(net.here, "192.0.2.2");
    expect(joined.counters().forward.frames).toBeGreaterThanOrEqual(3);
  });

  test("ends when the other side loses its network namespace", async () => {
    using here = await Namespace.open();
    const there = await Namespace.open();
    using left = openTun({ name: "relay0", netns: here.path, addresses: ["192.0.2.1/24"] });
    using right = openTun({ name: "relay1" });
    run("ip", "link", "set", "relay1", "netns", there.path);
    const joined = relay(left, right);
    there[Symbol.dispose]();
    const reason = await joined.finished;
    expect(reason?.hint).toContain("open the device again");
    expect([left.closed, right.closed]).toEqual([false, true]);
    await pingInVain(here, "192.0.2.2");
  });

  test("ends when either end is closed by the user", async () => {
    using net = await joinedTuns();
    net.left.close();
    expect(await net.joined.finished).toBeUndefined();
    expect(net.right.closed).toBe(false);
  });

  test("tells what a transform throws that has closed the other end", async () => {
    using net = await joinedTuns();
    net.joined.close();
    const errors: TunTapError[] = [];
    using joined = relay(net.left, net.right, {
      forward() {
        net.right.close();
        throw new Error("no");
      },
      error: (error) => errors.push(error),
    });
    await pingInVain(net.here, "192.0.2.2");
    await joined.finished;
    expect(errors).toMatchObject([{ code: "ERR_TUNTAP_HANDLER", cause: new Error("no") }]);
    const { frames, dropped } = joined.counters().forward;
    expect(frames).toBe(0);
    expect(dropped).toBeGreaterThan(0);
  });

  test.each(["connected", "to one peer"])("joins a device and a UDP socket: %s", async (how) => {
    using wire = await wired();
    const join = (netns: Namespace, host: number): Disposable & { joined: Relay; udp: UdpSocket } => {
      using stack = new DisposableStack();
      const tun = stack.use(
        openTun({ netns: netns.path, addresses: [`192.0.2.${host}/24`], mtu: 1400, offload: true, reuseBuffers: true }),
      );
      const peer = { address: `198.51.100.${3 - host}`, port: 4789 };
      const isConnected = how === "connected";
      const udp = stack.use(
        openUdp({ netns: netns.path, port: 4789, reuseBuffers: true, ...(isConnected && { peer }) }),
      );
      const end = isConnected ? udp : { socket: udp, peer: udp.endpoint(peer.address, peer.port) };
      const joined = stack.use(relay(tun, end));
      const owned = stack.move();
      return { joined, udp, [Symbol.dispose]: () => owned.dispose() };
    };
    using left = join(wire.left, 1);
    using right = join(wire.right, 2);
    await ping(wire.left, "192.0.2.2");
    // Somebody else's datagrams go nowhere.
    using stranger = openUdp({ netns: wire.left.path });
    stranger.send(new Uint8Array(100), stranger.endpoint("198.51.100.2", 4789));
    if (how !== "connected") await until(() => right.joined.counters().back.strangers === 1, "the stranger");
    // The wire is cut, and mended.
    wire.right.run("ip", "link", "set", "wire0", "down");
    await pingInVain(wire.left, "192.0.2.2");
    wire.right.run("ip", "link", "set", "wire0", "up");
    await ping(wire.left, "192.0.2.2");
    expect([left.joined.closed, right.joined.closed]).toEqual([false, false]);
    left.udp.close();
    await left.joined.finished;
  });

  test("lets a transform change, drop and add frames; one that throws costs its batch", async () => {
    using net = await joinedTuns();
    net.joined.close();
    const errors: TunTapError[] = [];
    let [sent, faulty] = [0, false];
    using joined = relay(net.left, net.right, {
      forward(frames) {
        if (faulty) throw new Error("no");
        // Twice each: ping tells of the duplicates.
        return frames.flatMap((frame) => [frame, frame]);
      },
      back(frames) {
        sent += frames.length;
        return frames;
      },
      error: (error) => errors.push(error),
    });
    expect(await output(net.here, "ping", "-c", "3", "-i", "0.05", "192.0.2.2")).toContain("DUP!");
    await until(() => sent >= 5, "answers to both of each");
    faulty = true;
    await pingInVain(net.here, "192.0.2.2");
    // On a busy machine several come in one batch, which is one error.
    await until(() => joined.counters().forward.dropped >= 3, "what the transform costs");
    expect(errors[0]).toMatchObject({ code: "ERR_TUNTAP_HANDLER", cause: new Error("no") });
    faulty = false;
    await ping(net.here, "192.0.2.2");
  });

  test.each(["pause", "drop"] as const)(
    "an end that takes no more: %s",
    async (full) => {
      using wire = await wired();
      // What waits in the queue of the wire is charged to the socket.
      wire.left.run(
        "tc",
        "qdisc",
        "add",
        "dev",
        "wire0",
        "root",
        "tbf",
        ...["rate", "400kbit", "burst", "2000", "limit", "1000000"],
      );
      using tun = openTun({
        netns: wire.left.path,
        addresses: ["192.0.2.1/24"],
        txQueueLength: 300,
        reuseBuffers: true,
      });
      using udp = openUdp({
        ...{ netns: wire.left.path, sendBuffer: 10_000, reuseBuffers: true },
        peer: { address: "198.51.100.2", port: 4789 },
      });
      const got: number[] = [];
      using _far = openUdp({
        ...{ netns: wire.right.path, port: 4789, receiveBuffer: 1 << 20 },
        data: (_, datagrams) => {
          // The number behind the headers of IP and UDP.
          for (const bytes of datagrams) got.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(28));
        },
      });
      using joined = relay(tun, udp, { full });
      using source = openUdp({ netns: wire.left.path, sendBuffer: 1 << 22 });
      const to = source.endpoint("192.0.2.2", 9);
      const count = 200;
      for (let i = 0; i < count; i++) {
        const bytes = new Uint8Array(500);
        new DataView(bytes.buffer).setUint32(0, i);
        source.send(bytes, to);
      }
      if (full === "drop") {
        await until(() => joined.counters().forward.dropped > 0, "drops");
        await until(
          () => joined.counters().forward.dropped + joined.counters().forward.frames === count,
          "all dealt with",
        );
        await until(() => got.length === joined.counters().forward.frames, "the rest", 20_000);
      } else {
        // Nothing is lost: what the socket does not take waits in the device's queue. Opened again, the wire brings all.
        await until(() => joined.counters().forward.frames > 0, "the first");
        expect(joined.counters().forward.frames).toBeLessThan(count);
        wire.left.run(
          "tc",
          "qdisc",
          "change",
          "dev",
          "wire0",
          "root",
          "tbf",
          ...["rate", "1gbit", "burst", "1000000", "limit", "1000000"],
        );
        await until(() => got.length === count, "all", 20_000);
        expect(joined.counters().forward).toEqual({ frames: count, dropped: 0, strangers: 0 });
      }
      expect(got).toEqual([...got].sort((a, b) => a - b));
    },
    60_000,
  );

  test("keeps its ends from being collected, for as long as it lives", () => {
    const { stdout, stderr } = runScript(`
      import { openTun, relay } from "${top}/src/index.ts";
      import { openUdp } from "${top}/src/udp/index.ts";
      import { readdirSync, readlinkSync } from "node:fs";
      const open = () => readdirSync("/proc/self/fd").filter((fd) => { try { return /tun$|socket:/.test(readlinkSync("/proc/self/fd/" + fd)); } catch { return false; } }).length;
      openTun().close();
      const before = open();
      const collect = async (enough) => { for (let i = 0; i < 400 && !enough(); i++) { Bun.gc(true); await Bun.sleep(10); } };
      const join = () => relay(openTun(), openUdp({ address: "127.0.0.1", peer: { address: "127.0.0.1", port: 9 } }));
      let joined = Array.from({ length: 10 }, join);
      const all = open() - before;
      let turns = 0;
      await collect(() => ++turns > 20);
      console.log(open() - before === all);
      // In a function of its own, whose frame goes.
      (() => { joined.forEach((each) => each.close()); joined = []; })();
      // The stack may hold on to one of them.
      const few = () => open() - before <= all / 5;
      await collect(few);
      console.log(few());
      process.exit(0);`);
    expect([stdout, stderr]).toEqual(["true\ntrue\n", ""]);
  });

  test("refuses devices that cannot use each other's frames, unless both ways have a transform", () => {
    using tun = openTun();
    using others = new DisposableStack();
    const unlike: [device: Tun | Tap, carries: string][] = [
      [openTap(), "Ethernet frames"],
      [openTun({ packetInfo: true }), "IP packets behind packet information"],
      [openTun({ offload: { raw: true } }), "IP packets behind virtio headers"],
    ];
    const pass = (frames: Uint8Array[]): Uint8Array[] => frames;
    for (const [other, carries] of unlike) {
      others.use(other);
      expect(() => relay(tun, other)).toThrow(`"a" carries IP packets, and "b" ${carries}: join two`);
      expect(() => relay(other, tun, { forward: pass })).toThrow(
        `"a" carries ${carries}, and "b" IP packets: join two`,
      );
      relay(tun, other, { forward: pass, back: pass }).close();
    }
    using split = openTun({ offload: true });
    relay(tun, split).close();
    expect(tun.tryReceive()).toBeNull();
  });

  test("says what cannot be joined, and leaves nothing claimed", async () => {
    using tun = openTun();
    using other = openTun({ data: () => {} });
    using udp = openUdp();
    const join = relay as (a: unknown, b: unknown, options?: unknown) => Relay;
    expect(() => join(tun, 5)).toThrow(/"b" must be a device/);
    expect(() => join({}, tun)).toThrow(/^"a" must be a device, .*, got \{\}$/);
    expect(() => join(tun, udp)).toThrow(/"b" must name the peer/);
    using elsewhere = openUdp({ address: "127.0.0.1" });
    const strange = elsewhere.endpoint("127.0.0.1", 9);
    for (const peer of [undefined, { address: "127.0.0.1", port: 9 }, strange]) {
      expect(() => join(tun, { socket: udp, peer })).toThrow(/"b" must be .* with an endpoint of that socket, got/);
    }
    expect(() => join(tun, { socket: other, peer: strange })).toThrow(/"b" must be a device/);
    expect(() => join(tun, tun)).toThrow(/"a" and "b" must be two/);
    expect(() => join(tun, other, { full: "wait" })).toThrow(/"full" must be "pause" or "drop", got "wait"/);
    expect(() => join(tun, other, { forwards: 1 })).toThrow(/Unknown option "forwards"/);
    expect(() => join(tun, other)).toThrow(/ERR_TUNTAP_BUSY: a relay cannot receive while the data handler does/);
    // Free again.
    expect(tun.tryReceive()).toBeNull();
    using third = openTun();
    const joined = join(tun, third);
    expect(() => tun.tryReceive()).toThrow(/receive\(\) cannot receive while a relay does/);
    using fourth = openTun();
    expect(() => join(tun, fourth)).toThrow(/ERR_TUNTAP_BUSY: a relay cannot receive while a relay does/);
    expect(fourth.tryReceive()).toBeNull();
    joined.close();
    joined.close();
    expect(tun.tryReceive()).toBeNull();
    third.close();
    expect(() => join(tun, third)).toThrow(/ERR_TUNTAP_CLOSED/);
  });
});
