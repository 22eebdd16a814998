import { describe, expect, test } from "bun:test";
import { checksum } from "../../src/packet/index.ts";
import { Random } from "../support/random.ts";
import { captured, hex, referenceChecksum } from "./support.ts";

const LENGTH_MAX = 9001;

describe("checksum()", () => {
  test.each([
    { name: "is that of RFC 1071 section 3", bytes: "0001 f203 f4f5 f6f7", want: 0x220d },
    { name: "of nothing is that of a zero sum", bytes: "", want: 0xffff },
    { name: "of zeros is never zero", bytes: "0000 0000", want: 0xffff },
    { name: "takes a lone byte as the high one", bytes: "12", want: 0xedff },
    { name: "takes an odd last byte as the high one", bytes: "0001 02", want: 0xfdfe },
    { name: "carries around", bytes: "ffff 0001", want: 0xfffe },
    { name: "carries the carry", bytes: "ffff ffff ffff ffff ffff", want: 0x0000 },
  ])("$name", ({ bytes, want }) => {
    expect(checksum(hex(bytes))).toBe(want);
  });

  test.each([
    { name: "random bytes", make: (length: number) => new Random(1).bytes(length) },
    { name: "all ones, for the carries", make: (length: number) => new Uint8Array(length).fill(0xff) },
  ])("agrees with the reference for every length and alignment: $name", ({ make }) => {
    const buffer = make(LENGTH_MAX + 2);
    const wrong: number[] = [];
    for (let length = 0; length <= LENGTH_MAX; length++) {
      for (const offset of [0, 1]) {
        const bytes = buffer.subarray(offset, offset + length);
        if (checksum(bytes) !== referenceChecksum(bytes)) wrong.push(length);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("does not overflow 32 bits", () => {
    const bytes = new Uint8Array(40_000_001).fill(0xff);
    expect(checksum(bytes, 0xffff_ffff)).toBe(0x00ff);
  });

  test("is 0 over bytes with the right checksum in them, and not after any one bit changed", () => {
    const header = captured.echoRequest.slice(14, 34);
    expect(checksum(header)).toBe(0);
    for (let bit = 0; bit < header.length * 8; bit++) {
      const changed = header.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(checksum(changed)).not.toBe(0);
    }
  });

  test("adds the initial sum, with its carries or without", () => {
    const bytes = hex("0001 f203 f4f5 f6f7");
    expect(checksum(bytes.subarray(4), 0xf204)).toBe(0x220d);
    expect(checksum(bytes.subarray(8), 0x2ddf0)).toBe(0x220d);
    expect(checksum(bytes, 0xffff_ffff)).toBe(0x220d);
  });

  test("goes on from an earlier piece as documented", () => {
    const bytes = new Random(1).bytes(1501);
    for (let split = 0; split <= bytes.length; split += 2) {
      const sum = ~checksum(bytes.subarray(0, split)) & 0xffff;
      expect(checksum(bytes.subarray(split), sum)).toBe(checksum(bytes));
    }
  });

  test("refuses what is not bytes, and an initial sum that is none", () => {
    expect(() => checksum([1, 2] as never)).toThrow(new TypeError('"bytes" is of type object, wanted a Uint8Array'));
    expect(() => checksum(new Uint8Array(2), "1" as never)).toThrow(TypeError);
    for (const initial of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) {
      expect(() => checksum(new Uint8Array(2), initial)).toThrow(
        new RangeError(`"initial" is ${initial}, wanted an integer from 0 to 4294967295`),
      );
    }
  });
});
