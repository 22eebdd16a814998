/** What fast-check makes packets and streams of. */
import fc from "fast-check";
import { type Fields, FLAG, makePacket, makeSegments, noise, offsets } from "./packets.ts";

const bits = (count: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** count - 1 });
/** Numbers that count up, often just before they wrap. */
const counting = (count: number): fc.Arbitrary<number> =>
  fc.oneof(bits(count), fc.integer({ min: 2 ** count - 70, max: 2 ** count - 1 }));
const tag = fc.tuple(fc.constantFrom(0x8100, 0x88a8), bits(16));
const words = (most: number): fc.Arbitrary<number[]> =>
  fc.integer({ min: 0, max: most }).chain((n) => fc.array(bits(8), { minLength: 4 * n, maxLength: 4 * n }));

/** On a TUN, or on a TAP with up to two tags. */
const tags = fc.oneof(fc.constant(undefined), fc.array(tag, { maxLength: 2 }));

/** Fields of packets that may be merged, and so of any that come of a split; PSH is the last one's. */
export const mergeable: fc.Arbitrary<Fields> = fc
  .record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    tags,
    tos: bits(8),
    ttl: bits(8),
    id: counting(16),
    dontFragment: fc.boolean(),
    flowLabel: bits(20),
    sourcePort: bits(16),
    destinationPort: bits(16),
    hosts: fc.tuple(bits(8), bits(8)),
    sequence: counting(32),
    acknowledgement: bits(32),
    flags: fc.constantFrom(FLAG.ack, FLAG.ack | FLAG.psh),
    window: bits(16),
    options: words(10),
  })
  .map(({ tags, ...fields }) => (tags === undefined ? fields : { ...fields, tags }));

/** Hop-by-hop options, destination options, and a routing header, of one to three times 8 octets. */
const extension = fc
  .tuple(fc.constantFrom(0, 60, 43), fc.integer({ min: 0, max: 2 }))
  .map(([next, more]): readonly [number, number[]] => [next, [more, ...Array(6 + 8 * more).fill(0)]]);

/** Fields of super-packets that no run of ours would make, but a kernel may. */
export const splittable: fc.Arbitrary<Fields> = fc
  .record({
    fields: mergeable,
    flags: bits(8).map((flags) => (flags & ~(FLAG.syn | FLAG.rst)) | FLAG.ack),
    ipOptions: words(10),
    extension: fc.oneof(fc.constant(undefined), extension),
    last: bits(8),
    urgent: bits(16),
    reserved: bits(4),
  })
  .map(({ fields, extension, last, ...rest }): Fields => {
    const merged = { ...fields, ...rest };
    if (extension === undefined) return merged;
    const isRouted = fields.version === 6 && extension[0] === 43;
    return { ...merged, extension, ...(isRouted ? { lastHosts: [fields.hosts[0], last] } : {}) };
  });

/** Bytes that a counterexample shows by how they were made. */
function shown(bytes: Uint8Array, text: string): Uint8Array {
  return Object.defineProperty(bytes, fc.toStringMethod, { value: () => text });
}

/** A payload that fits behind these fields, and the size to cut it to: of 1 to `most` pieces. */
export function payloadOf(fields: Fields, most: number): fc.Arbitrary<{ payload: Uint8Array; size: number }> {
  const headers = offsets(fields).payload - offsets(fields).ip;
  const longest = 65_535 - headers;
  return fc
    .tuple(fc.oneof(fc.integer({ min: 1, max: longest }), fc.integer({ min: 1, max: 3000 })), bits(16), bits(30))
    .map(([length, size, seed]) => {
      const least = Math.ceil(length / most);
      return {
        payload: shown(noise(length, seed + 1), `noise(${length}, ${seed + 1})`),
        size: Math.max(least, 1, size % (length + 20)),
      };
    });
}

/** Fields with a payload and the size of its pieces. */
export function superPacket(
  fields: fc.Arbitrary<Fields>,
  most: number,
): fc.Arbitrary<{ fields: Fields; payload: Uint8Array; size: number }> {
  return fields.chain((fields) => payloadOf(fields, most).map((rest) => ({ fields, ...rest })));
}

/** Something that happens to a stream of packets on its way. */
const accident = fc.constantFrom("lost", "twice", "flipped", "cut", "fin", "ack", "answer", "fragment", "echo", "odd");

