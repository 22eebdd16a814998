import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as packet from "../../src/packet/index.ts";
import { codecs } from "./codecs.ts";
import { dirty, hex, readAll, surround } from "./support.ts";

const { buildIPv6, IpProtocol, PacketError, parseIPv4, parseIPv6, parseUdp, writeIPv6 } = packet;
const ends = { source: "2001:db8::1", destination: "2001:db8::2" };
const addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
/** `nextHeader` and what follows the fixed header. */
const packetOf = (nextHeader: number, payload: Uint8Array) => buildIPv6({ ...ends, nextHeader, payload });

describe("parseIPv6()", () => {
  test("reads every field, and cuts the padding of a frame off", () => {
    const bytes = hex(`6b812345 0003 11 40 ${addresses} 010203 a5a5a5`);
    expect(readAll(parseIPv6(bytes), bytes)).toEqual({
      version: 6,
      trafficClass: 0xb8,
      flowLabel: 0x12345,
      payloadLength: 3,
      nextHeader: IpProtocol.UDP,
      hopLimit: 64,
      source: "2001:db8::1",
      sourceBytes: [...bytes.subarray(8, 24)],
      destination: "2001:db8::2",
      destinationBytes: [...bytes.subarray(24, 40)],
      payload: [1, 2, 3],
      extensionHeaders: [],
      fragment: null,
      protocol: IpProtocol.UDP,
      upperLayer: [1, 2, 3],
    });
  });

  test("walks hop-by-hop, routing, destination options, AH and fragment headers to what is behind", () => {
    const chain = {
      hopByHop: hex("2b00 0104 00000000"),
      routing: hex(`3c02 0400 00000000 ${"00".repeat(16)}`),
      destination: hex("3300 0104 00000000"),
      ah: hex("2c01 0000 00000001 00000002"),
      fragment: hex("3a00 0001 deadbeef"),
    };
    const headers = Object.values(chain);
    const bytes = packetOf(0, Uint8Array.from([...headers.flatMap((header) => [...header]), 128, 0]));
    const view = parseIPv6(bytes);
    expect(view.extensionHeaders.map(({ type }) => type)).toEqual([0, 43, 60, 51, 44]);
    expect(view.extensionHeaders.map(({ bytes }) => bytes.toHex())).toEqual(headers.map((header) => header.toHex()));
    expect(view.fragment).toEqual({ offset: 0, moreFragments: true, identification: 0xdeadbeef });
    expect({ protocol: view.protocol, upperLayer: [...view.upperLayer] }).toEqual({
      protocol: 58,
      upperLayer: [128, 0],
    });
    expect(view.nextHeader).toBe(0);
  });

  test("does not look into a fragment out of the middle", () => {
    // What follows would be destination options of 2048 bytes.
    const view = parseIPv6(packetOf(44, hex("3c00 0ff9 00000001 11ff")));
    expect(view.fragment).toEqual({ offset: 4088, moreFragments: true, identification: 1 });
    expect({ protocol: view.protocol, upperLayer: [...view.upperLayer] }).toEqual({
      protocol: 60,
      upperLayer: [0x11, 0xff],
    });
  });

  test("takes what follows ESP and nothing as it is", () => {
    for (const protocol of [IpProtocol.ESP, IpProtocol.NO_NEXT_HEADER]) {
      expect(parseIPv6(packetOf(protocol, hex("0000"))).upperLayer).toHaveLength(2);
    }
  });

  test.each([
    { name: "nothing", bytes: "", offset: 0, message: "found 0 bytes, wanted at least 40" },
    { name: "39 bytes", bytes: `60${"00".repeat(38)}`, offset: 39, message: "found 39 bytes, wanted at least 40" },
    { name: "IPv4", bytes: `45${"00".repeat(39)}`, offset: 0, message: "found version 4, wanted 6" },
    {
      name: "a length beyond the end",
      bytes: `60000000 0001 11 40 ${addresses}`,
      offset: 4,
      message: "payload length 1",
    },
    {
      name: "a jumbogram",
      bytes: `60000000 0000 00 40 ${addresses} 3b00c20400020000`,
      offset: 40,
      message: "0 bytes left",
    },
    {
      name: "a header that is not there",
      bytes: `60000000 0000 00 40 ${addresses}`,
      offset: 40,
      message: "of at least 8 bytes, wanted at most the 0 bytes left",
    },
    {
      name: "a header cut off behind its first byte",
      bytes: `60000000 0001 00 40 ${addresses} 3b`,
      offset: 40,
      message: "of at least 8 bytes, wanted at most the 1 bytes left",
    },
    {
      name: "a header cut off",
      bytes: `60000000 0008 00 40 ${addresses} 1101000000000000`,
      offset: 40,
      message: "of at least 16",
    },
    {
      name: "a second one cut off",
      bytes: `60000000 000c 00 40 ${addresses} 3c00000000000000 11000000`,
      offset: 48,
      message: "4 bytes left",
    },
    {
      name: "one that is in the padding",
      bytes: `60000000 0000 3c 40 ${addresses} 1100000000000000`,
      offset: 40,
      message: "0 bytes left",
    },
  ])("refuses $name", ({ bytes, offset, message }) => {
    const parse = () => parseIPv6(hex(bytes));
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "IPv6", offset }));
  });

  test("refuses more than 16 extension headers, however long the packet", () => {
    const chain = (count: number) => {
      const payload = new Uint8Array(8 * count);
      for (let i = 0; i < count; i++) payload[8 * i] = i + 1 === count ? 59 : 60;
      return packetOf(60, payload);
    };
    expect(parseIPv6(chain(16)).extensionHeaders).toHaveLength(16);
    expect(() => parseIPv6(chain(17))).toThrow("found more than 16 extension headers");
    expect(() => parseIPv6(chain(8000))).toThrow(PacketError);
  });

  test("refuses what is not a Uint8Array", () => {
    expect(() => parseIPv6("60" as never)).toThrow(TypeError);
  });
});

