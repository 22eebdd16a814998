/** ICMP, ICMPv6 and neighbor discovery where the properties and the captured traffic show nothing. */
import { describe, expect, test } from "bun:test";
import * as packet from "../../src/packet/index.ts";
import { dirty, hex, readAll } from "./support.ts";

const { IcmpType, IcmpUnreachable, Icmpv6Type, PacketError, parseIcmp, parseIcmpv6 } = packet;
const ends = { source: "2001:db8::1", destination: "2001:db8::2" };
const original = packet.buildIPv4({
  source: "192.0.2.1",
  destination: "198.51.100.2",
  protocol: 17,
  payload: new Uint8Array(1400),
});
const target = "20010db8000000000000000000000009";

describe("parseIcmp()", () => {
  test("reads every field of an error", () => {
    const bytes = packet.buildIcmpError({ type: 3, code: IcmpUnreachable.FRAGMENTATION_NEEDED, mtu: 1300, original });
    expect(readAll(parseIcmp(bytes), bytes)).toEqual({
      type: IcmpType.DESTINATION_UNREACHABLE,
      code: 4,
      checksum: expect.any(Number),
      checksumIsValid: true,
      body: [...bytes.subarray(4)],
      identifier: null,
      sequenceNumber: null,
      payload: [...original.subarray(0, 548)],
      isError: true,
      original: [...original.subarray(0, 548)],
      mtu: 1300,
      gateway: null,
      pointer: null,
    });
  });

  test("tells a gateway, a pointer, and whose echo it is, each where it belongs", () => {
    const of = (type: number, header: string) =>
      parseIcmp(hex(`${type.toString(16).padStart(2, "0")}000000 ${header}`));
    expect(of(IcmpType.REDIRECT, "c0000207")).toMatchObject({ gateway: "192.0.2.7", pointer: null, mtu: null });
    expect(of(IcmpType.PARAMETER_PROBLEM, "14000000")).toMatchObject({ gateway: null, pointer: 20, isError: true });
    expect(of(IcmpType.ECHO_REQUEST, "12345678")).toMatchObject({ identifier: 0x1234, sequenceNumber: 0x5678 });
    expect(of(IcmpType.ECHO_REQUEST, "12345678")).toMatchObject({ isError: false, original: null });
    expect(of(IcmpType.TIMESTAMP_REPLY, "12345678")).toMatchObject({ identifier: 0x1234, isError: false });
  });

  test("cuts what RFC 4884 puts behind the original off, and believes no length beyond the end", () => {
    const message = (units: string) => hex(`0b00 0000 00${units}0000 ${"45".repeat(128)} 2000 0000 0008 0101 00000000`);
    expect(parseIcmp(message("20")).original).toHaveLength(128);
    expect(parseIcmp(message("00")).original).toHaveLength(140);
    expect(parseIcmp(message("ff")).original).toHaveLength(140);
    const over6 = (units: string) => hex(`0300 0000 ${units}000000 ${"60".repeat(128)} 2000 0000 0008 0101 00000000`);
    expect(parseIcmpv6(over6("10")).original).toHaveLength(128);
    expect(parseIcmpv6(over6("00")).original).toHaveLength(140);
  });

  test("refuses less than 8 bytes", () => {
    expect(() => parseIcmp(hex("0b000000000000"))).toThrow(PacketError);
    expect(() => parseIcmp(hex("0b000000000000"))).toThrow(
      "Cannot parse ICMP at byte 7: found 7 bytes, wanted at least 8",
    );
  });
});

