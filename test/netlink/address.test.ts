import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressAttributes,
  addressBody,
  addressDumpBody,
  decodeAddress,
  type ParsedAddress,
  parseAddress,
} from "../../src/netlink/address.ts";
import { encodeAttributes, NetlinkFormatError } from "../../src/netlink/message.ts";
import { formatIP } from "../../src/packet/address-text.ts";
import { hex, surround, thrownBy } from "../support/programs.ts";

const v6 = "20010db8000000000000000000000001";
const peer6 = "20010db8000000000000000000000002";

function concat(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

describe("addressBody() and addressAttributes()", () => {
  test.each([
    {
      name: "an IPv4 address",
      like: "192.0.2.1/24",
      want: "02 18 00 00 07000000 0800 0200 c0000201 0800 0100 c0000201",
    },
    {
      name: "an IPv4 address with a peer",
      like: { address: "192.0.2.1/31", peer: "192.0.2.0" },
      want: "02 1f 00 00 07000000 0800 0200 c0000201 0800 0100 c0000200",
    },
    {
      name: "an IPv6 address",
      like: "2001:db8::1/64",
      want: `0a 40 00 00 07000000 1400 0200 ${v6} 1400 0100 ${v6}`,
    },
    {
      name: "an IPv6 address with a peer",
      like: { address: "2001:db8::1", peer: "2001:db8::2" },
      want: `0a 80 00 00 07000000 1400 0200 ${v6} 1400 0100 ${peer6}`,
    },
  ])("are struct ifaddrmsg, IFA_LOCAL and IFA_ADDRESS of $name", ({ like, want }) => {
    const address = parseAddress(like);
    expect(concat(addressBody(7, address), encodeAttributes(addressAttributes(address)))).toEqual(hex(want));
  });

  test("carry an index of 32 bits", () => {
    expect(addressBody(0x7fff_ffff, parseAddress("192.0.2.1")).subarray(4)).toEqual(hex("ffffff7f"));
  });
});

describe("addressDumpBody()", () => {
  test("asks for both families of one interface", () => {
    expect(addressDumpBody(7)).toEqual(hex("00 00 00 00 07000000"));
  });
});

describe("decodeAddress()", () => {
  const read = (text: string): ReturnType<typeof decodeAddress> => decodeAddress(surround(hex(text)));

  test("reads an IPv4 address with label, flags and lifetimes, as the kernel dumps it", () => {
    const bytes = `02 18 80 00 07000000 0800 0100 c0000201 0800 0200 c0000201 0800 0400 c00002ff
      0900 0300 74756e3000 000000 0800 0800 80000000 1400 0600 ffffffffffffffff0000000000000000`;
    expect(read(bytes)).toEqual({
      index: 7,
      address: { address: "192.0.2.1/24", family: 4, scope: "global", broadcast: "192.0.2.255" },
    });
  });

  test("reads an IPv6 address without IFA_LOCAL", () => {
    expect(read(`0a 40 80 fd 07000000 1400 0100 ${v6}`)).toEqual({
      index: 7,
      address: { address: "2001:db8::1/64", family: 6, scope: "link" },
    });
  });

  test.each([
    { bytes: "02 1f 80 00 07000000 0800 0100 c0000200 0800 0200 c0000201", address: "192.0.2.1/31", peer: "192.0.2.0" },
    {
      bytes: `0a 80 80 00 07000000 1400 0200 ${v6} 1400 0100 ${peer6}`,
      address: "2001:db8::1/128",
      peer: "2001:db8::2",
    },
  ])("reads $address with the peer $peer", ({ bytes, address, peer }) => {
    expect(read(bytes)?.address).toMatchObject({ address, peer });
  });

  test.each([
    [0, "global"],
    [200, "site"],
    [253, "link"],
    [254, "host"],
    [255, "nowhere"],
    [42, 42],
  ])("reads the scope %d as %p", (number, scope) => {
    expect(read(`02 20 80 ${number.toString(16).padStart(2, "0")} 07000000 0800 0200 c0000201`)?.address.scope).toBe(
      scope as "global",
    );
  });

  test.each([0, 1, 7, 28, 255])("reads nothing of family %d", (family) => {
    expect(read(`${family.toString(16).padStart(2, "0")} 20 80 00 07000000`)).toBeNull();
  });

  test.each([
    { name: "a body cut short", bytes: "02 18 80 00 070000" },
    { name: "nothing", bytes: "" },
    { name: "no address", bytes: "02 18 80 00 07000000" },
    { name: "an address of 3 bytes", bytes: "02 18 80 00 07000000 0700 0200 c00002 00" },
    { name: "an IPv4 address in an IPv6 message", bytes: "0a 40 80 00 07000000 0800 0200 c0000201" },
    { name: "a peer of another length", bytes: `02 20 80 00 07000000 0800 0200 c0000201 1400 0100 ${v6}` },
    { name: "malformed attributes", bytes: "02 18 80 00 07000000 0300 0200" },
  ])("throws a NetlinkFormatError for $name", ({ bytes }) => {
    expect(thrownBy(() => read(bytes))).toBeInstanceOf(NetlinkFormatError);
  });

  test("gives back what addressBody() and addressAttributes() wrote, and parseAddress() what it gives", () => {
    const undef = fc.constant(undefined);
    const lifetimes = { valid: fc.integer({ min: 1, max: 0xffff_ffff }), preferred: fc.constant(0) };
    const pair = fc.constantFrom(4, 16).chain((size) =>
      fc.record({
        local: fc.uint8Array({ minLength: size, maxLength: size }),
        peer: fc.option(fc.uint8Array({ minLength: size, maxLength: size }), { nil: undefined }),
        prefixLength: fc.nat(size * 8),
        broadcast: size === 4 ? fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined }) : undef,
        scope: size === 4 ? fc.nat(255) : fc.constant(0),
        ...lifetimes,
        flags: fc.constantFrom(0, 0x02, 0x200, 0x202),
      }),
    );
    fc.assert(
      fc.property(pair, fc.nat(0x7fff_ffff), (parsed: ParsedAddress, index) => {
        const bytes = concat(addressBody(index, parsed), encodeAttributes(addressAttributes(parsed)));
        const decoded = decodeAddress(surround(bytes));
        expect(decoded?.index).toBe(index);
        const { address, peer, family, ...more } = decoded?.address ?? {};
        expect(family).toBe(parsed.local.length === 4 ? 4 : 6);
        const same = parsed.peer === undefined || formatIP(parsed.peer) === formatIP(parsed.local);
        expect(peer).toBe(same ? undefined : formatIP(parsed.peer as Uint8Array));
        expect(parseAddress({ address: address ?? "", ...(peer === undefined ? {} : { peer }), ...more })).toEqual({
          ...parsed,
          peer: same ? undefined : parsed.peer,
        });
      }),
    );
  });
});