describe("with truncated: true", () => {
  const parsers = [
    { name: "IPv4", parse: parseIPv4, least: 20 },
    { name: "IPv6", parse: parseIPv6, least: 40 },
    { name: "Udp", parse: parseUdp, least: 8 },
  ];

  test.each(parsers)("a $name packet may be cut anywhere behind its header, and no getter reads outside", (row) => {
    const { valid } = codecs.find(({ name }) => name === row.name)!;
    fc.assert(
      fc.property(valid, fc.nat(200), (whole, length) => {
        const bytes = surround(whole.subarray(0, length), 0xa5);
        const whole1 = readAll(row.parse(whole), whole);
        try {
          const view = readAll(row.parse(bytes, { truncated: true }), bytes);
          if (bytes.length === whole.length) expect(view).toEqual(whole1);
          expect(view["source"]).toBe(whole1["source"]);
          expect((view["payload"] as number[]).length).toBeLessThanOrEqual(bytes.length - row.least);
        } catch (error) {
          expect(error).toBeInstanceOf(PacketError);
          // The options of IPv4 belong to its header.
          expect(bytes.length).toBeLessThan(row.name === "IPv4" ? 60 : row.least);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("the walk ends where the bytes do", () => {
    const whole = packetOf(0, hex("3c00010400000000 1101000000000000 0000000000000000 12345678"));
    const view = parseIPv6(whole.subarray(0, 50), { truncated: true });
    expect(view.extensionHeaders).toHaveLength(1);
    expect({ protocol: view.protocol, upperLayer: view.upperLayer.toHex() }).toEqual({
      protocol: 60,
      upperLayer: "1101",
    });
  });
});

describe("writeIPv6()", () => {
  const fields = { ...ends, trafficClass: 0xb8, flowLabel: 0x12345, nextHeader: 17, hopLimit: 1, payloadLength: 3 };

  test("writes every byte of the header and no other", () => {
    const target = dirty(43);
    expect(writeIPv6(target, fields)).toBe(40);
    expect(target).toEqual(hex(`6b812345 0003 11 01 ${addresses} a5a5a5`));
  });

  test("takes addresses that are views of what it writes over", () => {
    const bytes = packetOf(17, new Uint8Array(3));
    const { sourceBytes, destinationBytes } = parseIPv6(bytes);
    writeIPv6(bytes, { ...fields, source: destinationBytes, destination: sourceBytes });
    expect(parseIPv6(bytes)).toMatchObject({ source: "2001:db8::2", destination: "2001:db8::1" });
  });

  test.each([
    { wrong: { trafficClass: 256 }, message: '"trafficClass" is 256, wanted an integer from 0 to 255' },
    { wrong: { flowLabel: 0x100000 }, message: '"flowLabel" is 1048576' },
    { wrong: { hopLimit: -1 }, message: '"hopLimit" is -1' },
    { wrong: { nextHeader: 1.5 }, message: '"nextHeader" is 1.5' },
    { wrong: { payloadLength: 65536 }, message: '"payloadLength" is 65536' },
    { wrong: { source: "192.0.2.1" }, message: '"source" is "192.0.2.1", wanted an IPv6 address' },
    { wrong: { destination: new Uint8Array(4) }, message: '"destination" is 4 bytes, wanted an IPv6 address' },
  ])("refuses bad fields and writes nothing: $message", ({ wrong, message }) => {
    const target = dirty(40);
    expect(() => writeIPv6(target, { ...fields, ...wrong })).toThrow(message);
    expect(target).toEqual(dirty(40));
  });

  test("refuses a target that is too short, and a payload that is too long", () => {
    expect(() => writeIPv6(dirty(39), fields)).toThrow('"target" is 39 bytes, wanted at least 40');
    expect(() => packetOf(17, new Uint8Array(65536))).toThrow('"payload" is 65536 bytes, wanted at most 65535');
    expect(parseIPv6(packetOf(17, new Uint8Array(65535))).payload).toHaveLength(65535);
  });
});
