/** The life of a socket: handlers that throw, close and re-enter, ICMP errors, an fd closed behind its back, and company in one thread. */
import { beforeAll, expect, test } from "bun:test";
import { closeSync } from "node:fs";
import { openTun, type TunTapError } from "../../src/index.ts";
import { openUdp, type UdpSocket } from "../../src/udp/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { runScript } from "../support/programs.ts";
import { openFds, run } from "../support/system.ts";
import { collect, loopbackUp, numbered, until } from "./support.ts";

describePrivileged("the life of a UDP socket", () => {
  beforeAll(loopbackUp);

  const pair = (server: UdpSocket): { send(count: number): number; client: UdpSocket } => {
    const client = openUdp({ address: "127.0.0.1" });
    const to = client.endpoint("127.0.0.1", server.port);
    return { client, send: (count) => client.sendMany(numbered(count, 100), to) };
  };

  test("a handler that throws: its error handler is told, and it goes on", async () => {
    const errors: TunTapError[] = [];
    let got = 0;
    using server = openUdp({
      data(_, datagrams) {
        got += datagrams.length;
        throw new Error("no");
      },
      error: (_, error) => errors.push(error),
    });
    const { client, send } = pair(server);
    for (let i = 1; i <= 3; i++) {
      send(1);
      await until(() => got === i, "datagrams");
    }
    expect(errors.map(({ code, cause }) => [code, (cause as Error).message])).toEqual(
      Array(3).fill(["ERR_TUNTAP_HANDLER", "no"]),
    );
    client.close();
  });

  test("a handler that closes in the middle of a batch gets no more", async () => {
    const calls: number[] = [];
    let closed = 0;
    const server = openUdp({
      data(socket, datagrams) {
        calls.push(datagrams.length);
        socket.close();
        expect(() => socket.send(new Uint8Array(1), socket.endpoint("127.0.0.1", 9))).toThrow("ERR_TUNTAP_CLOSED");
      },
      close: () => closed++,
    });
    // Two senders: two runs in one read.
    const [one, two] = [pair(server), pair(server)];
    one.send(3);
    two.send(3);
    await until(() => closed === 1, "the end");
    await Bun.sleep(5);
    expect([calls, closed, server.fd, server.closed, server.closeReason]).toEqual([[3], 1, -1, true, undefined]);
    for (const { client } of [one, two]) client.close();
  });

  test("a handler that transfers the buffer of a datagram loses what was read with it, and the socket goes on", async () => {
    const runs: number[] = [];
    using socket = openUdp({
      address: "127.0.0.1",
      data(_socket, datagrams) {
        runs.push(...datagrams.map(({ length }) => length));
        const { buffer } = datagrams[0] as Uint8Array<ArrayBuffer>;
        if (runs.length < 3) structuredClone(buffer, { transfer: [buffer] });
      },
    });
    using one = openUdp({ address: "127.0.0.1" });
    using other = openUdp({ address: "127.0.0.1" });
    const send = (bytes: number): void => {
      for (const from of [one, other]) from.send(new Uint8Array(bytes), from.endpoint("127.0.0.1", socket.port));
    };
    // Runs of two senders, which are read together and given out one by one.
    for (let i = 1; i <= 5; i++) send(i);
    await until(() => runs.length > 0, "a run");
    send(100);
    await until(() => runs.includes(100), "a run after it");
    expect([socket.closed, runs[0]]).toEqual([false, 1]);
  });

  test("a handler that sends to itself, and to others, re-enters", async () => {
    let turns = 0;
    using echo = openUdp({
      address: "127.0.0.1",
      data(socket, datagrams, from) {
        socket.sendMany(datagrams, from);
        if (++turns < 5) socket.send(new Uint8Array(9), socket.endpoint("127.0.0.1", socket.port));
      },
    });
    using client = collect({ address: "127.0.0.1" });
    client.socket.sendMany(numbered(3, 10), client.socket.endpoint("127.0.0.1", echo.port));
    await client.has(3);
    await until(() => turns >= 5, "turns");
  });

  test("an observer that closes the socket is closed with it", () => {
    const socket = openUdp({ address: "127.0.0.1" });
    let closed = 0;
    socket.observe({ datagrams: () => socket.close(), close: () => closed++ });
    socket.send(new Uint8Array(1), socket.endpoint("127.0.0.1", 9));
    expect([socket.closed, closed]).toEqual([true, 1]);
  });

  test("what is no observer is refused by name", () => {
    using socket = openUdp({ address: "127.0.0.1" });
    for (const observer of [null, {}, { frames() {} }]) {
      expect(() => socket.observe(observer as never)).toThrow(
        /^"observer" must be an object with a function "datagrams"/,
      );
    }
  });

  test("ICMP errors end nothing, and cost no datagram", async () => {
    // Nobody listens there, and then somebody does.
    using first = openUdp({ address: "127.0.0.1" });
    const { port } = first;
    first.close();
    let ended = false;
    using client = openUdp({ peer: { address: "127.0.0.1", port }, data: () => {}, close: () => (ended = true) });
    for (let i = 0; i < 5; i++) {
      expect(client.sendMany(numbered(10, 100))).toBe(10);
      // The answer of ICMP is there before the next turn.
      await Bun.sleep(1);
    }
    expect(client.counters()).toMatchObject({ datagramsSent: 50, refused: 0 });
    expect(client.counters().unreachable).toBeGreaterThanOrEqual(5);
    client.send(new Uint8Array(1));
    using server = collect({ address: "127.0.0.1", port });
    // The first of these meets the error of the one before.
    expect(client.sendMany(numbered(10, 100))).toBe(10);
    expect(client.send(new Uint8Array(5))).toBe(true);
    await server.has(11);
    expect([ended, client.closed]).toEqual([false, false]);
  });

  test("an idle socket with an ICMP error does not spin", () => {
    const { stdout, stderr } = runScript(`
      import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts";
      const socket = openUdp({ peer: { address: "127.0.0.1", port: 9 } });
      socket.send(new Uint8Array(1));
      await Bun.sleep(50);
      const before = process.cpuUsage();
      await Bun.sleep(500);
      const { user, system } = process.cpuUsage(before);
      console.log(user + system < 250_000, socket.counters().unreachable);
      process.exit(0);`);
    expect([stdout, stderr]).toEqual(["true 1\n", ""]);
  });

  test("two sockets and a TUN in one thread", async () => {
    run("ip", "link", "set", "lo", "up");
    using tun = openTun({ addresses: ["192.0.2.1/24"], ipv6: false });
    using inside = openUdp({ address: "192.0.2.1" });
    using server = collect({ address: "127.0.0.1" });
    const { client, send } = pair(server.socket);
    for (let i = 0; i < 20; i++) {
      send(10);
      inside.sendMany(numbered(5, 50), inside.endpoint("192.0.2.2", 9));
    }
    let packets = 0;
    for await (const frames of tun.batches()) {
      packets += frames.length;
      if (packets === 100) break;
    }
    await server.has(200);
    client.close();
  });

  test("serves one peer while another floods", async () => {
    const flood = openUdp({ address: "127.0.0.1", sendBuffer: 1 << 22 });
    let flooded = 0;
    using server = openUdp({
      address: "127.0.0.1",
      data(socket, datagrams, from) {
        if (from.port === flood.port) flooded += datagrams.length;
        else socket.sendMany(datagrams, from);
      },
    });
    const to = flood.endpoint("127.0.0.1", server.port);
    const burst = numbered(640, 64);
    const timer = setInterval(() => flood.sendMany(burst, to), 0);
    using client = collect({ address: "127.0.0.1" });
    const there = client.socket.endpoint("127.0.0.1", server.port);
    for (let i = 1; i <= 20; i++) {
      // What the flood left no room for is asked again, as any protocol on UDP does.
      const asking = setInterval(() => client.socket.send(new Uint8Array(8).fill(i), there), 5);
      client.socket.send(new Uint8Array(8).fill(i), there);
      await until(() => client.received.some(([first]) => first === i), `answer ${i}`);
      clearInterval(asking);
    }
    clearInterval(timer);
    flood.close();
    expect(flooded).toBeGreaterThan(1000);
  });

  test("ends when its fd is closed behind its back, and says so", async () => {
    let reason: TunTapError | undefined;
    const socket = openUdp({ address: "127.0.0.1", data: () => {}, close: (_, why) => (reason = why) });
    closeSync(socket.fd);
    expect(() => socket.send(new Uint8Array(1), socket.endpoint("127.0.0.1", 9))).toThrow("ERR_TUNTAP_CLOSED");
    await until(() => socket.closed, "the end");
    expect(reason).toMatchObject({ code: "EBADF", detail: "the fd was closed behind the socket's back" });
  });

  test("a signal closes it; `using` and close() twice do too", async () => {
    const stop = new AbortController();
    let reason: TunTapError | undefined;
    const socket = openUdp({ signal: stop.signal, close: (_, why) => (reason = why) });
    const loop = (async () => {
      for await (const _ of socket.batches());
      return "ended";
    })();
    stop.abort("enough");
    expect(await loop).toBe("ended");
    expect(reason).toMatchObject({ code: "ERR_TUNTAP_ABORTED", cause: "enough" });
    expect(() => openUdp({ signal: stop.signal })).toThrow("enough");
    socket.close();
    await using other = openUdp();
    other.close();
    other.close();
  });

  test("has one consumer at a time", async () => {
    using socket = openUdp({ data: () => {} });
    await expect(socket.batches().next()).rejects.toThrow("ERR_TUNTAP_BUSY");
    using free = openUdp({ address: "127.0.0.1" });
    const first = free.batches();
    const pending = first.next();
    await expect(free.batches().next()).rejects.toThrow("ERR_TUNTAP_BUSY");
    free.send(new Uint8Array(1), free.endpoint("127.0.0.1", free.port));
    expect((await pending).value?.datagrams.length).toBe(1);
  });

  test("leaves no fd, opened and closed 300 times", () => {
    openUdp().close();
    const before = openFds(/socket:/).length;
    for (let i = 0; i < 300; i++) openUdp({ peer: { address: "127.0.0.1", port: 9 } }).close();
    // Sockets that an earlier test has forgotten may be collected meanwhile.
    expect(openFds(/socket:/).length).toBeLessThanOrEqual(before);
  });

  test("one that is dropped without close() is closed when it is collected; one with a handler stays", async () => {
    const { stdout, stderr } = runScript(`
      import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts";
      import { readdirSync, readlinkSync } from "node:fs";
      const sockets = () => readdirSync("/proc/self/fd").filter((fd) => { try { return readlinkSync("/proc/self/fd/" + fd).startsWith("socket:"); } catch { return false; } }).length;
      const before = sockets();
      (() => { for (let i = 0; i < 20; i++) openUdp({ address: "127.0.0.1" }).unref(); })();
      (() => { openUdp({ address: "127.0.0.1", data() {} }).unref(); })();
      for (let i = 0; i < 1000 && sockets() > before + 3; i++) { Bun.gc(true); await Bun.sleep(10); }
      const left = sockets() - before;
      console.log(left >= 1 && left <= 3);
      process.exit(0);`);
    expect([stdout, stderr]).toEqual(["true\n", ""]);
  });

  test("a Worker that is terminated leaves no socket", () => {
    const { stdout, stderr } = runScript(`
      import { readdirSync, readlinkSync } from "node:fs";
      const sockets = () => readdirSync("/proc/self/fd").filter((fd) => { try { return readlinkSync("/proc/self/fd/" + fd).startsWith("socket:"); } catch { return false; } }).length;
      const before = sockets();
      const worker = new Worker("${import.meta.dir}/worker.ts");
      await new Promise((resolve) => worker.addEventListener("message", resolve));
      const during = sockets() - before;
      worker.terminate();
      for (let i = 0; i < 3000 && sockets() > before; i++) await Bun.sleep(10);
      console.log(during >= 1, sockets() - before);
      process.exit(0);`);
    expect([stdout, stderr]).toEqual(["true 0\n", ""]);
  });

  test("keeps the process alive, and does not after unref()", () => {
    const ended = (code: string): unknown =>
      runScript(`import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts"; ${code}`);
    expect(ended("openUdp({ data() {} }).unref(); console.log(1);")).toMatchObject({ stdout: "1\n", exitCode: 0 });
    expect(
      ended("const s = openUdp({ data() {} }); setTimeout(() => { console.log(2); s.close(); }, 100);"),
    ).toMatchObject({ stdout: "2\n", exitCode: 0 });
  });
});