describe("writeIcmp() and writeIcmpv6()", () => {
  test("write every byte of the message and no other, and take a body that they write over", () => {
    const body = hex("0001000201");
    for (const [write, build] of [
      [packet.writeIcmp, packet.buildIcmp],
      [packet.writeIcmpv6, packet.buildIcmpv6],
    ] as const) {
      const fields = { ...ends, type: 128, code: 1, body };
      const bytes = dirty(11);
      expect(write(bytes, fields)).toBe(9);
      expect(bytes.subarray(0, 9)).toEqual(build(fields));
      expect(bytes.subarray(9)).toEqual(hex("a5a5"));
      bytes.set(body, 0);
      write(bytes, { ...fields, body: bytes.subarray(0, 5) });
      expect(bytes.subarray(0, 9)).toEqual(build(fields));
      expect(() => write(bytes.subarray(0, 8), fields)).toThrow('"target" is 8 bytes, wanted at least 9');
      expect(() => build({ ...fields, type: 256 })).toThrow('"type" is 256');
      expect(() => build({ ...fields, code: -1 })).toThrow('"code" is -1');
      expect(() => build({ ...fields, body: [] as never })).toThrow('"body" is of type object');
    }
    expect(() => packet.buildIcmp({ type: 8, body: new Uint8Array(3) })).toThrow(
      '"body" is 3 bytes, wanted at least 4',
    );
    expect(() => packet.buildIcmpv6({ source: "192.0.2.1", destination: "192.0.2.2", type: 128, body })).toThrow(
      '"source" is "192.0.2.1", wanted an IPv6 address',
    );
  });
});

describe("buildIcmpError() and buildIcmpv6Error()", () => {
  test("quote as much as fits into the least packet that all take", () => {
    const long = new Uint8Array(1500);
    expect(packet.buildIcmpError({ type: 11, original: long })).toHaveLength(576 - 20);
    expect(packet.buildIcmpv6Error({ ...ends, type: 3, original: long })).toHaveLength(1280 - 40);
    const message = parseIcmpv6(packet.buildIcmpv6Error({ ...ends, type: 2, mtu: 2 ** 32 - 1, original: long }));
    expect(message).toMatchObject({ mtu: 2 ** 32 - 1, pointer: null, isError: true, target: null });
  });

  test.each([
    [() => packet.buildIcmpError({ type: 8, original }), '"type" is 8, wanted an error: '],
    [() => packet.buildIcmpError({ type: 5, original }), '"gateway" is "", wanted an IPv4 address'],
    [() => packet.buildIcmpError({ type: 3, mtu: 65536, original }), '"mtu" is 65536'],
    [() => packet.buildIcmpError({ type: 12, pointer: 256, original }), '"pointer" is 256'],
    [() => packet.buildIcmpError({ type: 3, original: "45" as never }), '"original" is "45", wanted a Uint8Array'],
    [() => packet.buildIcmpv6Error({ ...ends, type: 128, original }), '"type" is 128, wanted an error: '],
    [
      () => packet.buildIcmpv6Echo({ ...ends, type: 1, identifier: 1, sequenceNumber: 1, payload: original }),
      '"type" is 1',
    ],
  ])("refuse what is none: %#", (build, message) => {
    expect(build).toThrow(message);
  });
});

