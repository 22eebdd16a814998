/** The options of openUdp: what is wrong is named before anything is done, what is right is in force, what the kernel refuses has a hint. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { TunTapError } from "../../src/index.ts";
import { openUdp, type UdpOptions, type UdpSocket } from "../../src/udp/index.ts";
import { Namespace, ping, wired } from "../relay/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { failureOf, isOneSentence } from "../support/programs.ts";
import { newFds, openFds, run, until } from "../support/system.ts";
import { collect, loopbackUp, numbered } from "./support.ts";

const open = openUdp as (options: unknown) => UdpSocket;

describe("openUdp(), wrong arguments", () => {
  test.each([
    [{ address: "192.0.2" }, "TypeError", '"address" must be an IPv4 or IPv6 address'],
    [{ address: 5 }, "TypeError", '"address" must be an IPv4 or IPv6 address'],
    [{ port: -1 }, "RangeError", '"port" must be 0 to 65535, got -1'],
    [{ port: 65_536 }, "RangeError", '"port" must be 0 to 65535, got 65536'],
    [{ port: 1.5 }, "TypeError", '"port" must be a whole number, got 1.5'],
    [{ port: "80" }, "TypeError", '"port" must be a whole number, got "80"'],
    [{ peer: "192.0.2.1" }, "TypeError", 'Option "peer" must be { address, port }'],
    [{ peer: { address: "192.0.2.1" } }, "TypeError", '"peer.port" must be a whole number, got undefined'],
    [{ peer: { address: "192.0.2.1", port: 0 } }, "RangeError", '"peer.port" must be 1 to 65535, got 0'],
    [{ peer: { address: "host", port: 9 } }, "TypeError", '"peer.address" must be an IPv4 or IPv6 address'],
    [{ interface: "" }, "TypeError", 'Option "interface" must be a non-empty string'],
    [{ interface: "a-name-of-16-byte" }, "RangeError", 'Option "interface" must have at most 15 bytes'],
    [{ mark: -1 }, "RangeError", 'Option "mark" must be 0 to 4294967295, got -1'],
    [{ mark: 2 ** 32 }, "RangeError", 'Option "mark" must be 0 to 4294967295'],
    [{ sendBuffer: 0 }, "RangeError", 'Option "sendBuffer" must be 1 to 1073741823, got 0'],
    [{ receiveBuffer: 2 ** 30 }, "RangeError", 'Option "receiveBuffer" must be 1 to 1073741823'],
    [{ reusePort: 1 }, "TypeError", 'Option "reusePort" must be true or false, got 1'],
    [{ segmentation: "yes" }, "TypeError", 'Option "segmentation" must be true or false'],
    [{ reuseBuffers: null }, "TypeError", 'Option "reuseBuffers" must be true or false'],
    [{ netns: 0 }, "RangeError", 'Option "netns" must be the id of a process'],
    [{ signal: {} }, "TypeError", 'Option "signal" must be an AbortSignal'],
    [{ data: 5 }, "TypeError", 'Option "data" must be a function, got 5'],
    [{ adress: "::" }, "TypeError", 'Unknown option "adress"'],
    [null, "TypeError", 'Option "options" must be an object, got null'],
  ])("%p", (options, kind, message) => {
    const before = openFds(/socket:/);
    expect(failureOf(() => open(options))).toMatchObject({ kind, message: expect.stringContaining(message) });
    expect(newFds(before, /socket:/)).toEqual([]);
  });
});

describeWithTools("openUdp()", ["ip"], () => {
  beforeAll(loopbackUp);

  /** The error of opening, which leaves no socket and says in one sentence what to do. */
  function refusal(options: UdpOptions): TunTapError {
    const before = openFds(/socket:/);
    try {
      openUdp(options).close();
    } catch (error) {
      expect(newFds(before, /socket:/)).toEqual([]);
      if (!(error instanceof TunTapError)) throw error;
      expect(isOneSentence(error.hint)).toBe(true);
      expect(error.errno).toBeLessThan(0);
      return error;
    }
    throw new Error("It did not throw");
  }

  test("says what to do where the kernel refuses", () => {
    using other = openUdp({ address: "127.0.0.1" });
    const { port } = other;
    expect(refusal({ address: "127.0.0.1", port })).toMatchObject({ code: "EADDRINUSE", syscall: "bind" });
    expect(refusal({ address: "203.0.113.1" })).toMatchObject({ code: "EADDRNOTAVAIL", syscall: "bind" });
    expect(refusal({ interface: "none0" })).toMatchObject({ code: "ENODEV", syscall: "setsockopt(SO_BINDTODEVICE)" });
    expect(refusal({ peer: { address: "203.0.113.1", port: 9 } })).toMatchObject({
      code: "ENETUNREACH",
      syscall: "connect",
    });
    expect(refusal({ netns: "no-such-name" })).toMatchObject({ code: "ENOENT", syscall: "open" });
  });

  test("names what is wrong with addresses that belong together", () => {
    const message = (call: () => unknown): string => failureOf(call).message;
    expect(message(() => openUdp({ address: "127.0.0.1", peer: { address: "::1", port: 9 } }))).toContain(
      '"peer" must be of the family of "127.0.0.1"',
    );
    expect(message(() => openUdp({ address: "::1", peer: { address: "127.0.0.1", port: 9 } }))).toContain(
      '"peer" must be of the family',
    );
    expect(message(() => openUdp({ address: "fe80::1" }))).toContain(
      '"address" must name its interface, as "fe80::1%eth0"',
    );
    expect(message(() => openUdp({ address: "fe80::1%none0" }))).toContain(
      '"address" names an interface that does not exist here: "none0"',
    );
    expect(message(() => openUdp({ address: "::1%lo" }))).toContain(
      '"address" must be link-local to name an interface',
    );
    using four = openUdp({ address: "127.0.0.1" });
    expect(message(() => four.endpoint("::1", 9))).toContain(
      '"address" must be of IPv4, as the socket is bound to 127.0.0.1',
    );
    expect(message(() => four.endpoint("127.0.0.2", 9, "127.0.0.3"))).toContain('"localAddress" must be "127.0.0.1"');
    expect(message(() => four.endpoint("127.0.0.2", 0))).toContain('"port" must be 1 to 65535, got 0');
    using both = openUdp();
    expect(message(() => both.endpoint("127.0.0.2", 9, "::1"))).toContain(
      '"localAddress" must be of the family of "127.0.0.2"',
    );
    const to = both.endpoint("127.0.0.2", 9);
    expect(message(() => both.send(new Uint8Array(1)))).toContain('"to" must be given');
    expect(message(() => four.send(new Uint8Array(1), to))).toContain('"to" must be an endpoint of this socket');
    expect(message(() => both.send(new Uint8Array(1), { ...to }))).toContain('"to" must be an endpoint of this socket');
    expect(message(() => both.sendMany([new Uint8Array(1), 5 as never], to))).toContain(
      "A frame must be an ArrayBuffer",
    );
    using connected = openUdp({ peer: { address: "127.0.0.1", port: 9 } });
    expect(message(() => connected.endpoint("127.0.0.1", 10))).toContain(
      '"to" must be 127.0.0.1 port 9, which the socket is connected to',
    );
    expect(connected.endpoint("127.0.0.1", 9)).toBe(connected.peer as never);
  });

  test("buffers, past the sysctl's limit too", () => {
    using socket = openUdp({ sendBuffer: 8 << 20, receiveBuffer: 9 << 20 });
    const inode = openFds(/socket:/)
      .find((fd) => fd.startsWith(`${socket.fd} `))
      ?.match(/\[(\d+)\]/)?.[1];
    // The kernel shows twice of what was asked (sock(7)).
    const line = run("ss", "-uanem").split("\n");
    const shown =
      line[line.findIndex((text) => text.includes(`ino:${inode}`)) + 1] ??
      line.find((text) => text.includes(`ino:${inode}`));
    expect(shown).toContain(`rb${18 << 20}`);
    expect(shown).toContain(`tb${16 << 20}`);
  });

  test("without CAP_NET_ADMIN: a mark, a large buffer and a low port say what they take", () => {
    const script = `
      import { openUdp } from "${import.meta.dir}/../../src/udp/index.ts";
      for (const options of [{ mark: 5 }, { receiveBuffer: 2 ** 29 }, { sendBuffer: 2 ** 29 }, { port: 53, address: "127.0.0.1" }]) {
        try { openUdp(options); console.log("opened"); } catch (error) { console.log(error.code, error.syscall, error.hint.length > 20); }
      }
      console.log(openUdp({ receiveBuffer: 65536 }).closed);
      process.exit(0);`;
    const text = run(
      "setpriv",
      "--reuid=65534",
      "--clear-groups",
      "--inh-caps=-all",
      "--bounding-set=-all",
      process.execPath,
      "-e",
      script,
    );
    expect(text.trim().split("\n")).toEqual([
      "EPERM setsockopt(SO_MARK) true",
      "EPERM setsockopt(SO_RCVBUF) true",
      "EPERM setsockopt(SO_SNDBUF) true",
      "EACCES bind true",
      "false",
    ]);
  });

  test("a mark leads datagrams by policy rules", async () => {
    run("ip", "rule", "add", "fwmark", "77", "blackhole", "priority", "10");
    try {
      using plain = openUdp({ address: "127.0.0.1" });
      using marked = openUdp({ address: "127.0.0.1", mark: 77 });
      using server = collect({ address: "127.0.0.1" });
      plain.send(new Uint8Array(1), plain.endpoint("127.0.0.1", server.socket.port));
      await server.has(1);
      // The local table comes before any rule of ours, so the marked one needs another destination.
      expect(() => marked.send(new Uint8Array(1), marked.endpoint("203.0.113.9", 9))).toThrow(
        /EINVAL|ENETUNREACH|EACCES/,
      );
    } finally {
      run("ip", "rule", "delete", "priority", "10");
    }
  });

  test("several sockets share a port, and each sender stays with one", async () => {
    const servers = Array.from({ length: 2 }, () => collect({ address: "127.0.0.1", port: 40_100, reusePort: true }));
    const clients = Array.from({ length: 30 }, () => openUdp({ address: "127.0.0.1" }));
    for (const client of clients) client.sendMany(numbered(3, 10), client.endpoint("127.0.0.1", 40_100));
    await until(() => servers.reduce((sum, { received }) => sum + received.length, 0) === 90, "all datagrams");
    const ports = servers.map(({ senders }) => new Set(senders.map(({ port }) => port)));
    expect((ports[0] as Set<number>).isDisjointFrom(ports[1] as Set<number>)).toBe(true);
    expect(ports.map(({ size }) => size > 0)).toEqual([true, true]);
    for (const socket of [...clients, ...servers.map(({ socket }) => socket)]) socket.close();
  });
});

