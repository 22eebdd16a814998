import { describe, expect, test } from "bun:test";
import { buildIPv4, IpProtocol, PacketError, parseIPv4, writeIPv4 } from "../../src/packet/index.ts";
import { captured, dirty, hex, readAll } from "./support.ts";

const request = captured.echoRequest.subarray(14);
const withOptions = captured.echoRequestRecordRoute.subarray(14);
const header = { source: "192.0.2.1", destination: "192.0.2.2", protocol: IpProtocol.UDP };

function withByte(offset: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = request.slice();
  bytes[offset] = value;
  return bytes;
}

describe("parseIPv4()", () => {
  test("reads a captured packet", () => {
    expect(readAll(parseIPv4(request), request)).toEqual({
      version: 4,
      headerLength: 20,
      dscp: 0,
      ecn: 0,
      totalLength: 44,
      identification: 0x1a34,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: 64,
      protocol: IpProtocol.ICMP,
      headerChecksum: 0x9c99,
      checksumIsValid: true,
      source: "192.0.2.1",
      sourceBytes: [192, 0, 2, 1],
      destination: "192.0.2.2",
      destinationBytes: [192, 0, 2, 2],
      options: [],
      payload: [...request.subarray(20)],
    });
  });

  test("reads every bit of the small fields", () => {
    const packet = parseIPv4(hex("45b6 0014 fffe 3fff fe fd 1234 fffefdfc 80818283"));
    expect(packet).toMatchObject({ dscp: 45, ecn: 2, identification: 0xfffe, ttl: 0xfe, protocol: 0xfd });
    expect(packet).toMatchObject({ dontFragment: false, moreFragments: true, fragmentOffset: 65528 });
    expect(packet).toMatchObject({ source: "255.254.253.252", destination: "128.129.130.131" });
  });

  test("keeps options as they are", () => {
    const packet = parseIPv4(withOptions);
    expect(packet.headerLength).toBe(60);
    expect(packet.options).toEqual(withOptions.subarray(20, 60));
    expect(packet.payload).toEqual(withOptions.subarray(60));
    expect(packet.checksumIsValid).toBe(true);
  });

  test("cuts the padding behind the total length off", () => {
    const padded = dirty(64);
    padded.set(request);
    const packet = parseIPv4(padded);
    expect(packet.totalLength).toBe(44);
    expect(packet.payload).toEqual(request.subarray(20));
  });

  test("takes a packet without a payload", () => {
    expect(parseIPv4(hex("4500 0014 0000 0000 40 11 f6d5 c0000201 c0000202")).payload).toHaveLength(0);
  });

  test("takes a wrong checksum, and says so", () => {
    const packet = parseIPv4(withByte(11, 0x98));
    expect(packet.headerChecksum).toBe(0x9c98);
    expect(packet.checksumIsValid).toBe(false);
  });

  test("verifies the header alone, with its options", () => {
    const bytes = withOptions.slice();
    bytes[70] = ~(bytes[70] ?? 0);
    expect(parseIPv4(bytes).checksumIsValid).toBe(true);
    bytes[59] = 1;
    expect(parseIPv4(bytes).checksumIsValid).toBe(false);
  });

  test("keeps the lengths that it checked", () => {
    const bytes = request.slice();
    const packet = parseIPv4(bytes);
    bytes.fill(0xff);
    expect(packet).toMatchObject({ headerLength: 20, totalLength: 44, version: 15 });
    expect(packet.payload).toHaveLength(24);
  });

  test.each([
    { name: "nothing", bytes: new Uint8Array(0), offset: 0, message: "at byte 0: found 0 bytes, wanted at least 20" },
    { name: "19 bytes", bytes: request.subarray(0, 19), offset: 19, message: "found 19 bytes, wanted at least 20" },
    { name: "IPv6", bytes: withByte(0, 0x60), offset: 0, message: "found version 6, wanted 4" },
    {
      name: "a short header",
      bytes: withByte(0, 0x44),
      offset: 0,
      message: "found header length 16, wanted at least 20",
    },
    { name: "a total length of 0", bytes: withByte(3, 0), offset: 2, message: "total length 0, wanted at least the" },
    {
      name: "a total below the header's",
      bytes: withByte(3, 19),
      offset: 2,
      message: "wanted at least the header's 20",
    },
    { name: "options that end too early", bytes: withByte(0, 0x4f), offset: 2, message: "at least the header's 60" },
    { name: "a total length too long", bytes: withByte(3, 45), offset: 2, message: "45, wanted at most the 44 bytes" },
    {
      name: "a truncated packet",
      bytes: request.subarray(0, 43),
      offset: 2,
      message: "44, wanted at most the 43 bytes",
    },
  ])("refuses $name", ({ bytes, offset, message }) => {
    const parse = () => parseIPv4(bytes);
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "IPv4", offset }));
  });

  test("refuses what is not a Uint8Array", () => {
    expect(() => parseIPv4(new ArrayBuffer(64) as never)).toThrow(TypeError);
  });
});

