/** A device that is given away: Python's socket.recv_fds() is at the other end. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import {
  adopt,
  type Device,
  type HandOverOptions,
  handOver,
  openTap,
  openTun,
  type Peer,
  TunTapError,
} from "../../src/index.ts";
import { IFF_NO_PI, IFF_TUN } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, setIff } from "../../src/sys/tun.ts";
import { openUdp } from "../../src/udp/index.ts";
import { as, somebody, somebodyElse } from "../device/as-others.ts";
import { leavingNothing, ping, warmUp } from "../device/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, newFds, openFds, quietIPv6, run, soon, until } from "../support/system.ts";
import { failure, OtherEnd, place, python } from "./support.ts";

describeWithTools("handOver()", ["python3", "ip", "setpriv"], () => {
  beforeAll(() => {
    quietIPv6();
    warmUp();
  });
  const at = place();

  test.each([
    { kind: "tun", open: openTun },
    { kind: "tap", open: openTap },
  ])("a $kind: one byte and one fd come, with all that the interface is and what waits in it", ({ open }) =>
    leavingNothing(async () => {
      const tun = open({
        name: "given0",
        addresses: ["192.0.2.1/24"],
        routes: [{ to: "198.51.100.0/24", via: "192.0.2.2" }],
      }) as Device;
      // A TAP would have to be told whom to send to.
      if (tun.kind === "tap") run(..."ip neigh add 192.0.2.2 lladdr 02:00:5e:00:53:02 dev given0".split(" "));
      const interfaces = (): string[] => [run("ip", "-j", "address"), run("ip", "-j", "route")];
      const before = interfaces();
      const socket = await Bun.udpSocket({ hostname: "192.0.2.1" });
      for (const text of ["one", "two", "three"]) socket.send(text, 9, "192.0.2.2");
      socket.close();
      const path = at.next();
      const given = handOver(tun, { path, signal: soon() });
      using other = new OtherEnd(at.script, ["take", path]);
      expect(await given).toEqual({ pid: other.pid, uid: 0, gid: 0 });
      expect([tun.closed, tun.closeReason]).toEqual([true, undefined]);
      expect(await other.said()).toEqual({ bytes: 1, fds: ["given0"], end: 0 });
      expect(interfaces()).toEqual(before);
      for (const text of ["one", "two", "three"]) {
        other.go();
        const { packet } = await other.said();
        expect(Buffer.from(String(packet), "hex").toString("latin1")).toEndWith(text);
      }
      expect(existsSync(path)).toBe(false);
      other[Symbol.dispose]();
      await until(() => !interfaceNames().includes("given0"), "the interface goes with its last fd");
    }),
  );

  test("by an abstract name; an fd that was adopted with closeFd: false stays open", async () => {
    const fd = openClone("/dev/net/tun");
    setIff(fd, "given1", IFF_TUN | IFF_NO_PI);
    const path = `@bun-tuntap-given-${process.pid}`;
    const given = handOver(adopt(fd, { closeFd: false }), { path, allow: ({ uid }) => uid === 0, signal: soon() });
    using other = new OtherEnd(at.script, ["take", path]);
    expect(await given).toMatchObject({ pid: other.pid });
    expect(await other.said()).toMatchObject({ fds: ["given1"] });
    other[Symbol.dispose]();
    await other.exited;
    expect(interfaceNames()).toContain("given1");
    closeFd(fd);
    expect(interfaceNames()).not.toContain("given1");
  });

  test("who may not have it gets nothing, who goes away does not count, and the next one gets it", async () => {
    const tun = openTun({ name: "given2" });
    const asked: Peer[] = [];
    const path = at.next();
    const given = handOver(tun, {
      path,
      mode: 0o666,
      allow: (peer) => {
        asked.push(peer);
        return peer.uid !== somebody;
      },
      signal: soon(),
    });
    using refused = new OtherEnd(at.script, ["wait", path], as(somebody));
    expect(await refused.said()).toEqual({ bytes: 0, fds: 0 });
    for (let round = 0; round < 3; round++) {
      using gone = new OtherEnd(at.script, ["leave", path]);
      expect(await gone.said()).toEqual({ left: true });
    }
    expect(tun.closed).toBe(false);
    using taker = new OtherEnd(at.script, ["take", path], as(somebodyElse));
    expect(await given).toEqual({ pid: taker.pid, uid: somebodyElse, gid: somebodyElse });
    expect(await taker.said()).toMatchObject({ fds: ["given2"] });
    expect(asked.map(({ uid }) => uid)).toEqual([somebody, 0, 0, 0, somebodyElse]);
  });

  test(
    "allowed peers that stall hold up nobody who may not have it, and the next one no longer than the deadline",
    () =>
      leavingNothing(async () => {
        const tun = openTun({ name: "given3" });
        const path = at.next();
        const asked: number[] = [];
        const allow = ({ pid, uid }: Peer): boolean => asked.push(pid) > 0 && uid !== somebody;
        const given = handOver(tun, {
          path,
          mode: 0o666,
          allow,
          peerTimeoutMs: 2000,
          signal: soon(),
        });
        using first = new OtherEnd(at.script, ["stall", path]);
        expect(await first.said()).toEqual({ connected: true });
        await until(() => asked.length === 1, "the first one is asked about");
        const begun = performance.now();
        using refused = new OtherEnd(at.script, ["wait", path], as(somebody));
        expect(await refused.said()).toEqual({ bytes: 0, fds: 0 });
        using second = new OtherEnd(at.script, ["stall", path]);
        await until(() => asked.length === 3, "the second one is asked about, while the first one stalls");
        using taker = new OtherEnd(at.script, ["take", path]);
        expect(await given).toEqual({ pid: taker.pid, uid: 0, gid: 0 });
        expect(await taker.said()).toMatchObject({ fds: ["given3"] });
        expect(performance.now() - begun).toBeGreaterThan(2000);
        expect(tun.closed).toBe(true);
        // It was on its way, so a stalled one may have it all the same; nothing comes behind it.
        first.go();
        expect(await first.said()).toEqual({ bytes: 1, fds: 1, end: 0 });
        for (const other of [first, second, taker]) other[Symbol.dispose]();
        await until(() => !interfaceNames().includes("given3"), "the interface goes with its last fd");
      }),
    60_000,
  );

  test("one that shuts its sending side down has not received it yet: it counts once it has, and not if it goes", () =>
    leavingNothing(async () => {
      const tun = openTun({ name: "given4" });
      const path = at.next();
      const given = handOver(tun, { path, signal: soon() });
      using gone = new OtherEnd(at.script, ["half", path, "goes"]);
      expect(await gone.said()).toEqual({ shut: true });
      gone.go();
      expect(await gone.exited).toBe(0);
      using taker = new OtherEnd(at.script, ["half", path, "receives"]);
      expect(await taker.said()).toEqual({ shut: true });
      taker.go();
      expect(await taker.said()).toEqual({ bytes: 1, fds: ["given4"] });
      expect(await given).toEqual({ pid: taker.pid, uid: 0, gid: 0 });
      for (const other of [gone, taker]) other[Symbol.dispose]();
      await until(() => !interfaceNames().includes("given4"), "the interface goes with its last fd");
    }));

  test(
    "many that stall and go, and a signal in the end: its reason, no fd left, and an open device",
    () =>
      leavingNothing(async () => {
        using tun = openTun({ addresses: ["192.0.2.1/24"] });
        const path = at.next();
        const stop = new AbortController();
        const sockets = openFds(/socket:/).length;
        let asked = 0;
        const given = failure(handOver(tun, { path, peerTimeoutMs: 1, allow: () => ++asked > 0, signal: stop.signal }));
        const stalled = Array.from({ length: 20 }, () => new OtherEnd(at.script, ["stall", path]));
        await until(() => asked === 20, "all are asked about");
        for (const other of stalled) other[Symbol.dispose]();
        // Nobody holds it: the last one that was sent it has gone.
        await Promise.all(stalled.map(({ exited }) => exited));
        const end = new OtherEnd(at.script, ["leave", path]);
        expect(await end.said()).toEqual({ left: true });
        await until(() => asked === 21, "the last one is asked about");
        await until(() => openFds(/socket:/).length <= sockets + 1, "nothing but the listening socket is open");
        const reason = new Error("no more time");
        stop.abort(reason);
        expect(await given).toBe(reason);
        await ping(tun);
      }),
    60_000,
  );

  test("`allow` that closes the device: ERR_TUNTAP_CLOSED, and the peer gets nothing", () =>
    leavingNothing(async () => {
      const tun = openTun();
      const path = at.next();
      const allow = (): boolean => {
        tun.close();
        return true;
      };
      const given = failure(handOver(tun, { path, allow, signal: soon() }));
      using other = new OtherEnd(at.script, ["wait", path]);
      expect(await given).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
      expect(await other.said()).toEqual({ bytes: 0, fds: 0 });
    }));

  test("learns of the end of the device by an event, without polling", async () => {
    const tun = openTun();
    const given = failure(handOver(tun, { path: at.next() }));
    tun.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(Bun.peek.status(given)).toBe("fulfilled");
  });

  test.each([0o600, 0o660, 0o666])("the socket has the mode %o, whatever the umask", async (mode) => {
    using tun = openTun();
    const path = at.next();
    const umask = process.umask(0o077);
    const stop = new AbortController();
    const given = failure(handOver(tun, { path, mode, signal: stop.signal }));
    process.umask(umask);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(mode);
    const { stderr } = Bun.spawnSync([...as(somebody), python, at.script, "leave", path]);
    expect(`${stderr}`.includes("PermissionError")).toBe(mode !== 0o666);
    stop.abort();
    await given;
  });

  test("a signal that is aborted, before and meanwhile: its reason, no socket, and an open device", () =>
    leavingNothing(async () => {
      using tun = openTun({ addresses: ["192.0.2.1/24"] });
      const reason = new Error("no more time");
      const path = at.next();
      expect(await failure(handOver(tun, { path, signal: AbortSignal.abort(reason) }))).toBe(reason);
      const stop = new AbortController();
      const given = failure(handOver(tun, { path, signal: stop.signal }));
      expect(existsSync(path)).toBe(true);
      stop.abort(reason);
      expect(await given).toBe(reason);
      expect(existsSync(path)).toBe(false);
      await ping(tun);
    }));

  test("a device that closes meanwhile, or has before: ERR_TUNTAP_CLOSED", () =>
    leavingNothing(async () => {
      const tun = openTun();
      const path = at.next();
      const given = failure(handOver(tun, { path }));
      tun.close();
      expect(await given).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
      expect(await failure(handOver(tun, { path: at.next() }))).toMatchObject({ code: "ERR_TUNTAP_CLOSED" });
      expect(existsSync(path)).toBe(false);
    }));

  test("what `allow` throws, or an answer that is no boolean, ends it; the device is open", () =>
    leavingNothing(async () => {
      const boom = new RangeError("boom");
      const answers: { allow: () => boolean; wanted: unknown }[] = [
        {
          allow() {
            throw boom;
          },
          wanted: boom,
        },
        { allow: (async () => true) as unknown as () => boolean, wanted: expect.any(TypeError) },
      ];
      for (const { allow, wanted } of answers) {
        using tun = openTun({ addresses: ["192.0.2.1/24"] });
        const path = at.next();
        const given = failure(handOver(tun, { path, allow, signal: soon() }));
        using refused = new OtherEnd(at.script, ["wait", path]);
        expect(await given).toEqual(wanted);
        expect(await refused.said()).toEqual({ bytes: 0, fds: 0 });
        await ping(tun);
      }
    }));

  test("paths: a file that is there, no folder, a folder that is a file; never removes what is not its own", () =>
    leavingNothing(async () => {
      using tun = openTun();
      const path = at.next();
      const fails = async (given: string): Promise<TunTapError> => {
        const error = await failure(handOver(tun, { path: given, signal: soon() }));
        expect(error).toBeInstanceOf(TunTapError);
        return error as TunTapError;
      };
      writeFileSync(path, "mine");
      expect(await fails(path)).toMatchObject({
        code: "EADDRINUSE",
        detail: path,
        hint: expect.stringContaining("rm "),
      });
      expect(lstatSync(path).isFile()).toBe(true);
      expect(await fails(`${path}/x`)).toMatchObject({ code: "ENOTDIR", hint: "make the folder first" });
      expect(await fails(`${path}-none/x`)).toMatchObject({ code: "ENOENT", hint: "make the folder first" });
      rmSync(path);
      // Somebody puts a folder in place of the socket while it waits.
      const stop = new AbortController();
      const given = failure(handOver(tun, { path, signal: stop.signal }));
      rmSync(path);
      mkdirSync(path);
      stop.abort();
      await given;
      expect(lstatSync(path).isDirectory()).toBe(true);
      rmSync(path, { recursive: true });
    }));

  test("options that cannot be: a TypeError or a RangeError that names them", async () => {
    using tun = openTun();
    const sockets = openFds(/socket:/);
    const wrong: [unknown, string][] = [
      [undefined, "options"],
      [{}, "path"],
      [{ path: "" }, "path"],
      [{ path: "a\0b" }, "path"],
      [{ path: "x".repeat(108) }, "path"],
      [{ path: "é".repeat(54) }, "path"],
      [{ path: "@x" }, "allow"],
      [{ path: "@x", allow: () => true, mode: 0o600 }, "mode"],
      [{ path: "x", mode: -1 }, "mode"],
      [{ path: "x", mode: 0o1000 }, "mode"],
      [{ path: "x", mode: "0600" }, "mode"],
      [{ path: "x", allow: true }, "allow"],
      [{ path: "x", signal: {} }, "signal"],
      [{ path: "x", peerTimeoutMs: 0 }, "peerTimeoutMs"],
      [{ path: "x", peerTimeoutMs: 1.5 }, "peerTimeoutMs"],
      [{ path: "x", pth: "y" }, "pth"],
    ];
    for (const [options, name] of wrong) {
      const error = await failure(handOver(tun, options as HandOverOptions));
      expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
      expect((error as Error).message).toContain(`"${name}"`.replace('"options"', "options"));
    }
    const socket = openUdp();
    for (const device of [{}, null, socket] as unknown as Device[]) {
      const error = await failure(handOver(device, { path: "x" }));
      expect(error).toEqual(new TypeError(`"device" must be a Tun or a Tap, got ${Bun.inspect(device)}`));
    }
    socket.close();
    expect(newFds(sockets, /socket:/)).toEqual([]);
    expect(tun.closed).toBe(false);
  });
});
