import { describe, expect, test } from "bun:test";
import { checkOpenOptions } from "../../src/device/options.ts";
import { parseAddress } from "../../src/netlink/address.ts";
import { failureOf } from "../support/programs.ts";

/** Of an address about which nothing more is said. */
const plain = {
  peer: undefined,
  broadcast: undefined,
  scope: 0,
  preferred: 0xffff_ffff,
  valid: 0xffff_ffff,
  flags: 0,
};

const typeMessage = (value: unknown): string =>
  `An address must be text such as "192.0.2.1/24", or { address, peer }, got ${Bun.inspect(value)}`;

describe("parseAddress()", () => {
  test.each([
    ["192.0.2.1/24", [192, 0, 2, 1], 24],
    ["192.0.2.1", [192, 0, 2, 1], 32],
    ["192.0.2.1/0", [192, 0, 2, 1], 0],
    ["192.0.2.1/32", [192, 0, 2, 1], 32],
    ["2001:db8::1/64", [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 64],
    ["::1", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128],
    ["::1/0", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 0],
  ])("reads %s, a host address where no prefix length is given", (text, local, prefixLength) => {
    for (const like of [text, { address: text }, { address: text, peer: undefined }] as { address: string }[]) {
      expect(parseAddress(like)).toEqual({ ...plain, local: Uint8Array.from(local), prefixLength });
    }
  });

  test("reads a peer of the same family, whose prefix length stands at the address", () => {
    expect(parseAddress({ address: "192.0.2.1/31", peer: "192.0.2.0" })).toEqual({
      ...plain,
      local: Uint8Array.of(192, 0, 2, 1),
      peer: Uint8Array.of(192, 0, 2, 0),
      prefixLength: 31,
    });
    expect(parseAddress({ address: "2001:db8::1", peer: "2001:db8::2" })).toMatchObject({ prefixLength: 128 });
  });

  test("throws a TypeError for a value that is neither text nor { address, peer }", () => {
    const nothing = [
      null,
      undefined,
      3232235777,
      ["192.0.2.1"],
      {},
      { address: 4 },
      { address: "192.0.2.1", peer: null },
    ];
    for (const value of nothing) {
      expect(failureOf(() => parseAddress(value as never))).toEqual({ kind: "TypeError", message: typeMessage(value) });
    }
  });

  test.each(["", "/24", "192.0.2", "192.0.2.1/24/24", "192.0.2.256/24", "tun0", "192.0.2.1 /24", "fe80::1%eth0/64"])(
    "throws a RangeError for %j, which is no address",
    (text) => {
      expect(failureOf(() => parseAddress(text))).toEqual({
        kind: "RangeError",
        message: `"${text}" is not an address: give "192.0.2.1/24" or "2001:db8::1/64"`,
      });
    },
  );

  test.each([
    ["192.0.2.1/33", 32],
    ["192.0.2.1/", 32],
    ["192.0.2.1/-1", 32],
    ["192.0.2.1/+8", 32],
    ["192.0.2.1/8.0", 32],
    ["192.0.2.1/0x8", 32],
    ["192.0.2.1/1e1", 32],
    ["192.0.2.1/ 8", 32],
    ["192.0.2.1/24\n", 32],
    ["192.0.2.1/255.255.255.0", 32],
    ["2001:db8::1/129", 128],
    ["2001:db8::1/", 128],
    ["2001:db8::1/1000", 128],
  ])("throws a RangeError for the prefix length of %j", (text, bits) => {
    expect(failureOf(() => parseAddress(text))).toEqual({
      kind: "RangeError",
      message: `The prefix length of "${text}" must be 0 to ${bits}`,
    });
  });

  test.each([
    ["192.0.2.1/24", "2001:db8::2", "IPv4"],
    ["2001:db8::1/64", "192.0.2.2", "IPv6"],
    ["192.0.2.1/24", "192.0.2.2/24", "IPv4"],
    ["192.0.2.1/24", "", "IPv4"],
    ["2001:db8::1", "router", "IPv6"],
  ])("throws a RangeError for %s with the peer %j", (address, peer, family) => {
    expect(failureOf(() => parseAddress({ address, peer }))).toEqual({
      kind: "RangeError",
      message: `"${peer}" is not an address: give an ${family} address without prefix length as \`peer\``,
    });
  });
});

describe("the option addresses", () => {
  test("is checked address by address, before anything is done", () => {
    const { kind, message } = failureOf(() => checkOpenOptions({ addresses: ["192.0.2.1/24", "192.0.2.2/33"] }, "tun"));
    expect(kind).toBe("RangeError");
    expect(message).toContain('"192.0.2.2/33" must be 0 to 32');
    expect(failureOf(() => checkOpenOptions({ addresses: [null] }, "tun")).kind).toBe("TypeError");
    expect(failureOf(() => checkOpenOptions({ addresses: [["192.0.2.1"]] }, "tap")).kind).toBe("TypeError");
  });
});
