/** The ECN bits of datagrams, sent and received: against Python's sockets, which know nothing of this library. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Ecn, openUdp, type UdpOptions } from "../../src/udp/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { loopbackUp, numbered } from "./support.ts";

const all: readonly Ecn[] = [0, 1, 2, 3];

/** Receives `count` datagrams at `address`, and prints the bits of each; 13, 66 and 67 are in include/uapi/linux/in.h and in6.h. */
const witness = `
import socket, sys
address, count = sys.argv[1], int(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(41 if six else 0, 66 if six else 13, 1)
s.settimeout(20)
s.bind((address, 0))
print(s.getsockname()[1], flush=True)
for i in range(count):
    _, control, _, _ = s.recvmsg(2000, 100)
    print([data[0] & 3 for level, kind, data in control if (level, kind) in ((0, 1), (41, 67))][0], flush=True)
`;

/** Sends one datagram with each of the four marks. */
const marker = `
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
for ecn in range(4):
    s.setsockopt(41 if six else 0, 67 if six else 1, 0xb8 | ecn)
    s.sendto(b"marked", (address, port))
`;

interface Seen {
  readonly ecn: Ecn;
  readonly count: number;
}

/** A socket that notes the mark and the length of each run. */
function watch(options: UdpOptions): Disposable & { readonly port: number; readonly runs: Seen[] } {
  const runs: Seen[] = [];
  const socket = openUdp({ ...options, data: (_, { length }, _from, ecn) => void runs.push({ ecn, count: length }) });
  return { port: socket.port, runs, [Symbol.dispose]: () => socket.close() };
}

function totals(runs: readonly Seen[]): number[] {
  return all.map((mark) => runs.reduce((sum, { ecn, count }) => sum + (ecn === mark ? count : 0), 0));
}

describeWithTools("ECN bits", ["ip", "python3"], () => {
  const addresses = ["192.0.2.33", "2001:db8::33"];

  beforeAll(() => {
    loopbackUp();
    for (const address of addresses) run("ip", "address", "add", address, "dev", "lo", "nodad");
  });
  afterAll(() => {
    for (const address of addresses)
      run("ip", "address", "delete", `${address}/${address.includes(":") ? 128 : 32}`, "dev", "lo");
  });

  const ways = addresses.flatMap((address) => [
    { address, way: "an endpoint of a socket of both families" },
    { address, way: "an endpoint with a source" },
    { address, way: "a socket of its family" },
    { address, way: "a connected socket" },
  ]);

  test.each(ways)("of what is sent to $address by $way", async ({ address, way }) => {
    const child = Bun.spawn(["python3", "-c", witness, address, "24"], { stdout: "pipe" });
    const lines = child.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    const port = Number((await lines.next()).value);
    const connected = way === "a connected socket";
    using socket = openUdp({
      ...(way === "a socket of its family" && { address }),
      ...(connected && { peer: { address, port } }),
    });
    const to = connected
      ? undefined
      : socket.endpoint(address, port, way === "an endpoint with a source" ? address : undefined);
    for (const ecn of [...all, 2, 0] as const) {
      // A run, which goes as one message where the kernel segments, and one that does not belong to it.
      expect(socket.sendMany(numbered(3, 100), to, ecn)).toBe(3);
      expect(socket.send(new Uint8Array(7), to, ecn)).toBe(true);
    }
    let text = "";
    for (let next = await lines.next(); !next.done; next = await lines.next()) text += next.value;
    expect(text.trim().split("\n").map(Number)).toEqual([0, 1, 2, 3, 2, 0].flatMap((ecn) => [ecn, ecn, ecn, ecn]));
  });

  test.each(addresses.flatMap((address) => [true, false].map((segmentation) => ({ address, segmentation }))))(
    "of what is received at $address, segmentation $segmentation",
    async ({ address, segmentation }) => {
      using both = watch({ ecn: true, segmentation });
      using one = watch({ ecn: true, segmentation, address });
      using deaf = watch({ segmentation });
      for (const { port } of [both, one, deaf]) run("python3", "-c", marker, address, String(port));
      const arrived = (): number[] => [both, one, deaf].map(({ runs }) => totals(runs).reduce((a, b) => a + b));
      await until(() => arrived().every((count) => count === 4), "four datagrams each");
      expect([both, one, deaf].map(({ runs }) => totals(runs))).toEqual([
        [1, 1, 1, 1],
        [1, 1, 1, 1],
        [4, 0, 0, 0],
      ]);
    },
  );

  test("part the runs of one sender, and keep their order", async () => {
    using server = watch({ ecn: true, address: addresses[0] as string });
    using client = openUdp();
    const to = client.endpoint(addresses[0] as string, server.port);
    for (const ecn of [2, 3, 0, 2] as const) client.sendMany(numbered(5, 500), to, ecn);
    await until(() => totals(server.runs).reduce((a, b) => a + b) === 20, "20 datagrams");
    expect(server.runs.flatMap(({ ecn, count }) => Array(count).fill(ecn))).toEqual(
      [2, 3, 0, 2].flatMap((ecn) => Array(5).fill(ecn)),
    );
  });

  test("are told by batches(), too", async () => {
    using server = openUdp({ ecn: true, address: addresses[0] as string });
    using client = openUdp();
    client.send(new Uint8Array(1), client.endpoint(addresses[0] as string, server.port), 3);
    for await (const { datagrams, ecn } of server.batches()) {
      expect([datagrams.length, ecn]).toEqual([1, 3]);
      break;
    }
  });

  test.each([-1, 4, 1.5, "2", null])("%p is none, and nothing is sent", (ecn) => {
    using client = openUdp();
    const to = client.endpoint(addresses[0] as string, 9);
    expect(() => client.sendMany([new Uint8Array(1)], to, ecn as Ecn)).toThrow('"ecn" must be 0, 1, 2 or 3');
    expect(client.counters().datagramsSent).toBe(0);
    expect(() => openUdp({ ecn: ecn as never })).toThrow('Option "ecn" must be');
  });
});