describeWithTools("openUdp() in other network namespaces", ["ip", "ping", "nsenter"], () => {
  let wire: Awaited<ReturnType<typeof wired>>;
  beforeAll(async () => {
    wire = await wired();
    await ping(wire.left, "198.51.100.2");
  });
  afterAll(() => wire[Symbol.dispose]());

  test("netns: both ends are served from this thread, over the wire between them", async () => {
    using server = collect({ netns: wire.right.path, port: 5000, receiveBuffer: 1 << 22 });
    using client = openUdp({ netns: wire.left.path });
    const sent = numbered(500, 1400);
    expect(client.sendMany(sent, client.endpoint("198.51.100.2", 5000))).toBe(500);
    await server.has(500);
    expect(server.received).toEqual(sent);
    expect(server.senders[0]).toMatchObject({ address: "198.51.100.1", localAddress: "198.51.100.2" });
    // veth passes super-datagrams whole: twelve messages.
    expect(server.socket.counters().receiveCalls).toBeLessThan(60);
  });

  test("interface: datagrams go out there, and come in from there alone", async () => {
    using server = collect({ netns: wire.right.path, interface: "wire0" });
    using client = openUdp({ netns: wire.left.path, interface: "wire0" });
    client.send(new Uint8Array(3), client.endpoint("198.51.100.2", server.socket.port));
    await server.has(1);
    using local = openUdp({ netns: wire.right.path });
    local.send(new Uint8Array(4), local.endpoint("127.0.0.1", server.socket.port));
    client.send(new Uint8Array(5), client.endpoint("198.51.100.2", server.socket.port));
    await server.has(2);
    expect(server.received.map(({ length }) => length)).toEqual([3, 5]);
  });

  test("link-local addresses go with their interface", async () => {
    wire.left.run("ip", "address", "add", "fe80::1/64", "dev", "wire0", "nodad");
    wire.right.run("ip", "address", "add", "fe80::2/64", "dev", "wire0", "nodad");
    using server = collect({ netns: wire.right.path });
    using client = collect({ netns: wire.left.path });
    const to = client.socket.endpoint("fe80::2%wire0", server.socket.port);
    expect(to.address).toBe("fe80::2%wire0");
    client.socket.send(new Uint8Array(3), to);
    await server.has(1);
    expect(server.senders[0]).toMatchObject({ address: "fe80::1%wire0", localAddress: "fe80::2%wire0" });
    server.socket.sendMany(numbered(5, 1000), server.senders[0]);
    await client.has(5);
    expect(client.senders[0]).toMatchObject({ address: "fe80::2%wire0", localAddress: "fe80::1%wire0" });
  });

  test("a run whose datagrams are longer than the path's MTU goes one by one, and arrives", async () => {
    using netns = await Namespace.open();
    netns.run("ip", "link", "set", "lo", "mtu", "1300");
    using server = collect({ netns: netns.path, port: 5001, receiveBuffer: 1 << 22 });
    using client = openUdp({ netns: netns.path, sendBuffer: 1 << 22 });
    const to = client.endpoint("127.0.0.1", 5001);
    const sent = numbered(60, 1400);
    expect(client.sendMany(sent, to)).toBe(60);
    await server.has(60);
    expect(server.received).toEqual(sent);
    // Remembered: the second run is not tried as one. Shorter ones still go together.
    const before = client.counters().sendCalls;
    client.sendMany(sent, to);
    expect(client.counters().sendCalls - before).toBe(1);
    const after = client.counters().sendCalls;
    client.sendMany(numbered(60, 1000), to);
    expect(client.counters().sendCalls - after).toBe(1);
    await server.has(180);
    expect(client.segmentation.send).toBe(true);
  });
});
