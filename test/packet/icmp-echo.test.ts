import { describe, expect, test } from "bun:test";
import { buildIcmpEcho, IcmpType, PacketError, parseIcmpEcho, writeIcmpEcho } from "../../src/packet/index.ts";
import { captured, dirty, hex, readAll } from "./support.ts";

const request = captured.echoRequest.subarray(34);
const reply = captured.echoReply.subarray(34);
const odd = captured.echoRequestRecordRoute.subarray(74);

function withByte(offset: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = request.slice();
  bytes[offset] = value;
  return bytes;
}

describe("parseIcmpEcho()", () => {
  test("reads a captured request", () => {
    expect(readAll(parseIcmpEcho(request), request)).toEqual({
      type: IcmpType.ECHO_REQUEST,
      checksum: 0x1838,
      checksumIsValid: true,
      identifier: 0x1e73,
      sequenceNumber: 1,
      payload: [...request.subarray(8)],
    });
  });

  test("reads a captured request with an odd length", () => {
    expect(odd).toHaveLength(11);
    expect(parseIcmpEcho(odd)).toMatchObject({ checksum: 0xd789, checksumIsValid: true });
    expect([...parseIcmpEcho(odd).payload]).toEqual([0, 1, 2]);
  });

  test("reads a captured reply", () => {
    expect(parseIcmpEcho(reply)).toMatchObject({
      type: IcmpType.ECHO_REPLY,
      identifier: 0x1e73,
      checksumIsValid: true,
    });
  });

  test("takes a message without a payload", () => {
    const message = parseIcmpEcho(hex("0000 ffff 0000 0000"));
    expect(message.payload).toHaveLength(0);
    expect(message.checksumIsValid).toBe(true);
  });

  test("takes a wrong checksum, and says so, wherever the error is", () => {
    for (const offset of [2, 3, 5, 23]) {
      expect(parseIcmpEcho(withByte(offset, 0x5a)).checksumIsValid).toBe(false);
    }
  });

  test.each([
    { name: "nothing", bytes: new Uint8Array(0), offset: 0, message: "at byte 0: found 0 bytes, wanted at least 8" },
    { name: "7 bytes", bytes: request.subarray(0, 7), offset: 7, message: "found 7 bytes, wanted at least 8" },
    { name: "destination unreachable", bytes: withByte(0, 3), offset: 0, message: "found type 3, wanted 8 (echo" },
    { name: "a code", bytes: withByte(1, 9), offset: 1, message: "found code 9, wanted 0" },
  ])("refuses $name", ({ bytes, offset, message }) => {
    const parse = () => parseIcmpEcho(bytes);
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "ICMP echo", offset }));
  });

  test("refuses what is not a Uint8Array", () => {
    expect(() => parseIcmpEcho("08" as never)).toThrow(TypeError);
  });
});

describe("writeIcmpEcho()", () => {
  const fields = { type: IcmpType.ECHO_REQUEST, identifier: 0x1e73, sequenceNumber: 1, payload: request.subarray(8) };

  test("writes every byte of the message and no other", () => {
    const target = dirty(26);
    expect(writeIcmpEcho(target, fields)).toBe(24);
    expect(target.subarray(0, 24)).toEqual(request);
    expect(target.subarray(24)).toEqual(hex("a5a5"));
  });

  test("writes a message with an odd length, and one without a payload", () => {
    const target = dirty(12);
    expect(writeIcmpEcho(target, { ...fields, identifier: 0x1e74, payload: hex("000102") })).toBe(11);
    expect(target).toEqual(hex("0800d7891e740001000102 a5"));
    expect(writeIcmpEcho(target, { type: 0, identifier: 0, sequenceNumber: 0, payload: new Uint8Array(0) })).toBe(8);
    expect(target).toEqual(hex("0000ffff00000000 000102 a5"));
  });

  test("writes a reply over the request that it answers", () => {
    const bytes = request.slice();
    const { identifier, sequenceNumber, payload } = parseIcmpEcho(bytes);
    writeIcmpEcho(bytes, { type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload });
    expect(bytes).toEqual(reply);
  });

  test("takes a payload that is a view of what it writes over", () => {
    const bytes = dirty(24);
    bytes.set(request.subarray(8));
    writeIcmpEcho(bytes, { ...fields, payload: bytes.subarray(0, 16) });
    expect(bytes).toEqual(request);
  });

  test.each([
    { field: "type", value: 3, type: RangeError, message: '"type" is 3, wanted IcmpType.ECHO_REQUEST (8) or' },
    { field: "type", value: "8", type: TypeError, message: '"type" is "8", wanted an integer from 0 to 255' },
    { field: "identifier", value: 65536, type: RangeError, message: '"identifier" is 65536, wanted an integer' },
    {
      field: "sequenceNumber",
      value: 65536,
      type: RangeError,
      message: '"sequenceNumber" is 65536, wanted an integer',
    },
    { field: "sequenceNumber", value: 0.5, type: RangeError, message: '"sequenceNumber" is 0.5, wanted an integer' },
    { field: "payload", value: undefined, type: TypeError, message: '"payload" is undefined, wanted a Uint8Array' },
  ])("refuses bad fields and writes nothing: $message", ({ field, value, type, message }) => {
    const target = dirty(64);
    const write = () => writeIcmpEcho(target, { ...fields, [field]: value });
    expect(write).toThrow(type);
    expect(write).toThrow(message);
    expect(target).toEqual(dirty(64));
  });

  test("refuses a target that is too short, and writes nothing", () => {
    const target = dirty(23);
    expect(() => writeIcmpEcho(target, fields)).toThrow(new RangeError('"target" is 23 bytes, wanted at least 24'));
    expect(target).toEqual(dirty(23));
  });
});

describe("buildIcmpEcho()", () => {
  test("takes a parsed message", () => {
    for (const bytes of [request, reply, odd]) expect(buildIcmpEcho(parseIcmpEcho(bytes))).toEqual(bytes);
  });

  test("refuses a payload that is not bytes", () => {
    const fields = { type: IcmpType.ECHO_REPLY, identifier: 1, sequenceNumber: 1, payload: "text" as never };
    expect(() => buildIcmpEcho(fields)).toThrow(new TypeError('"payload" is "text", wanted a Uint8Array'));
  });
});
