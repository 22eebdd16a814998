/**
 * The loops for packets of one size (native/split_x86.c, merge_x86.c) against the code that takes one packet after the
 * other, which the other tests hold against what the RFCs say.
 */
import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { describeUnless } from "../../support/privilege.ts";
import { mergeable } from "./support/arbitraries.ts";
import { type Fields, FLAG, isEthernet, kinds, makePacket, makeSegments, noise, offsets } from "./support/packets.ts";
import { SendState, type Sent, splitOf, useAvx2 } from "./support/shim.ts";

const missing = useAvx2(true) ? undefined : "needs a processor with AVX2";
/** Without DF, the identification counts, too. */
const fragmentable = kinds.map(([name, fields]): [string, Fields] => [name, { ...fields, dontFragment: false }]);

/** Returns what `act` returns with the loops, and without them. */
function both<T>(act: (which: number) => T): [T, T] {
  useAvx2(true);
  const fast = act(0);
  useAvx2(false);
  const slow = act(1);
  useAvx2(true);
  return [fast, slow];
}

function sent(frames: readonly Uint8Array[], ethernet: boolean): Sent {
  // Made before, because a new state looks for AVX2 again.
  const states = [new SendState(), new SendState()] as const;
  const [fast, slow] = both((which) => (states[which] as SendState).send(frames, ethernet));
  expect(fast).toEqual(slow);
  return fast;
}

type Edit = (frames: Uint8Array[], at: number) => void;

const places = { ip4Length: 2, ip4Id: 4, ip4Fragment: 6, ip4Check: 10, tcpFlags: 13, udpLength: 4 } as const;

/** Changes of one packet in a run, which its checksums do not tell unless they cover it. */
const edits: Record<string, (fields: Fields) => Edit> = {
  cut: () => (frames, at) => frames.splice(at, 1, (frames[at] as Uint8Array).slice(0, -2)),
  longer: () => (frames, at) => frames.splice(at, 1, Uint8Array.from([...(frames[at] as Uint8Array), 0, 0])),
  missing: () => (frames, at) => frames.splice(at, 1),
  twice: () => (frames, at) => frames.splice(at, 0, frames[at] as Uint8Array),
  swapped: () => (frames, at) => frames.push(...frames.splice(at, 1)),
  "no transport checksum": (fields) => (frames, at) =>
    frames[at]?.fill(0, offsets(fields).check, offsets(fields).check + 2),
  ...Object.fromEntries(
    Object.entries(places).map(([name, place]) => [
      `a bit of ${name}`,
      (fields: Fields): Edit =>
        (frames, at) => {
          const frame = frames[at] as Uint8Array;
          const from = name.startsWith("ip4") ? offsets(fields).ip : offsets(fields).transport;
          frame[from + place] = (frame[from + place] as number) ^ 1;
        },
    ]),
  ),
};

/** Packets of a flow, and other fields for one of them. */
function run(fields: Fields, size: number, count: number, odd = -1, other: Partial<Fields> = {}): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const own = { ...fields, id: (fields.id + i) & 0xffff, sequence: (fields.sequence + i * size) >>> 0 };
    return makePacket(i === odd ? { ...own, ...other } : own, noise(size, i + 1));
  });
}

describeUnless(missing, "the loops", () => {
  afterAll(() => void useAvx2(true));

  test.each(fragmentable)("%s: a long run is one frame, whatever the size", (_, fields) => {
    for (let size = 126; size < 300; size++) expect(sent(run(fields, size, 20), false).writes).toHaveLength(1);
    expect(sent(run(fields, 1448, 100), false).writes).toHaveLength(3);
    expect(sent(run(fields, 130, 1200), false).writes).toHaveLength(fields.protocol === "udp" ? 19 : 3);
  });

  test.each(fragmentable)("%s: a packet that does not fit is found wherever it is", (_, fields) => {
    for (const [name, edit] of Object.entries(edits)) {
      if (fields.version === 6 && name.includes("ip4")) continue;
      if (name.includes(fields.protocol === "tcp" ? "udp" : "tcp")) continue;
      for (const at of [1, 2, 5, 8, 9]) {
        const frames = run(fields, 200, 10);
        edit(fields)(frames, at);
        sent(frames, false);
      }
    }
  });

  test.each<[string, Partial<Fields>]>([
    ["PSH", { flags: FLAG.ack | FLAG.psh }],
    ["FIN", { flags: FLAG.ack | FLAG.fin }],
    ["another TTL", { ttl: 63 }],
    ["another window", { window: 500 }],
    ["another acknowledgement", { acknowledgement: 1 }],
    ["other options", { options: [1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 2] }],
    ["DF", { dontFragment: true }],
    ["another identification", { id: 7 }],
    ["another port", { sourcePort: 7 }],
    ["another sequence number", { sequence: 7 }],
  ])("%s in the middle of a run", (_, other) => {
    for (const [, fields] of fragmentable) for (const at of [1, 2, 5, 9]) sent(run(fields, 200, 10, at, other), false);
  });

  test("any bit of any packet", () => {
    const bits = fc.record({ packet: fc.nat(19), byte: fc.nat(220), bit: fc.nat(7) });
    fc.assert(
      fc.property(
        mergeable,
        fc.integer({ min: 120, max: 700 }),
        fc.array(bits, { maxLength: 3 }),
        (fields, size, flips) => {
          const frames = run({ ...fields, flags: FLAG.ack }, size, 20);
          for (const { packet, byte, bit } of flips) {
            const frame = frames[packet] as Uint8Array;
            if (byte < frame.length) frame[byte] = (frame[byte] as number) ^ (1 << bit);
          }
          sent(frames, isEthernet(fields));
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each(fragmentable)("%s: a checksum of zero in the middle of a super-packet", (_, fields) => {
    const size = 64;
    const payload = noise(10 * size);
    const { check } = offsets(fields);
    // What is added to a word of the payload is missing in the checksum.
    for (const [i, packet] of makeSegments(fields, payload, size).entries()) {
      const word = i * size + 10;
      const sum = new DataView(payload.buffer).getUint16(word) + new DataView(packet.buffer).getUint16(check);
      new DataView(payload.buffer).setUint16(word, (sum % 0x1_0000) + Math.floor(sum / 0x1_0000));
    }
    const wanted = makeSegments(fields, payload, size);
    const checks = wanted.map((packet) => new DataView(packet.buffer).getUint16(check));
    expect(checks).toEqual(Array(10).fill(fields.protocol === "udp" ? 0xffff : 0));
    const parts = both(() => splitOf(fields, payload, size));
    expect(parts).toEqual([wanted, wanted]);
  });

  test.each(fragmentable)("%s: the last packet of a super-packet has its flags, full or not", (_, fields) => {
    const flags = FLAG.ack | FLAG.psh | FLAG.fin | FLAG.cwr | FLAG.ece;
    for (const bytes of [999, 1000, 1001, 1100]) {
      const own = { ...fields, flags, id: 0xfffe, sequence: 0xffff_ff00 };
      const payload = noise(bytes);
      const parts = both(() => splitOf(own, payload, 100));
      expect(parts).toEqual([makeSegments(own, payload, 100), makeSegments(own, payload, 100)]);
    }
  });
});