describe("parseIcmpv6()", () => {
  test("reads every field of a neighbor advertisement", () => {
    const bytes = hex(`88 00 1234 e0000000 ${target} 0201 02005e005301 0e01 000000000000`);
    const options = [
      { kind: "targetLinkLayerAddress", mac: "02:00:5e:00:53:01" },
      { kind: "unknown", number: 14, data: new Array(6).fill(0) },
    ];
    expect(readAll(parseIcmpv6(bytes), bytes)).toEqual({
      ...{ type: Icmpv6Type.NEIGHBOR_ADVERTISEMENT, code: 0, checksum: 0x1234, body: [...bytes.subarray(4)] },
      ...{ identifier: null, sequenceNumber: null, mtu: null, pointer: null, isError: false, original: null },
      ...{ payload: [...bytes.subarray(8)], target: "2001:db8::9", targetBytes: [...hex(target)] },
      ...{ router: true, solicited: true, override: true, routerAdvertisement: null, redirectDestination: null },
      ...{ options, linkLayerAddress: "02:00:5e:00:53:01" },
    });
  });

  test("gives back every option of a router advertisement, as it was built of", () => {
    const flags = { onLink: false, autonomous: true, validSeconds: 2 ** 32 - 1, preferredSeconds: 60 };
    const options: packet.NdOption[] = [
      { kind: "sourceLinkLayerAddress", mac: "02:00:5e:00:53:01" },
      { kind: "mtu", mtu: 1492 },
      { kind: "prefix", prefix: "2001:db8:7::", prefixLength: 64, ...flags },
      { kind: "dnsServers", lifetimeSeconds: 600, servers: ["2001:db8::53", "2001:db8::54"] },
      { kind: "unknown", number: 24, data: hex("40 08 00000258") },
    ];
    const router = {
      hopLimit: 255,
      managed: false,
      otherConfig: true,
      lifetimeSeconds: 9000,
      reachableMs: 1,
      retransmitMs: 2,
    };
    const message = parseIcmpv6(packet.buildRouterAdvertisement({ ...ends, ...router, options }));
    expect(message.options).toEqual(options);
    expect(message.routerAdvertisement).toEqual(router);
  });

  test.each([
    ["nothing", "", 0, "found 0 bytes, wanted at least 4"],
    ["an echo request of 7 bytes", "80000000000100", 7, "found 7 bytes, wanted at least 8"],
    ["an error of 7 bytes", "01000000000000", 7, "found 7 bytes, wanted at least 8"],
    ["a router advertisement of 15 bytes", `86${"00".repeat(14)}`, 15, "found 15 bytes, wanted at least 16"],
    ["a neighbor solicitation of 23 bytes", `87${"00".repeat(22)}`, 23, "found 23 bytes, wanted at least 24"],
    ["a redirect of 39 bytes", `89${"00".repeat(38)}`, 39, "found 39 bytes, wanted at least 40"],
    // RFC 4861 section 4.6: nodes must discard a packet with such an option.
    ["an option of no length", `87${"00".repeat(23)} 0101000000000000 0100000000000000`, 32, "an option of no length"],
    ["an option that is cut off", `87${"00".repeat(23)} 0102000000000000`, 24, "an option of no length, or cut off"],
    ["a piece of an option", `87${"00".repeat(23)} 010100`, 24, "an option of no length, or cut off"],
  ])("refuses %s", (_, bytes, offset, message) => {
    const parse = () => parseIcmpv6(hex(bytes));
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "ICMPv6", offset }));
  });

  test("never takes a type of now for the type that was checked", () => {
    const bytes = hex("ff000000 00000000");
    const message = parseIcmpv6(bytes);
    bytes[0] = Icmpv6Type.NEIGHBOR_ADVERTISEMENT;
    expect(message).toMatchObject({ type: 255, target: null, targetBytes: null, options: [], router: false });
  });
});

describe("the builders of neighbor discovery", () => {
  const solicit = (options: unknown) => () => packet.buildRouterSolicitation({ ...ends, options: options as never });

  test.each([
    [() => packet.buildNeighborSolicitation({ ...ends, target: "192.0.2.1" }), '"target" is "192.0.2.1"'],
    [() => packet.buildNeighborAdvertisement({ ...ends, target: "::", router: 1 as never }), '"router" is 1'],
    [() => packet.buildRouterAdvertisement({ ...ends, hopLimit: 256 }), '"hopLimit" is 256'],
    [() => packet.buildRouterAdvertisement({ ...ends, lifetimeSeconds: 65536 }), '"lifetimeSeconds" is 65536'],
    [solicit({}), '"options" is of type object, wanted an array'],
    [solicit([{ kind: "mac" }]), '"kind" is "mac", wanted the kind of an option'],
    [solicit([{ kind: "sourceLinkLayerAddress", mac: "02" }]), '"mac" is "02", wanted a MAC address'],
    [solicit([{ kind: "mtu", mtu: 2 ** 32 }]), '"mtu" is 4294967296'],
    [solicit([{ kind: "dnsServers", lifetimeSeconds: 1, servers: [] }]), '"servers.length" is 0'],
    [solicit([{ kind: "dnsServers", lifetimeSeconds: 1, servers: ["192.0.2.1"] }]), '"servers" is "192.0.2.1"'],
    [
      solicit([{ kind: "unknown", number: 9, data: new Uint8Array(8) }]),
      '"data" is 8 bytes, wanted 6 bytes, or 8 more',
    ],
  ])("refuse bad fields: %#", (build, message) => {
    expect(build).toThrow(message);
  });
});
