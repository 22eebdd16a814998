/** Packets of several flows in one sendMany(): each flow is merged, and none of its packets overtakes another one of it. */
import { describe, expect, test } from "bun:test";
import { type Fields, FLAG, makePacket, makeSegments, noise, offsets, plainFields } from "./support/packets.ts";
import { runs } from "./support/runs.ts";
import { receive, SendState, send } from "./support/shim.ts";

const { fin, ack, psh } = FLAG;
const kinds: [string, Fields][] = [
  ["TCP over IPv4", plainFields],
  ["TCP over IPv6", { ...plainFields, version: 6 }],
  ["UDP over IPv4", { ...plainFields, protocol: "udp" }],
  ["UDP over IPv6", { ...plainFields, protocol: "udp", version: 6 }],
];

/** A run of packets of flow number `which`, which become one write. */
function flow(which: number, count: number, fields: Fields = plainFields): Uint8Array[] {
  return makeSegments({ ...fields, sourcePort: 1000 + which, flags: ack }, noise(count * 100, which + 1), 100);
}

/** One packet of each flow, then the next one of each. */
function inTurns(flows: readonly Uint8Array[][]): Uint8Array[] {
  const longest = Math.max(...flows.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => flows.flatMap((packets) => packets.slice(at, at + 1))).flat();
}

const many = (flows: number, count: number, fields?: Fields): Uint8Array[] =>
  inTurns(Array.from({ length: flows }, (_, which) => flow(which, count, fields)));

/** The source ports of what is written, in that order. */
const ports = (writes: readonly Uint8Array[]): number[] =>
  writes.map((write) => Buffer.from(write).readUInt16BE(10 + 20) - 1000);

describe.each(kinds)("%s", (_, fields) => {
  test.each([2, 8, 32, 64])("%d interleaved flows: one write a flow", (count) => {
    expect(runs(many(count, 4, fields))).toEqual(Array(count).fill(4));
  });

  test("the same flow number in another VLAN, or without a tag, is not merged with it, and does not overtake it", () => {
    const tagged = (...ids: number[]): Uint8Array[] =>
      flow(0, 4, { ...fields, tags: ids.map((id): [number, number] => [0x8100, id]) });
    expect(runs(inTurns([tagged(5), flow(1, 4, { ...fields, tags: [[0x8100, 5]] })]), true)).toEqual([4, 4]);
    expect(runs([...tagged(5).slice(0, 2), ...tagged(6).slice(2)], true)).toEqual([2, 2]);
    expect(runs([...tagged(5).slice(0, 2), ...tagged().slice(2)], true)).toEqual([2, 2]);
    expect(runs([...tagged(5, 6).slice(0, 2), ...tagged(5).slice(2)], true)).toEqual([2, 2]);
  });

  test("a fragment of the flow is not overtaken, nor does it overtake", () => {
    const [a, b, c, d] = flow(0, 4, fields) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const fragment = makePacket({ ...fields, version: 4, dontFragment: false, fragmentOffset: 7 }, noise(50));
    const expected = fields.version === 4 ? [2, 1, 2] : [1, 4];
    expect(runs([a, b, fragment, c, d])).toEqual(expected);
    const next = Uint8Array.from(flow(0, 1, { ...fields, version: 6 })[0] as Uint8Array);
    next[6] = 44;
    expect(runs([a, b, next, c, d])).toEqual(fields.version === 6 ? [2, 1, 2] : [1, 4]);
  });
});

test("writes come in the order in which the flows began", () => {
  expect(ports(send(many(64, 3), false))).toEqual(Array.from({ length: 64 }, (_, which) => which));
  const [one, two, three] = [flow(1, 3), flow(2, 3), flow(3, 3)];
  expect(ports(send([...one.slice(0, 1), ...two, ...three, ...one.slice(1)], false))).toEqual([1, 2, 3]);
});

test("the oldest run makes room for a 65th flow", () => {
  expect(ports(send([...many(64, 2), ...flow(64, 2)], false))).toEqual(Array.from({ length: 65 }, (_, which) => which));
  // In turns each flow's run is the oldest when its next packet comes.
  expect(runs(many(65, 3))).toEqual(Array(195).fill(1));
});

test("runs of more packets than wait at once", () => {
  const counts = runs(inTurns([flow(0, 3000), flow(1, 3000)]));
  expect(counts.reduce((sum, count) => sum + count)).toBe(6000);
  expect(counts.length).toBeLessThan(20);
});

describe("what ends the run of its own flow, and of no other", () => {
  const [mine, other] = [flow(0, 4), flow(1, 4)];
  const sequence = plainFields.sequence + 200;
  const between = (packet: Uint8Array): Uint8Array[] => [...inTurns([mine, other]).toSpliced(4, 0, packet)];

  test.each<[string, Partial<Fields>, number]>([
    ["a FIN", { flags: fin | ack, sequence }, 0],
    ["a FIN with a payload", { flags: fin | ack | psh, sequence }, 20],
    ["a bare acknowledgement", { sequence }, 0],
    ["a retransmission", { sequence: plainFields.sequence }, 100],
    ["a segment from before the run's end", { sequence: sequence - 50 }, 100],
  ])("%s", (_, change, size) => {
    const packet = makePacket({ ...plainFields, sourcePort: 1000, flags: ack, ...change }, noise(size));
    // Two packets of the flow; the one in between; the other flow, which goes on; the rest.
    const [first, ...rest] = runs(between(packet));
    expect([first, rest.reduce((sum, count) => sum + count)]).toEqual([2, 7]);
    expect(rest).toContain(4);
  });

  test("an acknowledgement in the other direction ends neither", () => {
    const answer = makePacket({ ...plainFields, sourcePort: 5201, destinationPort: 1000, hosts: [2, 1] }, noise(0));
    expect(runs(between(answer))).toEqual([1, 4, 4]);
  });

  test("data in both directions", () => {
    const answers = flow(0, 4, { ...plainFields, hosts: [2, 1] });
    expect(runs(inTurns([mine, answers]))).toEqual([4, 4]);
  });
});

