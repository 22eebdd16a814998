/** Super-packets become packets: against packets that are made of the same fields, one by one. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { splittable, superPacket } from "./support/arbitraries.ts";
import {
  FLAG,
  isEthernet,
  kinds,
  makeHeader,
  makePacket,
  makeSegments,
  noise,
  offsets,
  plainFields,
  sum16,
} from "./support/packets.ts";
import { checksum, copyChecksum, finish, splitOf, useAvx2 } from "./support/shim.ts";
import { faultOf } from "./support/soundness.ts";

/** True if the processor has AVX2: then packets of one size are split in a loop of their own (native/split_x86.c). */
const hasAvx2 = useAvx2(true);

describe.each(hasAvx2 ? [true, false] : [false])("split, AVX2 %p", (on) => {
  beforeEach(() => void useAvx2(on));
  afterAll(() => void useAvx2(true));

  test("gives the packets that its fields make, byte for byte", () => {
    fc.assert(
      fc.property(superPacket(splittable, 200), ({ fields, payload, size }) => {
        const packets = splitOf(fields, payload, size);
        expect(packets).toEqual(makeSegments(fields, payload, size));
        // Twice, in two ways: the bytes above are those of our own making.
        if (fields.extension === undefined) {
          for (const packet of packets) expect(faultOf(packet, isEthernet(fields))).toBeUndefined();
        }
      }),
      { numRuns: 400 },
    );
  });

  test.each(kinds)("%s: every size of the last packet, and one packet alone", (_, fields) => {
    const payload = noise(401);
    for (let size = 1; size <= 410; size++)
      expect(splitOf(fields, payload, size)).toEqual(makeSegments(fields, payload, size));
  });

  test.each(kinds)(
    "%s: the largest that there is, in packets of one byte",
    (_, fields) => {
      const { payload: headers } = offsets(fields);
      const longest = noise(65_535 - headers);
      const packets = splitOf(fields, longest, 1);
      expect(packets).toHaveLength(longest.length);
      expect(Buffer.concat(packets.map((packet) => packet.subarray(headers))).equals(longest)).toBe(true);
      expect(packets.find((packet) => faultOf(packet, false) !== undefined)).toBeUndefined();
      expect(packets.at(-1)).toEqual(makeSegments(fields, longest, 1).at(-1));
    },
    60_000,
  );

  test("counts identification and sequence number on past their ends", () => {
    const fields = { ...plainFields, id: 0xfffe, sequence: 0xffff_ff00 };
    const packets = splitOf(fields, noise(1000), 250).map((packet) => Buffer.from(packet));
    expect(packets.map((packet) => packet.readUInt16BE(4))).toEqual([0xfffe, 0xffff, 0, 1]);
    expect(packets.map((packet) => packet.readUInt32BE(24))).toEqual([0xffff_ff00, 0xffff_fffa, 244, 494]);
  });

  test("leaves FIN and PSH to the last packet and CWR to the first, and all other flags to each", () => {
    const splitFlags = (flags: number, length: number): (number | undefined)[] =>
      splitOf({ ...plainFields, flags }, noise(length), 100).map((packet) => packet[33]);
    const { fin, psh, ack, urg, ece, cwr } = FLAG;
    expect(splitFlags(0xff & ~FLAG.syn & ~FLAG.rst, 300)).toEqual([
      ack | urg | ece | cwr,
      ack | urg | ece,
      ack | urg | ece | fin | psh,
    ]);
    expect(splitFlags(fin | psh | ack | cwr, 100)).toEqual([fin | psh | ack | cwr]);
  });

  describe.each(kinds)("a checksum that comes out as 0, %s", (_, fields) => {
    const expected = fields.protocol === "udp" ? 0xffff : 0;
    /** Its last two bytes make up for all the others. */
    const payload = noise(1200);
    payload.set([0, 0], 1198);
    const missing = Buffer.from(makePacket(fields, payload)).readUInt16BE(offsets(fields).check);
    payload.set([missing >> 8, missing & 0xff], 1198);
    const checkOf = (packet: Uint8Array | undefined): number =>
      Buffer.from(packet ?? []).readUInt16BE(offsets(fields).check);

    test("is stored as UDP or TCP have it", () => {
      expect(checkOf(splitOf(fields, payload, 1200)[0])).toBe(expected);
      expect(splitOf(fields, payload, 1200)).toEqual(makeSegments(fields, payload, 1200));
      const finished = finish(makeHeader(fields), makePacket(fields, payload, true));
      expect([checkOf(finished), finished]).toEqual([expected, makePacket(fields, payload)]);
    });

    test("is so in the first of two as well", () => {
      const first = { ...fields, flags: FLAG.ack };
      const packets = splitOf(first, Buffer.concat([payload, noise(700)]), 1200);
      expect([packets.length, checkOf(packets[0])]).toEqual([2, expected]);
    });
  });
});

describe("finish_checksum", () => {
  test("completes what the sum of the pseudo-header begins", () => {
    fc.assert(
      fc.property(superPacket(splittable, 1), ({ fields, payload }) => {
        const done = finish(makeHeader(fields), makePacket(fields, payload, true));
        expect(done).toEqual(makePacket(fields, payload));
      }),
      { numRuns: 300 },
    );
  });
});

describe.each([true, false])("the sum, with AVX2: %p", (on) => {
  beforeEach(() => void useAvx2(on));
  afterAll(() => void useAvx2(true));
  const testSum = test.skipIf(on && !hasAvx2);

  testSum("is that of RFC 1071 for every length and content", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        expect(checksum(bytes)).toBe(0xffff - sum16(bytes));
      }),
      { numRuns: 1000 },
    );
    for (const octet of [0x00, 0x01, 0x80, 0xff]) {
      for (let length = 0; length < 300; length++) {
        const bytes = new Uint8Array(length).fill(octet);
        expect(checksum(bytes)).toBe(0xffff - sum16(bytes));
      }
    }
    for (const length of [65_535, 65_536, 65_590]) {
      expect(checksum(noise(length))).toBe(0xffff - sum16(noise(length)));
      expect(checksum(new Uint8Array(length).fill(0xff))).toBe(length % 2 === 0 ? 0 : 0x00ff);
    }
  });

  testSum("is the same while the bytes are copied, all of them and no other is written", () => {
    const lengths = [...Array.from({ length: 300 }, (_, length) => length), 1447, 1448, 9001, 65_535, 65_536];
    for (const length of lengths) {
      for (const skewed of [0, 1, 5]) {
        const bytes = noise(length + skewed).subarray(skewed);
        const to = new Uint8Array(length + 64).fill(0xa5);
        const wanted = to.slice();
        wanted.set(bytes, 32 - skewed);
        expect(copyChecksum(bytes, to, 32 - skewed)).toBe(0xffff - sum16(bytes));
        expect(Buffer.compare(to, wanted)).toBe(0);
      }
    }
  });
});
