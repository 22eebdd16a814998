/** Packets of several flows, in the order in which they are sent; each scenario for TCP over IPv4 and over IPv6. */
import { type Fields, FLAG, makePacket, makeSegments, noise, plainFields } from "../support/packets.ts";

export interface Scenario {
  readonly name: string;
  readonly frames: Uint8Array[];
}

/** What becomes of a scenario's frames: the places of those that go together, as "0 2 4". */
export interface GoldenGroups {
  readonly name: string;
  /** `uname -r` of the kernel that merged them. */
  readonly kernel: string;
  readonly groups: readonly string[];
}

const SIZE = 100;

function flow(fields: Fields, which: number, count = 4): Uint8Array[] {
  return makeSegments({ ...fields, sourcePort: 1000 + which }, noise(count * SIZE, which + 1), SIZE);
}

function inTurns(...flows: Uint8Array[][]): Uint8Array[] {
  const longest = Math.max(...flows.map(({ length }) => length));
  return Array.from({ length: longest }, (_, at) => flows.flatMap((frames) => frames.slice(at, at + 1))).flat();
}

function scenariosOf(fields: Fields): Scenario[] {
  const [one, two, three] = [flow(fields, 1), flow(fields, 2), flow(fields, 3)];
  const both = inTurns(one, two);
  const after = (segments: number, change: Partial<Fields>, size: number): Uint8Array =>
    makePacket(
      { ...fields, sourcePort: 1001, sequence: fields.sequence + segments * SIZE, id: fields.id + segments, ...change },
      noise(size, 9),
    );
  const hosts: [number, number] = [fields.hosts[1], fields.hosts[0]];
  const answer = { hosts, sourcePort: fields.destinationPort, destinationPort: 1001 };
  return [
    { name: "one flow", frames: one },
    { name: "two flows in turns", frames: both },
    { name: "three flows in turns", frames: inTurns(one, two, three) },
    { name: "flows of several lengths", frames: inTurns(flow(fields, 1, 2), flow(fields, 2, 7), flow(fields, 3, 4)) },
    { name: "one flow behind another", frames: [...one, ...two] },
    { name: "a retransmission", frames: both.toSpliced(4, 0, one[0] as Uint8Array) },
    { name: "a gap", frames: both.toSpliced(2, 1) },
    { name: "out of order", frames: inTurns([one[1], one[0], one[2], one[3]] as Uint8Array[], two) },
    { name: "a bare acknowledgement", frames: both.toSpliced(4, 0, after(2, {}, 0)) },
    { name: "PSH", frames: inTurns(one.with(1, after(1, { flags: FLAG.ack | FLAG.psh }, SIZE)), two) },
    { name: "a short segment", frames: [...both, after(4, {}, 40), ...inTurns(two)] },
    { name: "a long segment", frames: [...both.slice(0, 4), after(2, {}, 150)] },
    { name: "an answer", frames: both.toSpliced(4, 0, makePacket({ ...fields, ...answer }, new Uint8Array())) },
    { name: "data in both directions", frames: inTurns(one, makeSegments({ ...fields, ...answer }, noise(400), SIZE)) },
    { name: "another acknowledgement", frames: inTurns(one.with(2, after(2, { acknowledgement: 1 }, SIZE)), two) },
    { name: "another TTL", frames: inTurns(one.with(2, after(2, { ttl: 9 }, SIZE)), two) },
    { name: "a flipped bit", frames: inTurns(one.with(1, flipped(one[1] as Uint8Array)), two) },
  ];
}

function flipped(frame: Uint8Array): Uint8Array {
  return frame.with(-1, (frame.at(-1) as number) ^ 1);
}

const acknowledged: Fields = { ...plainFields, flags: FLAG.ack };
export const scenarios: readonly Scenario[] = ([4, 6] as const).flatMap((version) =>
  scenariosOf({ ...acknowledged, version }).map(({ name, frames }) => ({ name: `${name}, IPv${version}`, frames })),
);

/** Returns which frames each of `packets` is, as "0 2 4"; each of the frames once. */
export function groupOf(packets: readonly Uint8Array[], frames: readonly Uint8Array[], used: Set<number>): string {
  return packets
    .map((packet) => {
      const at = frames.findIndex((frame, i) => !used.has(i) && isSame(frame, packet));
      used.add(at);
      return at;
    })
    .join(" ");
}

/** The identification of IPv4 means nothing in these, which have DF. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  const [x, y] = [a.slice(), b.slice()];
  if (x[0] === 0x45) for (const frame of [x, y]) frame.fill(0, 4, 6).fill(0, 10, 12);
  return Buffer.compare(x, y) === 0;
}