describe("what nobody can tell the flow of ends all runs", () => {
  const [mine, other] = [flow(0, 4), flow(1, 4)];
  test.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array()],
    ["half a header", (mine[0] as Uint8Array).slice(0, 19)],
    ["noise", noise(100)],
    ["options", makePacket({ ...plainFields, hosts: [7, 8], ipOptions: [7, 4, 0, 0] }, noise(10))],
    ["a routing header", makePacket({ ...plainFields, version: 6, extension: [43, [0, 0, 0, 0, 0, 0, 0]] }, noise(10))],
  ])("%s", (_, packet) => {
    expect(runs(inTurns([mine, other]).toSpliced(4, 0, packet))).toEqual([2, 2, 1, 2, 2]);
  });

  test("what is no IP, on a TAP", () => {
    const [mine, other] = [flow(0, 4, { ...plainFields, tags: [] }), flow(1, 4, { ...plainFields, tags: [] })];
    const arp = (mine[0] as Uint8Array).slice();
    arp.set([0x08, 0x06], 12);
    expect(runs(inTurns([mine, other]).toSpliced(4, 0, arp), true)).toEqual([2, 2, 1, 2, 2]);
  });
});

test("another protocol between the same hosts ends their runs, and no other's", () => {
  const [mine, other] = [flow(0, 4), flow(1, 4, { ...plainFields, hosts: [7, 8] })];
  const echo = makePacket({ ...plainFields, protocol: "udp" }, noise(20));
  echo[9] = 1;
  expect(runs(inTurns([mine, other]).toSpliced(4, 0, echo))).toEqual([2, 1, 4, 2]);
});

describe("the kernel stops in the middle of several flows", () => {
  const EAGAIN = 11;

  test("what was not written of the first frames is kept, in order; the rest is the caller's", () => {
    const frames = many(3, 3);
    const { writes, given, pending, kept } = new SendState().send(frames, false, { errors: [0, EAGAIN] });
    // Flow 0 is written: frames 0, 3, 6. So the first seven are taken.
    expect(receive(writes, false)).toEqual([0, 3, 6].map((at) => frames[at]) as Uint8Array[]);
    expect(given - pending).toBe(7);
    expect(kept).toEqual([1, 2, 4, 5].map((at) => frames[at]) as Uint8Array[]);
  });

  test("while a refused super-packet goes packet by packet", () => {
    const frames = many(2, 4);
    const { writes, given, pending, kept } = new SendState().send(frames, false, { errors: [105, 0, 0, EAGAIN] });
    expect(receive(writes, false)).toEqual([0, 2].map((at) => frames[at]) as Uint8Array[]);
    expect(given - pending).toBe(3);
    expect(kept).toEqual([frames[1] as Uint8Array]);
  });

  test("again and again: what was left over the last time is not kept this time", () => {
    const state = new SendState();
    const frames = many(3, 3);
    const bare = makePacket({ ...plainFields, hosts: [7, 8] }, new Uint8Array());
    for (let turn = 0; turn < 3; turn++) {
      expect(state.send(frames, false, { errors: [EAGAIN] }).kept).toEqual([]);
      // Alone, between packets that wait.
      const { writes, kept } = state.send(frames.toSpliced(1, 0, bare), false, { errors: [0, 0, EAGAIN] });
      expect(receive(writes, false)).toEqual([bare, ...[0, 3, 6].map((at) => frames[at] as Uint8Array)]);
      expect(kept).toEqual([1, 2, 4, 5].map((at) => frames[at]) as Uint8Array[]);
    }
  });

  test("nothing is kept where nothing was written", () => {
    const { given, pending, kept } = new SendState().send(many(3, 3), false, { errors: [EAGAIN] });
    expect([given - pending, kept]).toEqual([0, []]);
  });

  test("behind a window that was written", () => {
    const frames = inTurns([flow(0, 1500), flow(1, 1500)]);
    const state = new SendState();
    const { writes, given, pending, kept } = state.send(frames, false, { errors: [...Array(5).fill(0), EAGAIN] });
    const received = receive(writes, false);
    expect(received.length + kept.length).toBe(given - pending);
    expect(kept.length).toBeGreaterThan(0);
    const rest = receive(state.send([...kept, ...frames.slice(given - pending)], false).writes, false);
    const port = (frame: Uint8Array): number => Buffer.from(frame).readUInt16BE(offsets(plainFields).transport);
    const all = [...received, ...rest];
    for (const which of [1000, 1001]) {
      expect(all.filter((frame) => port(frame) === which)).toEqual(frames.filter((frame) => port(frame) === which));
    }
  });
});
