import { describe, expect, test } from "bun:test";
import { ArpOperation, buildArp, PacketError, parseArp, writeArp } from "../../src/packet/index.ts";
import { captured, dirty, hex, readAll } from "./support.ts";

const request = captured.arpRequest.subarray(14);
const reply = captured.arpReply.subarray(14);
const replyFields = {
  operation: ArpOperation.REPLY,
  senderMac: "02:00:5e:00:53:02",
  senderIPv4: "192.0.2.2",
  targetMac: "02:00:5e:00:53:01",
  targetIPv4: "192.0.2.1",
};

function withByte(offset: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = reply.slice();
  bytes[offset] = value;
  return bytes;
}

describe("parseArp()", () => {
  test("reads a captured reply", () => {
    expect(readAll(parseArp(reply), reply)).toEqual({
      ...replyFields,
      senderMacBytes: [0x02, 0, 0x5e, 0, 0x53, 0x02],
      senderIPv4Bytes: [192, 0, 2, 2],
      targetMacBytes: [0x02, 0, 0x5e, 0, 0x53, 0x01],
      targetIPv4Bytes: [192, 0, 2, 1],
    });
  });

  test("reads a captured request", () => {
    const { operation, targetMac, targetIPv4 } = parseArp(request);
    expect({ operation, targetMac, targetIPv4 }).toEqual({
      operation: ArpOperation.REQUEST,
      targetMac: "00:00:00:00:00:00",
      targetIPv4: "192.0.2.2",
    });
  });

  test("ignores the padding of a short frame", () => {
    const padded = dirty(46);
    padded.set(request);
    expect(buildArp(parseArp(padded))).toEqual(request);
  });

  test.each([
    { name: "nothing", bytes: new Uint8Array(0), offset: 0, message: "at byte 0: found 0 bytes, wanted at least 28" },
    { name: "27 bytes", bytes: reply.subarray(0, 27), offset: 27, message: "found 27 bytes, wanted at least 28" },
    { name: "another hardware", bytes: withByte(1, 6), offset: 0, message: "found hardware type 6, wanted 1" },
    { name: "another protocol", bytes: withByte(3, 1), offset: 2, message: "found protocol type 2049, wanted 2048" },
    { name: "long MACs", bytes: withByte(4, 8), offset: 4, message: "found hardware address length 8, wanted 6" },
    {
      name: "long addresses",
      bytes: withByte(5, 16),
      offset: 5,
      message: "found protocol address length 16, wanted 4",
    },
  ])("refuses $name", ({ bytes, offset, message }) => {
    const parse = () => parseArp(bytes);
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "ARP", offset }));
  });

  test("refuses what is not a Uint8Array", () => {
    expect(() => parseArp(undefined as never)).toThrow(TypeError);
  });
});

describe("writeArp()", () => {
  test("writes every byte of the message and no other", () => {
    const target = dirty(30);
    expect(writeArp(target, replyFields)).toBe(28);
    expect(target.subarray(0, 28)).toEqual(reply);
    expect(target.subarray(28)).toEqual(hex("a5a5"));
  });

  test("takes addresses as bytes, and the highest of them", () => {
    const target = dirty(28);
    const mac = hex("ffffffffffff");
    const ipv4 = hex("ffffffff");
    writeArp(target, { operation: 0xffff, senderMac: mac, senderIPv4: ipv4, targetMac: mac, targetIPv4: ipv4 });
    expect(target).toEqual(hex(`0001 0800 06 04 ffff ${"ff".repeat(20)}`));
  });

  test("writes a reply over the request that it answers", () => {
    const bytes = request.slice();
    const asked = parseArp(bytes);
    writeArp(bytes, {
      operation: ArpOperation.REPLY,
      senderMac: "02:00:5e:00:53:02",
      senderIPv4: asked.targetIPv4Bytes,
      targetMac: asked.senderMacBytes,
      targetIPv4: asked.senderIPv4Bytes,
    });
    expect(bytes).toEqual(reply);
  });

  test.each([
    {
      field: "operation",
      value: -1,
      type: RangeError,
      message: '"operation" is -1, wanted an integer from 0 to 65535',
    },
    { field: "operation", value: 1n, type: TypeError, message: '"operation" is of type bigint, wanted an integer' },
    { field: "senderMac", value: "02-00-5e-00-53-01", type: RangeError, message: '"senderMac" is "02-00' },
    {
      field: "senderIPv4",
      value: "192.0.2.256",
      type: RangeError,
      message: '"senderIPv4" is "192.0.2.256", wanted an',
    },
    { field: "targetMac", value: null, type: TypeError, message: '"targetMac" is null, wanted a MAC address' },
    {
      field: "targetIPv4",
      value: new Uint8Array(16),
      type: RangeError,
      message: '"targetIPv4" is 16 bytes, wanted an',
    },
    { field: "targetIPv4", value: 0xc0000201, type: TypeError, message: '"targetIPv4" is 3221225985, wanted an IPv4' },
  ])("refuses bad fields and writes nothing: $message", ({ field, value, type, message }) => {
    const target = dirty(28);
    const write = () => writeArp(target, { ...replyFields, [field]: value });
    expect(write).toThrow(type);
    expect(write).toThrow(message);
    expect(target).toEqual(dirty(28));
  });

  test("refuses a target that is too short, and writes nothing", () => {
    const target = dirty(27);
    expect(() => writeArp(target, replyFields)).toThrow(new RangeError('"target" is 27 bytes, wanted at least 28'));
    expect(target).toEqual(dirty(27));
  });
});

describe("buildArp()", () => {
  test("makes the captured messages", () => {
    expect(buildArp(replyFields)).toEqual(reply);
    expect(buildArp(parseArp(request))).toEqual(request);
  });
});
