/** sendMany() with an endpoint for each datagram, received by sockets of this machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { TunTapError } from "../../src/index.ts";
import { type Ecn, type Endpoint, openUdp } from "../../src/udp/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { type Collector, collect, loopbackUp, numbered, until } from "./support.ts";

const ADDRESSES = ["192.0.2.33", "2001:db8::33", "192.0.2.33", "192.0.2.33", "2001:db8::33"];

describeWithTools("sendMany() to many peers", ["ip"], () => {
  const open: Collector[] = [];

  beforeAll(() => {
    loopbackUp();
    for (const address of new Set(ADDRESSES)) run("ip", "address", "replace", address, "dev", "lo", "nodad");
    for (const address of ADDRESSES) open.push(collect({ address, receiveBuffer: 8 << 20, ecn: true }));
  });

  afterAll(() => {
    for (const one of open) one[Symbol.dispose]();
    for (const address of new Set(ADDRESSES)) {
      run("ip", "address", "delete", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "lo");
    }
  });

  const clear = (): void => {
    for (const one of open) one.received.length = 0;
  };

  test.each([true, false])("each datagram comes to its peer, in order; segmentation %p", async (segmentation) => {
    using socket = openUdp({ segmentation, sendBuffer: 8 << 20 });
    const endpoints = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port));
    const runs = fc.tuple(
      fc.nat(endpoints.length - 1),
      fc.integer({ min: 1, max: 70 }),
      fc.integer({ min: 4, max: 1400 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(runs, { maxLength: 15 }), fc.nat(3), async (plan, ecn) => {
        clear();
        const to: Endpoint[] = [];
        const datagrams: Uint8Array[] = [];
        for (const [which, count, size] of plan) {
          for (const datagram of numbered(count, size)) {
            new DataView(datagram.buffer).setUint32(0, datagrams.length);
            to.push(endpoints[which] as Endpoint);
            datagrams.push(datagram);
          }
        }
        expect(socket.sendMany(datagrams, to, ecn as Ecn)).toBe(datagrams.length);
        for (const [i, one] of open.entries()) {
          const own = datagrams.filter((_, at) => to[at] === endpoints[i]);
          await one.has(own.length);
          expect(one.received).toEqual(own);
        }
      }),
      { numRuns: 40 },
    );
    expect(socket.counters().refused).toBe(0);
  });

  test.each([true, false])("peers in turn: each gets its own in order; segmentation %p", async (segmentation) => {
    using socket = openUdp({ segmentation, sendBuffer: 8 << 20 });
    const endpoints = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port));
    const each = fc.record({ which: fc.nat(endpoints.length - 1), size: fc.constantFrom(4, 100, 100, 100, 1200) });
    await fc.assert(
      fc.asyncProperty(fc.array(each, { minLength: 1, maxLength: 300 }), async (plan) => {
        clear();
        const to = plan.map(({ which }) => endpoints[which] as Endpoint);
        const datagrams = numbered(plan.length, 1200).map((bytes, i) => bytes.subarray(0, plan[i]?.size));
        expect(socket.sendMany(datagrams, to)).toBe(datagrams.length);
        for (const [i, one] of open.entries()) {
          const own = datagrams.filter((_, at) => to[at] === endpoints[i]);
          await one.has(own.length);
          expect(one.received).toEqual(own);
        }
      }),
      { numRuns: 40 },
    );
    expect(socket.counters()).toMatchObject({ refused: 0 });
  });

  test("8 datagrams to each of 64 peers in turn take two system calls at most where the kernel segments", async () => {
    clear();
    using socket = openUdp({ sendBuffer: 8 << 20 });
    const peers = Array.from({ length: 64 }, (_, i) => socket.endpoint("192.0.2.33", 20_000 + i));
    const to = Array.from({ length: 512 }, (_, i) => peers[i % 64] as Endpoint);
    expect(socket.sendMany(numbered(512, 100), to)).toBe(512);
    // Nobody is there, and ICMP says so: a call that reports that is made again.
    expect(socket.counters().sendCalls).toBeLessThanOrEqual(
      socket.segmentation.send ? 2 + socket.counters().unreachable : 512,
    );
  });

  test("two endpoints of one peer, of which one has a source, keep the order", async () => {
    clear();
    using socket = openUdp({ sendBuffer: 8 << 20 });
    const one = open[0] as Collector;
    const plain = socket.endpoint("192.0.2.33", one.socket.port);
    const sourced = socket.endpoint("192.0.2.33", one.socket.port, "192.0.2.33");
    const other = socket.endpoint("192.0.2.33", (open[2] as Collector).socket.port);
    const to = Array.from({ length: 90 }, (_, i) => [plain, other, sourced, other, sourced, plain][i % 6] as Endpoint);
    const datagrams = numbered(90, 50);
    expect(socket.sendMany(datagrams, to)).toBe(90);
    await one.has(60);
    expect(one.received).toEqual(datagrams.filter((_, i) => to[i] !== other));
  });

  test("64 peers take one system call, and so do the same bytes to each", async () => {
    clear();
    using socket = openUdp({ sendBuffer: 8 << 20 });
    const to = Array.from({ length: 64 }, (_, i) => {
      const one = open[i % open.length] as Collector;
      return socket.endpoint(ADDRESSES[i % open.length] as string, one.socket.port);
    });
    for (const datagrams of [numbered(64, 100), to.map(() => alone)]) {
      const { sendCalls } = socket.counters();
      expect(socket.sendMany(datagrams, to)).toBe(64);
      expect(socket.counters().sendCalls - sendCalls).toBe(1);
    }
    expect(socket.counters()).toMatchObject({ datagramsSent: 128, bytesSent: 64 * 100 + 64 * alone.length });
    await until(() => open.reduce((sum, { received }) => sum + received.length, 0) === 128, "all of them");
  });

  /** Without a buffer of its own, as a small array is. */
  const alone = new Uint8Array(50).fill(7);
  /** No datagram is as long. */
  const tooLong = new Uint8Array(65_600);

  test("one that the kernel refuses costs no other, and the error names its peer", async () => {
    clear();
    const errors: TunTapError[] = [];
    const shown: [port: number, count: number][] = [];
    using socket = openUdp({ error: (_, error) => void errors.push(error) });
    const [first, , third] = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port));
    const nobody = socket.endpoint("192.0.2.33", 9);
    const to = [first, first, nobody, third, nobody, first] as Endpoint[];
    const datagrams = numbered(6, 20).map((datagram, i) => (to[i] === nobody ? tooLong : datagram));
    using _ = socket.observe({
      datagrams: (datagrams, direction, peer) => {
        if (direction === "sent") shown.push([peer.port, datagrams.length]);
      },
    });
    expect(socket.sendMany(datagrams, to)).toBe(6);
    expect(socket.counters()).toMatchObject({ datagramsSent: 4, refused: 2, refusedBy: { tooLong: 2 } });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: "EMSGSIZE", frameIndex: 2 });
    expect(errors[0]?.message).toContain("192.0.2.33 port 9");
    expect(shown).toEqual([
      [first?.port ?? 0, 2],
      [third?.port ?? 0, 1],
      [first?.port ?? 0, 1],
    ]);
    await (open[0] as Collector).has(3);
    await (open[2] as Collector).has(1);
  });

  test("refused ones of several peers in turn are named by their own places", async () => {
    clear();
    const errors: TunTapError[] = [];
    const shown: [port: number, first: number | undefined][] = [];
    using socket = openUdp({ error: (_, error) => void errors.push(error) });
    const [first, second] = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port)) as [
      Endpoint,
      Endpoint,
    ];
    using _ = socket.observe({
      datagrams: (datagrams, direction, peer) => {
        if (direction === "sent") shown.push([peer.port, datagrams[0]?.[0]]);
      },
    });
    // That of the first peer is sent before that of the second one, and so refused before.
    const datagrams = numbered(5, 20).map((datagram, i) => (i === 1 || i === 2 ? tooLong : datagram));
    datagrams.forEach((datagram, i) => {
      if (datagram !== tooLong) datagram[0] = i;
    });
    expect(socket.sendMany(datagrams, [first, second, first, second, first])).toBe(5);
    expect(socket.counters()).toMatchObject({ datagramsSent: 3, bytesSent: 60, refused: 2 });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ code: "EMSGSIZE", frameIndex: 2 });
    expect(errors[0]?.message).toContain(`192.0.2.33 port ${first.port}`);
    expect(shown).toEqual([
      [first.port, 0],
      [second.port, 3],
      [first.port, 4],
    ]);
    await (open[0] as Collector).has(2);
    await (open[1] as Collector).has(1);
  });

  test("a handler that sends meanwhile sends to its own peer", async () => {
    clear();
    using socket = openUdp({
      error: (self) => {
        self.sendMany(numbered(2, 30), second);
        self.sendMany(numbered(2, 30), [third, third]);
      },
    });
    const [first, second, third] = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port)) as [
      Endpoint,
      Endpoint,
      Endpoint,
    ];
    expect(socket.sendMany([tooLong, ...numbered(2, 20)], [first, first, first])).toBe(3);
    expect(socket.sendMany(numbered(1, 20), first)).toBe(1);
    await Promise.all([0, 1, 2].map((i) => (open[i] as Collector).has(i === 0 ? 3 : 2)));
    expect(open.slice(0, 3).map(({ received }) => received.length)).toEqual([3, 2, 2]);
  });

  test("a list that is changed, and one that another call had, go where they say", async () => {
    using socket = openUdp();
    const endpoints = open.map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port));
    const to = [...endpoints];
    for (let turn = 0; turn < 20; turn++) {
      clear();
      to[turn % to.length] = endpoints[(turn * 3) % endpoints.length] as Endpoint;
      const list = turn % 4 === 3 ? to.slice(0, 2) : to;
      expect(socket.sendMany(numbered(list.length, 60), list, (turn % 2) as Ecn)).toBe(list.length);
      await Promise.all(open.map((one, i) => one.has(list.filter((each) => each === endpoints[i]).length)));
      expect(open.map(({ received }) => received.length)).toEqual(
        endpoints.map((endpoint) => list.filter((each) => each === endpoint).length),
      );
    }
  });

  test("says what is wrong, and sends nothing", () => {
    clear();
    using socket = openUdp();
    using other = openUdp();
    const to = socket.endpoint("192.0.2.33", (open[0] as Collector).socket.port);
    const two = numbered(2, 10);
    expect(() => socket.sendMany(two, [to])).toThrow(
      '"to" must have an endpoint for each datagram, of which there are 2, got 1',
    );
    expect(() => socket.sendMany(two, [])).toThrow(RangeError);
    expect(() => socket.sendMany(two, [to, {} as Endpoint])).toThrow('"to" must be an endpoint of this socket');
    expect(() => socket.sendMany(two, [to, other.endpoint("192.0.2.33", 9)])).toThrow(TypeError);
    expect(() => socket.sendMany(["no"] as unknown as Uint8Array[], [to])).toThrow(TypeError);
    expect(() => socket.sendMany(two, [to, to], 4 as Ecn)).toThrow(RangeError);
    expect(socket.sendMany([], [])).toBe(0);
    using connected = openUdp({ peer: { address: "192.0.2.33", port: 9 } });
    const peer = connected.peer as Endpoint;
    expect(() => connected.sendMany(two, [peer, to])).toThrow(TypeError);
    expect(connected.sendMany(two, [peer, peer])).toBe(2);
    expect([socket.counters().datagramsSent, socket.counters().refused]).toEqual([0, 0]);
    socket.close();
    expect(() => socket.sendMany(two, [to, to])).toThrow("ERR_TUNTAP_CLOSED");
  });

  test("a list of datagrams that grows while it is read reaches no other peer than those that were given", async () => {
    clear();
    using socket = openUdp();
    const [first, second] = open.slice(0, 2) as [Collector, Collector];
    const to = [first, second].map((one, i) => socket.endpoint(ADDRESSES[i] as string, one.socket.port));
    const datagrams: (Uint8Array | DataView)[] = [new Uint8Array(8)];
    const growing = Object.defineProperty(new DataView(new ArrayBuffer(8)), "byteLength", {
      get() {
        if (datagrams.length < 6) datagrams.push(...numbered(2, 20));
        return 8;
      },
    });
    datagrams.push(growing);
    expect(() => socket.sendMany(datagrams, to)).toThrow(
      new RangeError("The list of frames has changed while it was read"),
    );
    expect(socket.counters().datagramsSent).toBe(0);
    // The socket goes on.
    expect(socket.sendMany(numbered(2, 30), to)).toBe(2);
    await until(() => first.received.length === 1 && second.received.length === 1, "a datagram for each");
  });
});
