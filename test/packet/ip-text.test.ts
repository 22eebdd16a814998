/** Addresses between text and bytes, with libc's inet_pton(3) and inet_ntop(3) as the reference. */
import { dlopen } from "bun:ffi";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatIP, parseIP } from "../../src/packet/address-text.ts";
import { hex, surround } from "../support/programs.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const libc = dlopen("libc.so.6", {
  inet_pton: { args: ["i32", "buffer", "buffer"], returns: "i32" },
  inet_ntop: { args: ["i32", "buffer", "buffer", "u32"], returns: "ptr" },
}).symbols;

function pton(text: string): Uint8Array | null {
  const source = new TextEncoder().encode(`${text}\0`);
  for (const [family, size] of [
    [AF_INET, 4],
    [AF_INET6, 16],
  ] as const) {
    const bytes = new Uint8Array(size);
    if (libc.inet_pton(family, source, bytes) === 1) return bytes;
  }
  return null;
}

function ntop(bytes: Uint8Array): string {
  const text = new Uint8Array(46);
  libc.inet_ntop(bytes.length === 4 ? AF_INET : AF_INET6, bytes, text, text.length);
  return new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
}

/** glibc writes ::192.0.2.1 where RFC 5952 section 5 has ::c000:201, for nobody knows that prefix. */
function isCompatible(bytes: Uint8Array): boolean {
  return (
    bytes.length === 16 &&
    bytes.subarray(0, 12).every((byte) => byte === 0) &&
    (bytes[12] as number) + (bytes[13] as number) > 0
  );
}

/** musl takes a run at the start for shorter than a later one of as many zeros, where RFC 5952 section 4.2.3 has the first. */
const isFirstRunTaken = ntop(hex("00000000000100000000000100010001")) === "::1:0:0:1:1:1";

const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Many zero groups, for the "::". */
const group = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.constantFrom(1, 0xffff, 0x10), fc.nat(0xffff));
const v6 = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((word) => [word >> 8, word & 0xff])));
const address = fc.oneof(v4, v6);

/** Text that is an address, or was one before a character was added, dropped or changed. */
const pieces = fc.constantFrom(
  "0",
  "1",
  "9",
  "f",
  "F",
  "g",
  ":",
  "::",
  ".",
  "255",
  "256",
  "00",
  "ffff",
  "1.2.3.4",
  " ",
  "/",
  "%",
  "-",
  "x",
  "ſ",
  "１",
);
const nearlyAddress = fc
  .tuple(address, fc.array(fc.tuple(fc.nat(40), fc.nat(2), pieces), { maxLength: 3 }))
  .map(([bytes, edits]) =>
    edits.reduce((text, [at, drop, insert]) => text.slice(0, at) + insert + text.slice(at + drop), ntop(bytes)),
  );
const assembled = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""));
const groupsJoined = fc
  .array(fc.constantFrom("", "0", "1", "ab", "ffff", "10000", "1.2.3.4"), { maxLength: 10 })
  .map((parts) => parts.join(":"));
const dotted = fc
  .array(fc.constantFrom("", "0", "1", "01", "99", "255", "256", "1e1", "0x1", "+1"), { maxLength: 5 })
  .map((parts) => parts.join("."));

describe("parseIP()", () => {
  test.each([
    { name: "text made of pieces of addresses", text: assembled },
    { name: "addresses, whole and damaged", text: nearlyAddress },
    { name: "groups with colons", text: groupsJoined },
    { name: "numbers with dots", text: dotted },
    { name: "any text without NUL", text: fc.string().filter((text) => !text.includes("\0")) },
  ])("agrees with inet_pton(3) about $name", ({ text }) => {
    fc.assert(
      fc.property(text, (text) => expect(parseIP(text)).toEqual(pton(text))),
      { numRuns: 4000 },
    );
  });

  test("takes no text with a NUL, where C would see the part before it", () => {
    for (const text of ["192.0.2.1\0", "2001:db8::1\0.5", "\0", "::\0"]) expect(parseIP(text)).toBeNull();
  });

  test.each([
    ["192.0.2.1", "c0000201"],
    ["0.0.0.0", "00000000"],
    ["255.255.255.255", "ffffffff"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:DB8::A", "20010db800000000000000000000000a"],
    ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
    ["::ffff:192.0.2.1", "00000000000000000000ffffc0000201"],
    ["1:2:3:4:5:6:192.0.2.1", "000100020003000400050006c0000201"],
    ["64:ff9b::192.0.2.33", "0064ff9b0000000000000000c0000221"],
  ])("reads %s", (text, bytes) => {
    expect(parseIP(text)).toEqual(hex(bytes));
  });

  test.each([
    "",
    ":",
    ":::",
    "::::",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1..2.3",
    "01.2.3.4",
    "1.2.3.04",
    "0x1.2.3.4",
    "1e2.1.1.1",
    "256.0.0.1",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.4\n",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::2::3",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "[::1]",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::ffff:1.2.3",
    "١.٢.٣.٤",
  ])("refuses %j", (text) => {
    expect(parseIP(text)).toBeNull();
    expect(pton(text)).toBeNull();
  });
});

describe("formatIP()", () => {
  test("agrees with inet_ntop(3), but for IPv4-compatible addresses, which RFC 5952 writes in hexadecimal", () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIP(bytes);
        if (!isCompatible(bytes) && (isFirstRunTaken || !text.startsWith("::"))) expect(text).toBe(ntop(bytes));
      }),
      { numRuns: 5000 },
    );
    expect(["::192.0.2.1", "::c000:201"]).toContain(ntop(hex("000000000000000000000000c0000201")));
    expect(formatIP(hex("000000000000000000000000c0000201"))).toBe("::c000:201");
  });

  test("is read back by parseIP() and by inet_pton(3)", () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIP(bytes);
        expect(parseIP(text)).toEqual(bytes);
        expect(pton(text)).toEqual(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test("looks at its own bytes only", () => {
    fc.assert(
      fc.property(address, (bytes) => expect(formatIP(surround(bytes, 0))).toBe(formatIP(surround(bytes, 0xff)))),
    );
  });

  test.each([
    ["4.1 leading zeros", "2001:0db8::0001", "2001:db8::1"],
    ["4.2.1 as short as possible", "2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["4.2.1 the whole run", "2001:db8::0:1", "2001:db8::1"],
    ["4.2.2 one group is not shortened", "2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["4.2.3 the longest run", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["4.2.3 the first of equal runs", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["4.3 small letters", "2001:DB8::ABCD:EF", "2001:db8::abcd:ef"],
    ["5 IPv4-mapped", "::ffff:c000:0201", "::ffff:192.0.2.1"],
    ["5 IPv4-mapped zeros", "::ffff:0:0", "::ffff:0.0.0.0"],
    ["5 an unknown prefix", "::192.0.2.1", "::c000:201"],
    ["5 NAT64, whose prefix is not known for sure", "64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["all zeros", "0:0:0:0:0:0:0:0", "::"],
    ["zeros in front", "0:0:0:0:0:0:0:1", "::1"],
    ["zeros behind", "1:0:0:0:0:0:0:0", "1::"],
    ["zeros at both ends", "0:0:1:1:1:1:0:0", "::1:1:1:1:0:0"],
    ["no zeros", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["zero, one group in front", "0:2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ])("writes the form of RFC 5952 section %s", (_name, given, canonical) => {
    expect(formatIP(parseIP(given) as Uint8Array)).toBe(canonical);
  });
});
