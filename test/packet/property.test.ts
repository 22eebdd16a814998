import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PacketError } from "../../src/packet/index.ts";
import { type Codec, codecs, payload, uint8 } from "./codecs.ts";
import { captured, readAll, surround } from "./support.ts";

/** Some octets changed, some cut off the end, some added to it. */
function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.oneof(uint8, fc.constantFrom(0, 0x45, 0x60, 0x81, 0x88, 0xff))), {
    maxLength: 4,
  });
  return fc.tuple(valid, changes, fc.integer({ min: 0, max: 90 }), payload).map(([bytes, edits, cut, tail]) => {
    const copy = Uint8Array.from([...bytes.subarray(0, cut < 60 ? bytes.length : cut), ...(cut % 2 ? tail : [])]);
    for (const [at, value] of edits) if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });
}

/** Everything parsing tells: all the getters, or the error, which must be a PacketError. */
function outcome(codec: Codec, bytes: Uint8Array, afterParsing?: (bytes: Uint8Array) => void): unknown {
  let view: object;
  try {
    view = codec.parse(bytes);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    const { message, protocol, offset } = error;
    if (offset < 0 || offset > bytes.length) throw new Error(`Offset ${offset} is outside of the bytes`);
    return { message, protocol, offset };
  }
  afterParsing?.(bytes);
  return readAll(view, bytes);
}

describe.each(codecs)("$name", (codec) => {
  const { name, parse, build, fields, valid } = codec;
  const rebuild = (bytes: Uint8Array) => build(parse(bytes) as never);

  test(`parse${name}(build${name}(x)) is x`, () => {
    fc.assert(
      fc.property(fields, (x) => {
        const bytes = build(x as never);
        // As readAll() has it: subarrays as arrays.
        const want = JSON.stringify(x, (_, value) => (value instanceof Uint8Array ? [...value] : value));
        expect(readAll(parse(bytes), bytes)).toMatchObject(JSON.parse(want));
      }),
      { numRuns: 500 },
    );
  });

  test(`build${name}(parse${name}(b)) is b for well-formed b, the checksum included`, () => {
    fc.assert(
      fc.property(valid, (bytes) => {
        expect([...rebuild(bytes)]).toEqual([...bytes]);
        const { checksumIsValid } = readAll(parse(bytes), bytes);
        expect(checksumIsValid).not.toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test(`parse${name}() gives a view or a PacketError for any bytes, and never looks outside of them`, () => {
    const any = fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated(valid), mutated(valid));
    const scribble = (bytes: Uint8Array) => bytes.fill(0xff);
    fc.assert(
      fc.property(any, (bytes) => {
        const want = outcome(codec, surround(bytes, 0x00));
        expect(outcome(codec, surround(bytes, 0x45))).toEqual(want);
        expect(outcome(codec, surround(bytes, 0xff))).toEqual(want);
        // Neither does a view whose bytes were written over since.
        const scribbled = outcome(codec, surround(bytes, 0x00), scribble);
        expect(outcome(codec, surround(bytes, 0xff), scribble)).toEqual(scribbled);
      }),
      { numRuns: 2000 },
    );
  });

  test(`parse${name}() does not change the bytes`, () => {
    fc.assert(
      fc.property(mutated(valid), (bytes) => {
        const before = [...bytes];
        outcome(codec, bytes);
        expect([...bytes]).toEqual(before);
      }),
    );
  });
});

test("every captured frame, cut at every length, is a view or a PacketError to every parser", () => {
  for (const frame of Object.values(captured)) {
    for (let start = 0; start < frame.length; start++) {
      for (let end = start; end <= frame.length; end++) {
        for (const codec of codecs) outcome(codec, frame.subarray(start, end));
      }
    }
  }
});
