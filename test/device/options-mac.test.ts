import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkAdoptOptions, checkOpenOptions } from "../../src/device/options.ts";
import { parseMac } from "../../src/interface/mac.ts";
import { formatMac } from "../../src/packet/address-text.ts";
import { failureOf } from "../support/programs.ts";

describe("parseMac()", () => {
  test.each([
    ["02:00:5e:00:53:01", [0x02, 0x00, 0x5e, 0x00, 0x53, 0x01]],
    ["00:00:00:00:00:00", [0, 0, 0, 0, 0, 0]],
    ["ff:FF:fF:Ff:ff:FF", [255, 255, 255, 255, 255, 255]],
    ["0a:1b:2c:3d:4e:5f", [0x0a, 0x1b, 0x2c, 0x3d, 0x4e, 0x5f]],
  ])("reads %s", (text, octets) => {
    expect([...parseMac(text)]).toEqual(octets);
  });

  test.each([
    "",
    "02:00:5e:00:53",
    "02:00:5e:00:53:01:02",
    "2:0:5e:0:53:1",
    "02-00-5e-00-53-01",
    "02005e005301",
    "0200.5e00.5301",
    "02:00:5e:00:53:0g",
    "02:00:5e:00:53:01 ",
    "02:00:5e:00:53:01\n",
    " 02:00:5e:00:53:01",
    "02:00:5e:00:53:",
    "02:00:5e:00:53:001",
    "0x:00:5e:00:53:01",
    "+2:00:5e:00:53:01",
    "0２:00:5e:00:53:01",
  ])("throws a RangeError for %j", (text) => {
    expect(failureOf(() => parseMac(text))).toEqual({
      kind: "RangeError",
      message: `Option "mac" must be six octets such as "02:00:5e:00:53:01", got "${text}"`,
    });
  });

  test("throws a TypeError for a value that is no text", () => {
    for (const value of [null, undefined, 2, ["02", "00"], new Uint8Array(6), {}]) {
      expect(failureOf(() => parseMac(value as never))).toEqual({
        kind: "TypeError",
        message: `Option "mac" must be text such as "02:00:5e:00:53:01", got ${Bun.inspect(value)}`,
      });
    }
  });

  test("gives back what formatMac() wrote, in small letters and 17 characters", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (octets) => {
        const text = formatMac(octets, 0);
        expect(text).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        expect(parseMac(text)).toEqual(octets);
        expect(parseMac(text.toUpperCase())).toEqual(octets);
      }),
    );
  });
});

describe("the option mac", () => {
  test("is checked on a TAP", () => {
    checkOpenOptions({ mac: "02:00:5e:00:53:01" }, "tap");
    expect(failureOf(() => checkOpenOptions({ mac: "02:00" }, "tap")).kind).toBe("RangeError");
    expect(failureOf(() => checkAdoptOptions({ mac: 2 }, "tap")).kind).toBe("TypeError");
  });

  test("is refused on a TUN, which has none, but may be undefined there", () => {
    expect(failureOf(() => checkOpenOptions({ mac: "02:00:5e:00:53:01" }, "tun"))).toEqual({
      kind: "TypeError",
      message: 'Option "mac" is for a TAP: a TUN has no MAC address, got "02:00:5e:00:53:01"',
    });
    checkOpenOptions({ mac: undefined }, "tun");
  });
});