/** Packets of up to six flows, in turns of some packets each or interleaved, with accidents; all on a TUN, or all on a TAP. */
export const traffic: fc.Arbitrary<{ frames: Uint8Array[]; ethernet: boolean }> = fc
  .tuple(
    fc.array(mergeable, { minLength: 1, maxLength: 6 }),
    fc.boolean(),
    fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1500 }), bits(30)), {
      maxLength: 12,
    }),
    fc.array(fc.tuple(fc.nat(150), accident), { maxLength: 6 }),
    fc.option(bits(30)),
  )
  .map(([flows, ethernet, turns, accidents, seed]) => {
    const states = flows.map(({ tags = [], ...rest }) => (ethernet ? { ...rest, tags } : rest));
    const queues = new Map<number, Uint8Array<ArrayBuffer>[]>();
    const frames = turns.flatMap(([turn, count, size, seed]) => {
      const which = turn % states.length;
      const fields = states[which] as Fields;
      const payload = noise(Math.max(1, count * size - (seed % 3 === 0 ? seed % size : 0)), seed + 1);
      const segments = makeSegments(fields, payload, size);
      const sequence = (fields.sequence + payload.length) % 2 ** 32;
      states[which] = { ...fields, sequence, id: (fields.id + segments.length) % 2 ** 16 };
      queues.set(which, [...(queues.get(which) ?? []), ...segments]);
      return segments;
    });
    if (seed !== null) frames.splice(0, frames.length, ...interleaved([...queues.values()], seed));
    for (const [at, what] of accidents) happen(frames, at, what, states[0] as Fields);
    return { frames, ethernet };
  });

/** One packet of one flow after the other, each flow in order. */
function interleaved(flows: readonly Uint8Array<ArrayBuffer>[][], seed: number): Uint8Array<ArrayBuffer>[] {
  const queues = flows.map((flow) => [...flow]);
  const picks = noise(
    queues.reduce((sum, { length }) => sum + length, 0),
    seed + 1,
  );
  return Array.from(picks, (pick) => {
    const waiting = queues.filter(({ length }) => length > 0);
    return (waiting[pick % waiting.length] as Uint8Array<ArrayBuffer>[]).shift() as Uint8Array<ArrayBuffer>;
  });
}

function happen(frames: Uint8Array[], at: number, what: string, flow: Fields): void {
  const here = at % (frames.length + 1);
  const frame = frames[here] ?? makePacket(flow, noise(20));
  const insert = (...more: Uint8Array[]): void => void frames.splice(here, 0, ...more);
  if (what === "lost") frames.splice(here, 1);
  if (what === "twice") insert(frame.slice());
  if (what === "flipped")
    frame[(at * 31) % frame.length] = (frame[(at * 31) % frame.length] as number) ^ (1 << (at % 8));
  if (what === "cut") frames[here] = frame.slice(0, (at * 37) % (frame.length + 1));
  if (what === "fin") insert(makePacket({ ...flow, protocol: "tcp", flags: FLAG.fin | FLAG.ack }, noise(at)));
  if (what === "ack") insert(makePacket({ ...flow, protocol: "tcp", flags: FLAG.ack }, new Uint8Array()));
  if (what === "answer") insert(makePacket(answerTo(flow), new Uint8Array()));
  if (what === "fragment")
    insert(makePacket({ ...flow, version: 4, dontFragment: false, fragmentOffset: at }, noise(at)));
  if (what === "echo") {
    const echo = makePacket({ ...flow, protocol: "udp" }, noise(20));
    const { ip } = offsets(flow);
    echo[ip + (flow.version === 4 ? 9 : 6)] = flow.version === 4 ? 1 : 58;
    insert(echo);
  }
  if (what === "odd") insert(noise(at + 1, at + 1));
}

/** A bare acknowledgement in the other direction. */
function answerTo(flow: Fields): Fields {
  const { sourcePort, destinationPort, hosts, sequence, acknowledgement } = flow;
  return {
    ...flow,
    protocol: "tcp",
    flags: FLAG.ack,
    hosts: [hosts[1], hosts[0]],
    sourcePort: destinationPort,
    destinationPort: sourcePort,
    sequence: acknowledgement,
    acknowledgement: sequence,
  };
}
