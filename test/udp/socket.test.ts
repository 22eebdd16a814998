/** UDP sockets over loopback: what is sent arrives, whole, in order, from whom and to where it says. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Endpoint, openUdp } from "../../src/udp/index.ts";
import { kernelHas } from "../support/kernel.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { collect, loopbackUp, numbered, PlainSocket, until } from "./support.ts";

/** The calls that the first run of 64 datagrams costs more: the old kernel refuses it twice, and then each goes alone. */
const refusedRun = (): number => (kernelHas("fullRun") ? 0 : 67);

describeWithTools("a UDP socket", ["ip", "python3"], () => {
  const addresses = ["192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128"];

  beforeAll(() => {
    loopbackUp();
    for (const address of addresses) run("ip", "address", "add", address, "dev", "lo", "nodad");
  });

  // Other files send to these addresses through interfaces of their own, in the same namespace.
  afterAll(() => {
    for (const address of addresses) run("ip", "address", "delete", address, "dev", "lo");
  });

  test.each([true, false])("sends runs that arrive in order, segmentation %p", async (segmentation) => {
    using server = collect({ address: "192.0.2.1", segmentation, receiveBuffer: 1 << 22 });
    using client = openUdp({ address: "192.0.2.2", segmentation, sendBuffer: 1 << 22 });
    expect([server.socket.segmentation, client.segmentation]).toEqual([
      { send: segmentation, receive: segmentation },
      { send: segmentation, receive: segmentation },
    ]);
    // Equal ones, a shorter one behind them, empty ones, longer ones: each way for a run to end.
    const sizes = [...Array(150).fill(1400), 700, 700, 0, 0, 9, 10, 11, ...Array(70).fill(100), 5];
    const sent = sizes.map((size, i) => new Uint8Array(size).fill(i));
    expect(client.sendMany(sent, client.endpoint("192.0.2.1", server.socket.port))).toBe(sent.length);
    await server.has(sent.length);
    expect(server.received).toEqual(sent);
    expect(new Set(server.senders).size).toBe(1);
    const { datagramsSent, bytesSent, sendCalls } = client.counters();
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect([datagramsSent, bytesSent]).toEqual([sent.length, bytes]);
    // 150 of 1,400 bytes are four runs of 46 and less; the others seven more. Without segmentation 64 a call.
    const calls = segmentation ? 1 + refusedRun() : 4;
    expect(sendCalls).toBeLessThanOrEqual(calls);
    expect(server.socket.counters()).toMatchObject({
      datagramsReceived: sent.length,
      bytesReceived: bytes,
      truncated: 0,
    });
  });

  test("gathers a run from one buffer, and from many", async () => {
    using server = collect({ address: "192.0.2.1", receiveBuffer: 1 << 22 });
    using client = openUdp({ address: "192.0.2.2" });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    const whole = new Uint8Array(8 + 64 * 500).map((_, i) => i >> 4);
    const views = Array.from({ length: 64 }, (_, i) => whole.subarray(8 + i * 500, 8 + (i + 1) * 500));
    const apart = numbered(64, 500);
    // With gaps between them, as frames of a slab have.
    const gaps = Array.from({ length: 50 }, (_, i) => whole.subarray(8 + i * 504, 8 + i * 504 + 500));
    for (const datagrams of [views, apart, gaps]) {
      const before = client.counters().sendCalls;
      expect(client.sendMany(datagrams, to)).toBe(datagrams.length);
      expect(client.counters().sendCalls - before).toBeLessThanOrEqual(1 + (datagrams === views ? refusedRun() : 0));
    }
    expect(client.segmentation.send).toBe(true);
    await server.has(178);
    expect(server.received).toEqual([...views, ...apart, ...gaps]);
  });

  test("exchanges datagrams with the sockets of other programs", async () => {
    using server = collect({ address: "192.0.2.1" });
    using plain = new PlainSocket("192.0.2.2", 40_001);
    plain.send(Uint8Array.of(1, 2, 3), "192.0.2.1", server.socket.port);
    await server.has(1);
    const from = server.senders[0] as Endpoint;
    expect(from).toMatchObject({ address: "192.0.2.2", port: 40_001, localAddress: "192.0.2.1" });
    const sent = [...numbered(5, 300), new Uint8Array(20)];
    server.socket.sendMany(sent, from);
    for (const bytes of sent) expect(await plain.receive()).toEqual({ bytes, from: `192.0.2.1:${server.socket.port}` });
  });

  test("serves IPv4 and IPv6 at once, and answers from the address that was asked", async () => {
    using echo = openUdp({ data: (self, datagrams, from) => void self.sendMany(datagrams, from) });
    expect(echo.address).toBe("::");
    for (const [own, asked] of [
      ["192.0.2.2", "192.0.2.1"],
      ["127.0.0.1", "192.0.2.2"],
      ["127.0.0.1", "127.0.0.9"],
      ["::1", "2001:db8::1"],
      ["2001:db8::1", "::1"],
    ] as const) {
      // A connected socket takes no answer from another address than the one it asked.
      using client = collect({ address: own, peer: { address: asked, port: echo.port } });
      expect(client.socket.peer).toMatchObject({ address: asked, port: echo.port, localAddress: own });
      client.socket.sendMany(numbered(3, 100));
      await client.has(3);
      expect(client.senders[0]).toBe(client.socket.peer as Endpoint);
    }
  });

  test("answers a broadcast from an address of its own", async () => {
    run("ip", "link", "add", "bc0", "type", "veth", "peer", "name", "bc1");
    run("ip", "address", "add", "198.51.100.1/24", "dev", "bc0");
    run("ip", "link", "set", "bc0", "up");
    run("ip", "link", "set", "bc1", "up");
    using server = collect({ address: "0.0.0.0" });
    const plain = Bun.spawn(
      [
        "python3",
        "-c",
        `import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.setsockopt(1,6,1);s.bind(("198.51.100.1",0));s.sendto(b"who",("198.51.100.255",${server.socket.port}));print(s.recv(9).decode())`,
      ],
      { stdout: "pipe" },
    );
    await server.has(1);
    const from = server.senders[0] as Endpoint;
    expect(from.localAddress).toBe("198.51.100.1");
    server.socket.send(new TextEncoder().encode("me"), from);
    expect(await plain.stdout.text()).toBe("me\n");
    run("ip", "link", "delete", "bc0");
  });

  test("keeps each endpoint once, however it is made", async () => {
    using server = collect({ address: "192.0.2.1" });
    using client = openUdp({ address: "192.0.2.2" });
    client.send(new Uint8Array(4), client.endpoint("192.0.2.1", server.socket.port));
    await server.has(1);
    const from = server.senders[0] as Endpoint;
    expect(from).toBe(server.socket.endpoint("192.0.2.2", client.port));
    expect(from).toBe(server.socket.endpoint("::ffff:192.0.2.2", client.port, "192.0.2.1"));
    expect(Object.isFrozen(from)).toBe(true);
    expect(JSON.parse(JSON.stringify(from))).toEqual({
      address: "192.0.2.2",
      port: client.port,
      localAddress: "192.0.2.1",
    });
  });

  test("forgets strangers first when there are more endpoints than it keeps", () => {
    using socket = openUdp({ address: "192.0.2.1" });
    const friend = socket.endpoint("192.0.2.2", 9);
    const strangers = new Set<Endpoint>();
    for (let round = 0; round < 3; round++) {
      for (let port = 1000; port < 6000; port++) {
        strangers.add(socket.endpoint("198.51.100.7", port));
        // A peer that is served comes by again and again.
        if (port % 100 === 0) expect(socket.endpoint("192.0.2.2", 9)).toBe(friend);
      }
    }
    // More objects than addresses: some were forgotten. The socket goes on sending to those that are held.
    expect(strangers.size).toBeGreaterThan(5000);
    for (const { address, port } of strangers) expect([address, port >= 1000]).toEqual(["198.51.100.7", true]);
  });

  test("sends 0, 65,507 and not 65,508 bytes", async () => {
    using server = collect({ address: "192.0.2.1" });
    using client = openUdp({ address: "192.0.2.2" });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    for (const size of [0, 65_507]) expect(client.send(new Uint8Array(size).fill(7), to)).toBe(true);
    expect(() => client.send(new Uint8Array(65_508), to)).toThrow(/EMSGSIZE.*65508 bytes.*at most 65,507/);
    // In a batch it costs no other.
    expect(client.sendMany([new Uint8Array(1), new Uint8Array(65_508), new Uint8Array(2)], to)).toBe(3);
    await server.has(4);
    expect(server.received.map(({ length }) => length)).toEqual([0, 65_507, 1, 2]);
    expect(client.counters()).toMatchObject({ refused: 2, refusedBy: { tooLong: 2 }, datagramsSent: 4 });
    using six = openUdp({ address: "::1" });
    using server6 = collect({ address: "::1" });
    six.send(new Uint8Array(65_527), six.endpoint("::1", server6.socket.port));
    await server6.has(1);
    expect(server6.received[0]?.length).toBe(65_527);
  });

  test("sends the bytes that a view has, whatever its properties say", async () => {
    using server = collect({ address: "192.0.2.1" });
    using client = openUdp({ address: "192.0.2.2" });
    const liar = Object.defineProperty(new Uint8Array(new ArrayBuffer(64), 8, 20), "byteLength", { value: 5000 });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    expect(client.send(liar, to)).toBeTrue();
    expect(client.sendMany([liar], to)).toBe(1);
    await until(() => server.received.length === 2, "both");
    expect(server.received.map(({ length }) => length)).toEqual([20, 20]);
  });

  test("tells the error handler of a refused datagram once a batch", () => {
    const told: { code: string; frameIndex: number | undefined }[] = [];
    using client = openUdp({
      address: "192.0.2.2",
      error: (_, { code, frameIndex }) => told.push({ code, frameIndex }),
    });
    const to = client.endpoint("192.0.2.1", 9);
    expect(client.sendMany([new Uint8Array(9), new Uint8Array(70_000), new Uint8Array(70_001)], to)).toBe(3);
    expect(told).toEqual([{ code: "EMSGSIZE", frameIndex: 1 }]);
  });

  test("with reuseBuffers hands out the same memory", async () => {
    using server = collect({ address: "192.0.2.1", reuseBuffers: true });
    using client = openUdp({ address: "192.0.2.2" });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    const buffers = new Set<ArrayBufferLike>();
    using _observer = server.socket.observe({
      datagrams: (list) => {
        for (const { buffer } of list) buffers.add(buffer);
      },
    });
    for (let i = 0; i < 30; i++) {
      const sent = numbered(60, 1000);
      client.sendMany(sent, to);
      await server.has((i + 1) * 60);
      expect(server.received.slice(-60)).toEqual(sent);
    }
    expect(buffers.size).toBe(1);
  });

  test("without reuseBuffers a datagram can be kept", async () => {
    using server = collect({ address: "192.0.2.1", receiveBuffer: 1 << 22 });
    using client = openUdp({ address: "192.0.2.2" });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    const sent = numbered(3000, 1400);
    for (let i = 0; i < 3000; i += 100) {
      client.sendMany(sent.slice(i, i + 100), to);
      await server.has(i + 100);
    }
    expect(server.received).toEqual(sent);
  });

  test("shows observers the datagrams that pass, with the peer", async () => {
    using server = collect({ address: "192.0.2.1" });
    using client = openUdp({ address: "192.0.2.2" });
    const to = client.endpoint("192.0.2.1", server.socket.port);
    const seen: unknown[] = [];
    let closed = 0;
    const observer = {
      datagrams(list: readonly Uint8Array[], direction: string, peer: Endpoint) {
        seen.push([direction, list.length, peer]);
      },
      close: () => closed++,
    };
    server.socket.observe(observer);
    client.observe(observer);
    client.sendMany(numbered(3, 10), to);
    await server.has(3);
    expect(seen).toEqual([
      ["sent", 3, to],
      ["received", 3, server.senders[0]],
    ]);
    server.socket.close();
    client.close();
    expect(closed).toBe(2);
  });

  test("iterates over runs of one sender", async () => {
    using server = openUdp({ address: "192.0.2.1" });
    const clients = Array.from({ length: 3 }, () => openUdp({ address: "192.0.2.2" }));
    for (const client of clients) client.sendMany(numbered(4, 50), client.endpoint("192.0.2.1", server.port));
    const ports: number[] = [];
    for await (const { datagrams, from } of server.batches()) {
      ports.push(...datagrams.map(() => from.port));
      if (ports.length === 12) break;
    }
    expect(ports).toEqual(clients.flatMap(({ port }) => [port, port, port, port]));
    for (const client of clients) client.close();
  });

  test("counts datagrams that found no room in its queue", async () => {
    using server = openUdp({ address: "192.0.2.1", receiveBuffer: 20_000 });
    using client = openUdp({ address: "192.0.2.2", sendBuffer: 1 << 22 });
    const to = client.endpoint("192.0.2.1", server.port);
    for (const datagram of numbered(500, 1000)) client.send(datagram, to);
    let got = 0;
    const counting = (async () => {
      for await (const { datagrams } of server.batches()) got += datagrams.length;
    })();
    await until(() => got > 0 && server.counters().datagramsReceived === got, "what is queued");
    // The number comes with a datagram that is queued after the loss.
    client.send(new Uint8Array(1), to);
    await until(() => server.counters().lost > 0, "the loss is told");
    expect(server.counters().lost + got).toBe(501);
    server.close();
    await counting;
  });
});