describe("writeIPv4()", () => {
  test("writes every byte of the header and no other, with the defaults", () => {
    const target = dirty(22);
    expect(writeIPv4(target, { ...header, payloadLength: 0 })).toBe(20);
    expect(target).toEqual(hex("4500 0014 0000 0000 40 11 f6d5 c0000201 c0000202 a5a5"));
  });

  test("writes every bit of the small fields", () => {
    const target = dirty(24);
    const length = writeIPv4(target, {
      dscp: 45,
      ecn: 2,
      identification: 0xfffe,
      dontFragment: true,
      moreFragments: true,
      fragmentOffset: 65528,
      ttl: 0,
      protocol: 0xfd,
      source: hex("fffefdfc"),
      destination: "203.0.113.255",
      options: hex("01010100"),
      payloadLength: 65511,
    });
    expect(length).toBe(24);
    expect(target).toEqual(hex("46b6 ffff fffe 7fff 00 fd fb50 fffefdfc cb0071ff 01010100"));
  });

  test("swaps the addresses, and keeps the options, of the packet that it writes over", () => {
    const bytes = withOptions.slice();
    const { sourceBytes, destinationBytes, options, payload, protocol } = parseIPv4(bytes);
    const fields = { source: destinationBytes, destination: sourceBytes, options, protocol };
    writeIPv4(bytes, { ...fields, payloadLength: payload.length });
    expect(parseIPv4(bytes)).toMatchObject({ source: "192.0.2.2", destination: "192.0.2.1", checksumIsValid: true });
    expect(bytes.subarray(20)).toEqual(withOptions.subarray(20));
  });

  test("takes options that are a view of what it writes over", () => {
    const bytes = request.slice();
    writeIPv4(bytes, { ...header, options: bytes.subarray(12, 20), payloadLength: 0 });
    expect(bytes.subarray(20, 28)).toEqual(request.subarray(12, 20));
  });

  const address = 'wanted an IPv4 address such as "192.0.2.1", or 4 bytes';
  test.each([
    { field: "dscp", value: 64, type: RangeError, message: '"dscp" is 64, wanted an integer from 0 to 63' },
    { field: "ecn", value: 4, type: RangeError, message: '"ecn" is 4, wanted an integer from 0 to 3' },
    { field: "identification", value: 65536, type: RangeError, message: '"identification" is 65536, wanted an' },
    { field: "dontFragment", value: 1, type: TypeError, message: '"dontFragment" is 1, wanted true or false' },
    { field: "moreFragments", value: "no", type: TypeError, message: '"moreFragments" is "no", wanted true or false' },
    {
      field: "fragmentOffset",
      value: 65536,
      type: RangeError,
      message: '"fragmentOffset" is 65536, wanted an integer',
    },
    {
      field: "fragmentOffset",
      value: 185,
      type: RangeError,
      message: '"fragmentOffset" is 185, wanted a multiple of 8',
    },
    { field: "ttl", value: 256, type: RangeError, message: '"ttl" is 256, wanted an integer from 0 to 255' },
    { field: "ttl", value: Number.NaN, type: RangeError, message: '"ttl" is NaN, wanted an integer from 0 to 255' },
    { field: "protocol", value: 256, type: RangeError, message: '"protocol" is 256, wanted an integer from 0 to 255' },
    { field: "protocol", value: undefined, type: TypeError, message: '"protocol" is undefined, wanted an integer' },
    { field: "source", value: "2001:db8::1", type: RangeError, message: `"source" is "2001:db8::1", ${address}` },
    { field: "destination", value: undefined, type: TypeError, message: `"destination" is undefined, ${address}` },
    {
      field: "options",
      value: new Uint8Array(3),
      type: RangeError,
      message: '"options" is 3 bytes, wanted a multiple',
    },
    {
      field: "options",
      value: new Uint8Array(44),
      type: RangeError,
      message: '"options" is 44 bytes, wanted a multiple',
    },
    {
      field: "options",
      value: [1, 1, 1, 1],
      type: TypeError,
      message: '"options" is of type object, wanted a Uint8Array',
    },
    { field: "payloadLength", value: 65516, type: RangeError, message: '"payloadLength" is 65516, wanted an integer' },
    { field: "payloadLength", value: undefined, type: TypeError, message: '"payloadLength" is undefined, wanted an' },
  ])("refuses bad fields and writes nothing: $message", ({ field, value, type, message }) => {
    const target = dirty(64);
    const write = () => writeIPv4(target, { ...header, payloadLength: 0, [field]: value });
    expect(write).toThrow(type);
    expect(write).toThrow(message);
    expect(target).toEqual(dirty(64));
  });

  test("refuses a target that is too short, and writes nothing", () => {
    const target = dirty(23);
    expect(() => writeIPv4(target, { ...header, options: new Uint8Array(4), payloadLength: 0 })).toThrow(
      new RangeError('"target" is 23 bytes, wanted at least 24'),
    );
    expect(target).toEqual(dirty(23));
  });
});

describe("buildIPv4()", () => {
  test("takes a parsed packet, and cuts its padding off", () => {
    const padded = dirty(64);
    padded.set(request);
    expect(buildIPv4(parseIPv4(padded))).toEqual(request);
    expect(buildIPv4(parseIPv4(withOptions))).toEqual(withOptions);
  });

  test("takes the longest payload, and none longer", () => {
    const options = new Uint8Array(4);
    const packet = buildIPv4({ ...header, options, payload: new Uint8Array(65511) });
    expect(parseIPv4(packet)).toMatchObject({ totalLength: 65535, checksumIsValid: true });
    expect(() => buildIPv4({ ...header, options, payload: new Uint8Array(65512) })).toThrow(
      new RangeError('"payload" is 65512 bytes, wanted at most 65511'),
    );
  });

  test("refuses a payload that is not bytes", () => {
    expect(() => buildIPv4({ ...header, payload: undefined as never })).toThrow(TypeError);
  });
});
