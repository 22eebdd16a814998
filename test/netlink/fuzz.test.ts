/**
 * Random and damaged bytes through every decoder of src/netlink: a value or a
 * NetlinkFormatError comes out, soon, and no byte around the input counts.
 * TUN_FUZZ_SECONDS makes it go on for longer than the usual number of cases.
 */
import { describe, expect, test } from "bun:test";
import { decodeAddress } from "../../src/netlink/address.ts";
import { decodeLink } from "../../src/netlink/link.ts";
import {
  decodeAcknowledgement,
  decodeAttributes,
  decodeMessages,
  NetlinkFormatError,
} from "../../src/netlink/message.ts";
import { decodeRoute } from "../../src/netlink/route.ts";
import { decodeRule } from "../../src/netlink/rule-decode.ts";
import { floodFrames, timeLimitMs } from "../support/effort.ts";
import { hex, surround } from "../support/programs.ts";
import { Random, seed } from "../support/random.ts";

const CASES = floodFrames;
const FUZZ_MS = Number(process.env["TUN_FUZZ_SECONDS"] ?? 0) * 1000;
const decoders: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  decodeMessages,
  decodeAttributes,
  decodeLink,
  decodeAddress,
  decodeRoute,
  decodeRule,
  decodeAcknowledgement: (bytes) =>
    // The first two bytes play the flags, so that every way through is taken.
    decodeAcknowledgement({
      type: 2,
      flags: (bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8),
      sequence: 0,
      body: bytes.subarray(2),
    }),
};

/** Well-formed input of each decoder, which mutation damages. */
const corpus: Readonly<Record<string, readonly string[]>> = {
  decodeMessages: ["14000000 0200 0000 01000000 00000000 aabbccdd 10000000 0300 0200 02000000 00000000"],
  decodeAttributes: ["0900 0300 74756e3000 000000 0800 0400 dc050000 0400 0200"],
  decodeLink: [
    `0000feff 07000000 91000000 00000000 0900 0300 74756e3000 000000 0800 0400 dc050000
      2000 1280 0800 0100 74756e00 1400 0200 0800 0100 e8030000 0500 0300 02 000000`,
    `0000feff 07000000 91000000 00000000 4400 1700 ${"0102030405060708".repeat(8)}`,
  ],
  decodeAddress: [
    "02 18 80 00 07000000 0800 0100 c0000201 0800 0200 c0000201 0900 0300 74756e3000 000000",
    "0a 40 80 fd 07000000 1400 0100 20010db8000000000000000000000001",
  ],
  decodeRoute: [
    `02 18 00 00 fe 04 00 01 00000000 0800 0f00 fe000000 0800 0100 c6336400 0800 0400 07000000
      0800 0600 64000000 0800 0500 c0000202 0800 0700 c0000201 1400 0800 0800 0200 14050000 0800 0800 90010000`,
    "0a 40 00 00 fe 04 00 01 00000000 0800 0f00 fe000000 1400 0100 20010db8000000000000000000000001 0800 0400 07000000",
    "02 00 00 00 fe 04 00 01 04000000 0800 0400 07000000 1600 1200 0a00 20010db8000000000000000000000001 0000",
  ],
  decodeRule: [
    `02 18 20 00 00 00 00 01 02000000 0800 0100 c0000200 0800 0200 c6336401 0900 0300 74756e3000 000000
      0800 0600 05000000 0800 0a00 6cca0000 0800 1000 ffffffff 0800 0f00 6cca0000 0800 0e00 00000000 0500 1500 04 000000`,
    "0a 00 80 00 fe 00 00 01 00000000 1400 0200 20010db8000000000000000000000001 0800 0d00 ffffffff 0500 1300 00 000000",
  ],
  decodeAcknowledgement: [
    "0003 eaffffff 14000000 1000 0500 01000000 00000000 0c00 0100 6261642069640000",
    "0002 eaffffff 14000000 1000 0500 01000000 00000000 01020304 0c00 0100 6261642069640000",
  ],
};

const interesting = [0, 1, 2, 3, 4, 15, 16, 0x7f, 0x80, 0xfc, 0xff];

function damaged(original: Uint8Array, random: Random): Uint8Array {
  const bytes = original.slice(0, random.below(4) === 0 ? random.below(original.length + 1) : original.length);
  for (let n = random.below(4); n > 0 && bytes.length > 0; n--) {
    bytes[random.below(bytes.length)] = random.below(2) === 0 ? random.pick(interesting) : random.below(256);
  }
  return bytes;
}

function randomBytes(random: Random): Uint8Array {
  return Uint8Array.from({ length: random.below(80) }, () =>
    random.below(2) === 0 ? random.below(256) : random.below(24),
  );
}

/** Returns what a decoder makes of `bytes`, as text; anything but a value or a NetlinkFormatError is thrown on. */
function outcome(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    return Bun.inspect(decode(bytes), { depth: 6 });
  } catch (error) {
    if (error instanceof NetlinkFormatError) return error.message;
    throw error;
  }
}

describe.each(Object.entries(decoders))("%s()", (name, decode) => {
  const originals = (corpus[name] as readonly string[]).map(hex);

  test.each(originals)("takes well-formed input %#", (bytes) => {
    expect(() => decode(surround(bytes))).not.toThrow();
  });

  test(
    `gives a value or a NetlinkFormatError for ${CASES} random and damaged inputs (BUN_TUNTAP_SEED=${seed})`,
    () => {
      const random = new Random(seed);
      const deadline = performance.now() + FUZZ_MS;
      let slowestMs = 0;
      for (let i = 0; i < CASES || performance.now() < deadline; i++) {
        const original = random.pick(originals);
        const bytes = random.below(3) === 0 ? randomBytes(random) : damaged(original, random);
        const start = performance.now();
        try {
          decode(surround(bytes));
        } catch (error) {
          if (!(error instanceof NetlinkFormatError))
            throw new Error(`${error} for ${bytes.toHex()}`, { cause: error });
        }
        slowestMs = Math.max(slowestMs, performance.now() - start);
      }
      // A collection of garbage may fall into one of them, a loop without end may not.
      expect(slowestMs).toBeLessThan(1000);
    },
    timeLimitMs(CASES) + FUZZ_MS,
  );

  test(`does not look at the bytes around its input (BUN_TUNTAP_SEED=${seed})`, () => {
    const random = new Random(seed + 1);
    for (let i = 0; i < 4000; i++) {
      const bytes = damaged(random.pick(originals), random);
      const inside = outcome(decode, surround(bytes, 0x00));
      if (outcome(decode, surround(bytes, 0xff)) !== inside || outcome(decode, surround(bytes, 0x04)) !== inside) {
        throw new Error(`The outcome depends on what is around ${bytes.toHex()}`);
      }
    }
  });
});
