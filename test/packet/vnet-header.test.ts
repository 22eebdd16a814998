import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PacketError, parseVnetHeader, VNET_HEADER_LENGTH, writeVnetHeader } from "../../src/packet/index.ts";
import { dirty, hex, readAll, surround } from "./support.ts";

/** Headers of a Linux 6.18 kernel with the first bytes of their packets, out of test/io/offload/golden; ECN is added. */
const tcp4 = hex("01013400640014001000 450000");
const tcp6Ecn = hex("01844800640028001000 600000");
const udp = hex("01051c00640014000600 450000");

describe("parseVnetHeader()", () => {
  test("reads the header of a TCP super-packet, and views what is behind it", () => {
    expect(readAll(parseVnetHeader(tcp4), tcp4)).toEqual({
      needsChecksum: true,
      dataValid: false,
      gsoType: "tcp4",
      ecn: false,
      headerLength: 52,
      gsoSize: 100,
      checksumStart: 20,
      checksumOffset: 16,
      packet: [0x45, 0, 0],
    });
  });

  test("tells the kinds apart", () => {
    expect(parseVnetHeader(tcp6Ecn)).toMatchObject({ gsoType: "tcp6", ecn: true, gsoSize: 100, checksumStart: 40 });
    expect(parseVnetHeader(udp)).toMatchObject({ gsoType: "udp", ecn: false, gsoSize: 100, checksumOffset: 6 });
    expect(parseVnetHeader(new Uint8Array(10))).toMatchObject({ gsoType: "none", needsChecksum: false });
    expect(parseVnetHeader(hex("02000000000000000000"))).toMatchObject({ dataValid: true, needsChecksum: false });
  });

  test("takes a header with nothing behind it", () => {
    expect(parseVnetHeader(tcp4.subarray(0, VNET_HEADER_LENGTH)).packet).toHaveLength(0);
  });

  test.each([
    { name: "nothing", bytes: "", offset: 0, message: "at byte 0: found 0 bytes, wanted at least 10" },
    { name: "9 bytes", bytes: "010134000000000000", offset: 9, message: "found 9 bytes, wanted at least 10" },
    { name: "UFO", bytes: "01030000000000000000", offset: 1, message: "found GSO type 3, wanted 0, 1, 4, 5" },
    { name: "a tunnel", bytes: "01210000000000000000", offset: 1, message: "found GSO type 33" },
    { name: "ECN without TCP", bytes: "01800000000000000000", offset: 1, message: "found GSO type 128" },
    { name: "ECN with UDP", bytes: "01850000000000000000", offset: 1, message: "found GSO type 133" },
  ])("refuses $name", ({ bytes, offset, message }) => {
    const parse = () => parseVnetHeader(hex(bytes));
    expect(parse).toThrow(PacketError);
    expect(parse).toThrow(`Cannot parse virtio-net header`);
    expect(parse).toThrow(message);
    expect(parse).toThrow(expect.objectContaining({ protocol: "virtio-net header", offset }));
  });

  test("refuses what is not bytes", () => {
    expect(() => parseVnetHeader("text" as never)).toThrow(new TypeError('"frame" is "text", wanted a Uint8Array'));
  });

  test("gives a view or a PacketError for any bytes, and never looks outside of them", () => {
    const outcome = (bytes: Uint8Array): unknown => {
      try {
        return readAll(parseVnetHeader(bytes), bytes);
      } catch (error) {
        if (!(error instanceof PacketError)) throw error;
        return error.message;
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        expect(outcome(surround(bytes, 0xff))).toEqual(outcome(surround(bytes, 0x00)));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("writeVnetHeader()", () => {
  test("writes ten bytes at the offset, and no other", () => {
    const target = dirty(14);
    const fields = { needsChecksum: true, gsoType: "udp", headerLength: 28, gsoSize: 1200 } as const;
    expect(writeVnetHeader(target, { ...fields, checksumStart: 20, checksumOffset: 6 }, 2)).toBe(10);
    expect(target).toEqual(hex("a5a5 01051c00b00414000600 a5a5"));
  });

  test("asks for nothing where nothing is given", () => {
    const target = dirty(10);
    writeVnetHeader(target);
    expect(target).toEqual(new Uint8Array(10));
  });

  test.each([
    { field: "gsoType", value: "ufo", type: RangeError, message: '"gsoType" is "ufo", wanted "none", "tcp4", "tcp6"' },
    { field: "gsoType", value: "toString", type: RangeError, message: '"gsoType" is "toString"' },
    { field: "gsoType", value: 1, type: TypeError, message: '"gsoType" is 1, wanted "none"' },
    { field: "ecn", value: true, type: RangeError, message: '"gsoType" is "udp", wanted "tcp4" or "tcp6" with "ecn"' },
    { field: "needsChecksum", value: 1, type: TypeError, message: '"needsChecksum" is 1, wanted true or false' },
    { field: "dataValid", value: "no", type: TypeError, message: '"dataValid" is "no", wanted true or false' },
    { field: "headerLength", value: 65536, type: RangeError, message: '"headerLength" is 65536, wanted an integer' },
    { field: "gsoSize", value: -1, type: RangeError, message: '"gsoSize" is -1, wanted an integer from 0 to 65535' },
    { field: "checksumStart", value: 0.5, type: RangeError, message: '"checksumStart" is 0.5, wanted an integer' },
    { field: "checksumOffset", value: "6", type: TypeError, message: '"checksumOffset" is "6", wanted an integer' },
  ])("refuses bad fields and writes nothing: $message", ({ field, value, type, message }) => {
    const target = dirty(16);
    const write = () => writeVnetHeader(target, { gsoType: "udp", [field]: value });
    expect(write).toThrow(type);
    expect(write).toThrow(message);
    expect(target).toEqual(dirty(16));
  });

  test.each([
    { offset: 7, message: '"target" is 16 bytes, wanted at least 17' },
    { offset: -1, message: '"offset" is -1, wanted an integer from 0' },
    { offset: Number.NaN, message: '"offset" is NaN, wanted an integer' },
  ])("refuses an offset that leaves no room, and writes nothing: $offset", ({ offset, message }) => {
    const target = dirty(16);
    expect(() => writeVnetHeader(target, {}, offset)).toThrow(message);
    expect(target).toEqual(dirty(16));
  });

  test("what it writes, parseVnetHeader() reads; and what that reads, it writes again", () => {
    const uint16 = fc.integer({ min: 0, max: 0xffff });
    const kind = fc.constantFrom(
      ...(["none", "tcp4", "tcp6", "udp"] as const).map((gsoType) => ({ gsoType, ecn: false })),
      ...(["tcp4", "tcp6"] as const).map((gsoType) => ({ gsoType, ecn: true })),
    );
    const numbers = { headerLength: uint16, gsoSize: uint16, checksumStart: uint16, checksumOffset: uint16 };
    const flags = fc.record({ needsChecksum: fc.boolean(), dataValid: fc.boolean(), ...numbers });
    fc.assert(
      fc.property(kind, flags, fc.nat(40), (kind, flags, offset) => {
        const fields = { ...kind, ...flags };
        const target = dirty(60);
        writeVnetHeader(target, fields, offset);
        const view = parseVnetHeader(target.subarray(offset));
        const { packet, ...read } = readAll(view, target);
        expect(read).toEqual(fields);
        expect(packet).toEqual([...target.subarray(offset + 10)]);
        const again = dirty(60);
        writeVnetHeader(again, view, offset);
        expect(again).toEqual(target);
        expect([...again.subarray(0, offset), ...again.subarray(offset + 10)]).toEqual(Array(50).fill(0xa5));
      }),
      { numRuns: 500 },
    );
  });
});
