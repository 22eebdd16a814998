/** Addresses between text and bytes, with libc's inet_pton(3) and inet_ntop(3) as the reference. */

import { dlopen } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIPv6, parseIPv6Address } from "../../src/packet/address-text.ts";
import { ipv6ToBytes } from "../../src/packet/ipv6-address.ts";
import { hex, surround } from "./support.ts";

const AF_INET6 = 10;
const libc = dlopen("libc.so.6", {
  inet_pton: { args: ["i32", "buffer", "buffer"], returns: "i32" },
  inet_ntop: { args: ["i32", "buffer", "buffer", "u32"], returns: "ptr" },
}).symbols;

function pton(text: string): Uint8Array | null {
  const bytes = new Uint8Array(16);
  return libc.inet_pton(AF_INET6, new TextEncoder().encode(`${text}\0`), bytes) === 1 ? bytes : null;
}

function ntop(bytes: Uint8Array): string {
  const text = new Uint8Array(46);
  libc.inet_ntop(AF_INET6, bytes, text, text.length);
  return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
}

/** musl takes a run at the start for shorter than a later one of as many zeros, where RFC 5952 section 4.2.3 has the first. */
const isFirstRunTaken = ntop(hex("0000 0000 0001 0000 0000 0001 0001 0001")) === "::1:0:0:1:1:1";

/** Many zero groups, for the "::". */
const group = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.constantFrom(1, 0xffff, 0x10), fc.nat(0xffff));
const address = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((word) => [word >> 8, word & 0xff])));
const joined = fc
  .array(fc.constantFrom("", "0", "1", "ab", "FFFF", "10000", "1.2.3.4", "01.2.3.4", "g", " 1"), { maxLength: 10 })
  .map((parts) => parts.join(":"));
const damaged = fc
  .tuple(address, fc.nat(40), fc.nat(2), fc.constantFrom(":", "::", ".", "0", "%1", "/64", "x", "1.2.3.4", "１"))
  .map(([bytes, at, drop, insert]) => {
    const text = ntop(bytes);
    return text.slice(0, at) + insert + text.slice(at + drop);
  });

describe("parseIPv6Address()", () => {
  test.each([
    { name: "groups with colons", text: joined },
    { name: "addresses with something changed", text: damaged },
    { name: "any text without NUL", text: fc.string().filter((text) => !text.includes("\0")) },
  ])("agrees with inet_pton(3) about $name", ({ text }) => {
    fc.assert(
      fc.property(text, (text) => expect(parseIPv6Address(text)).toEqual(pton(text))),
      { numRuns: 5000 },
    );
  });

  test("undoes formatIPv6(), which agrees with inet_ntop(3) but for ::192.0.2.1", () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIPv6(surround(bytes, 0xa5), 0);
        expect(pton(text)).toEqual(bytes);
        expect(parseIPv6Address(text)).toEqual(bytes);
        // RFC 5952 section 5: nobody can know that prefix to hold an IPv4 address, though libc takes it to.
        const reference = ntop(bytes);
        if (/^::\d+\./.test(reference) || (!isFirstRunTaken && text.startsWith("::"))) return;
        expect(text).toBe(reference);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("formatIPv6()", () => {
  test.each([
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:DB8::ABCD:EF", "2001:db8::abcd:ef"],
    ["::ffff:c000:0201", "::ffff:192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["0:0:1:1:1:1:0:0", "::1:1:1:1:0:0"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ])("writes %s as RFC 5952 does", (given, canonical) => {
    expect(formatIPv6(ipv6ToBytes("address", given), 0)).toBe(canonical);
  });
});

describe("ipv6ToBytes()", () => {
  test("copies bytes, so that they may be written over", () => {
    const given = hex("20010db8000000000000000000000001");
    const bytes = ipv6ToBytes("source", given);
    expect(bytes).toEqual(given);
    expect(bytes.buffer).not.toBe(given.buffer);
  });

  test.each([["192.0.2.1"], ["fe80::1%eth0"], ["[::1]"], ["2001:db8::/32"], [""]])("refuses %j by name", (text) => {
    expect(() => ipv6ToBytes("source", text)).toThrow(RangeError);
    expect(() => ipv6ToBytes("source", text)).toThrow(`"source" is ${JSON.stringify(text)}, wanted an IPv6 address`);
  });

  test("refuses other lengths and types", () => {
    expect(() => ipv6ToBytes("source", new Uint8Array(4))).toThrow(RangeError);
    expect(() => ipv6ToBytes("source", 5 as never)).toThrow(TypeError);
  });
});
