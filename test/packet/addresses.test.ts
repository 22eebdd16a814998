import { describe, expect, test } from "bun:test";
import { isIPv4 } from "node:net";
import fc from "fast-check";
import { formatIPv4, formatMac } from "../../src/packet/address-text.ts";
import { ipv4ToNumber } from "../../src/packet/ipv4-address.ts";
import { macToNumber, writeMac } from "../../src/packet/mac-address.ts";
import { dirty, hex } from "./support.ts";

describe("macToNumber()", () => {
  test.each([
    { text: "02:00:5e:00:53:01", want: 0x02005e005301 },
    { text: "02:00:5E:00:53:AF", want: 0x02005e0053af },
    { text: "ff:ff:ff:ff:ff:ff", want: 0xffffffffffff },
    { text: "00:00:00:00:00:00", want: 0 },
    { text: "01:23:45:67:89:ab", want: 0x0123456789ab },
  ])("reads $text", ({ text, want }) => {
    expect(macToNumber("mac", text)).toBe(want);
    expect(macToNumber("mac", hex(text.replaceAll(":", "")))).toBe(want);
  });

  test.each([
    "",
    "02:00:5e:00:53",
    "02:00:5e:00:53:01:",
    "02:00:5e:00:53:1",
    "02:00:5e:00:53:1 ",
    "02-00-5e-00-53-01",
    "0200:5e:00:53:010",
    "02005e005301",
    "0200.5e00.5301",
    "0g:00:5e:00:53:01",
    "0G:00:5e:00:53:01",
    "0@:00:5e:00:53:01",
    "0`:00:5e:00:53:01",
    "0/:00:5e:00:53:01",
    "0::00:5e:00:53:01",
    "+2:00:5e:00:53:01",
    "02:00:5e:00:53:0١",
    // Its character codes are those of digits and colons but for their upper byte.
    "\u0130\u0132\u013a00:5e:00:53:01",
  ])("refuses %p", (text) => {
    expect(() => macToNumber("mac", text)).toThrow(RangeError);
  });

  test("undoes formatMac(), and writeMac() undoes it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
        const text = formatMac(bytes, 0);
        expect(text).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        const written = dirty(6);
        writeMac(written, 0, macToNumber("mac", text));
        expect([...written]).toEqual([...bytes]);
        expect(macToNumber("mac", bytes)).toBe(macToNumber("mac", text));
      }),
    );
  });
});

describe("ipv4ToNumber()", () => {
  test.each([
    { text: "192.0.2.1", want: 0xc0000201 },
    { text: "0.0.0.0", want: 0 },
    { text: "255.255.255.255", want: 0xffffffff },
    { text: "203.0.113.100", want: 0xcb007164 },
  ])("reads $text", ({ text, want }) => {
    expect(ipv4ToNumber("address", text)).toBe(want);
  });

  test.each([
    "",
    ".",
    "192.0.2",
    "192.0.2.",
    ".0.2.1",
    "192..2.1",
    "192.0.2.1.",
    "192.0.2.1.5",
    "192.0.2.256",
    "192.0.2.1000000000000000000000",
    "192.0.2.01",
    "192.0.2.00",
    "0xc0.0.2.1",
    "192.0.2.1e1",
    "192.0.2.-1",
    "192.0.2.1/24",
    " 192.0.2.1",
    "192.0.2.1\n",
    "192,0,2,1",
    "192.0.2.:",
    "192.0.2./",
    "3221225985",
    "2001:db8::1",
    "192.0.2.١",
  ])("refuses %p", (text) => {
    expect(() => ipv4ToNumber("address", text)).toThrow(RangeError);
  });

  test("undoes formatIPv4()", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
        expect(formatIPv4(bytes, 0)).toBe([...bytes].join("."));
        expect(ipv4ToNumber("address", formatIPv4(bytes, 0))).toBe(ipv4ToNumber("address", bytes));
      }),
    );
  });

  test("takes what node:net takes, and nothing else", () => {
    const octet = fc.oneof(fc.integer({ min: 0, max: 300 }).map(String), fc.constantFrom("", "00", "01", "1x", " 1"));
    const nearly = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join("."));
    const soup = fc.string({ unit: fc.constantFrom("0", "1", "2", "5", "."), maxLength: 16 });
    const taken = (text: string) => {
      try {
        return ipv4ToNumber("address", text) >= 0;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(fc.oneof(nearly, soup, fc.ipV4()), (text) => {
        expect({ text, taken: taken(text) }).toEqual({ text, taken: isIPv4(text) });
      }),
      { numRuns: 2000 },
    );
  });
});
