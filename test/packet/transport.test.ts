/** UDP and TCP where the properties and the captured traffic show nothing: refusals, writing in place, options one by one. */
import { describe, expect, test } from "bun:test";
import * as packet from "../../src/packet/index.ts";
import { dirty, hex, readAll } from "./support.ts";

const { buildTcp, buildUdp, PacketError, parseTcp, parseUdp, TcpFlag, writeTcp, writeUdp } = packet;
const ends = { source: "192.0.2.1", destination: "192.0.2.2" };
const data = hex("010203");
const udp = { ...ends, sourcePort: 1, destinationPort: 2, payload: data };
const tcp = { ...ends, sourcePort: 1, destinationPort: 2, sequence: 3, flags: TcpFlag.SYN, payload: data };

describe("parseUdp()", () => {
  test("reads every field; what is behind the length does not belong to it", () => {
    const bytes = hex("10e1 829a 000b 1234 010203 a5a5");
    expect(readAll(parseUdp(bytes), bytes)).toEqual({
      sourcePort: 4321,
      destinationPort: 33434,
      length: 11,
      checksum: 0x1234,
      payload: [1, 2, 3],
    });
  });

  test.each([
    ["10e1829a000b12", 7, "found 7 bytes, wanted at least 8"],
    ["10e1829a000712340102", 4, "found length 7, wanted at least 8"],
    ["10e1829a000012340102", 4, "found length 0, wanted at least 8"],
    ["10e1829a000b12340102", 4, "found length 11, wanted at most the 10 bytes in hand"],
  ])("refuses %s", (bytes, offset, message) => {
    expect(() => parseUdp(hex(bytes))).toThrow(PacketError);
    expect(() => parseUdp(hex(bytes))).toThrow(message);
    expect(() => parseUdp(hex(bytes))).toThrow(expect.objectContaining({ protocol: "UDP", offset }));
  });
});

describe("writeUdp()", () => {
  test("writes every byte of the datagram and no other, and takes a payload that it writes over", () => {
    const target = dirty(13);
    expect(writeUdp(target, udp)).toBe(11);
    expect(target.subarray(0, 11)).toEqual(buildUdp(udp));
    expect(target.subarray(11)).toEqual(hex("a5a5"));
    target.set(data, 0);
    writeUdp(target, { ...udp, payload: target.subarray(0, 3) });
    expect(target.subarray(0, 11)).toEqual(buildUdp(udp));
  });

  test.each([
    { wrong: { sourcePort: 65536 }, message: '"sourcePort" is 65536' },
    { wrong: { destinationPort: "80" as never }, message: '"destinationPort" is "80", wanted an integer' },
    { wrong: { source: "2001:db8::1" }, message: '"destination" is "192.0.2.2", wanted an address of IPv6' },
    { wrong: { payload: "text" as never }, message: '"payload" is "text", wanted a Uint8Array' },
    { wrong: { payload: new Uint8Array(65528) }, message: '"payload" is 65528 bytes, wanted at most 65527' },
  ])("refuses bad fields and writes nothing: $message", ({ wrong, message }) => {
    const target = dirty(20);
    expect(() => writeUdp(target, { ...udp, ...wrong })).toThrow(message);
    expect(target).toEqual(dirty(20));
    expect(() => buildUdp({ ...udp, ...wrong })).toThrow(message);
  });

  test("refuses a target that is too short", () => {
    expect(() => writeUdp(dirty(10), udp)).toThrow('"target" is 10 bytes, wanted at least 11');
  });
});

describe("parseTcp()", () => {
  test.each([
    ["00".repeat(19), 19, "found 19 bytes, wanted at least 20"],
    [`${"00".repeat(12)}40${"00".repeat(7)}`, 12, "found header length 16, wanted 20 to the 20 bytes in hand"],
    [`${"00".repeat(12)}60${"00".repeat(7)}`, 12, "found header length 24, wanted 20 to the 20 bytes in hand"],
  ])("refuses %s", (bytes, offset, message) => {
    expect(() => parseTcp(hex(bytes))).toThrow(PacketError);
    expect(() => parseTcp(hex(bytes))).toThrow(message);
    expect(() => parseTcp(hex(bytes))).toThrow(expect.objectContaining({ protocol: "TCP", offset }));
  });

  const unknown = (number: number, hexadecimal: string) => ({ kind: "unknown", number, data: hex(hexadecimal) });
  test.each([
    { options: "01010101", want: [{ kind: "nop" }, { kind: "nop" }, { kind: "nop" }, { kind: "nop" }] },
    { options: "020405b4", want: [{ kind: "mss", mss: 1460 }] },
    { options: "0303070000000000", want: [{ kind: "windowScale", shift: 7 }, { kind: "end" }] },
    { options: "04020000", want: [{ kind: "sackPermitted" }, { kind: "end" }] },
    {
      options: "0101050a 80000000 ffffffff",
      want: [{ kind: "nop" }, { kind: "nop" }, { kind: "sack", blocks: [{ start: 2 ** 31, end: 2 ** 32 - 1 }] }],
    },
    {
      options: "080affffffff00000001 0101",
      want: [{ kind: "timestamps", value: 2 ** 32 - 1, echoReply: 1 }, { kind: "nop" }, { kind: "nop" }],
    },
    // Lengths that are not the option's own: Linux does not take them for it either (net/ipv4/tcp_input.c).
    { options: "02030500", want: [unknown(2, "05"), { kind: "end" }] },
    { options: "05060102 03040000", want: [unknown(5, "01020304"), { kind: "end" }] },
    { options: "05020000", want: [unknown(5, ""), { kind: "end" }] },
    { options: "fd041234", want: [unknown(253, "1234")] },
    // What cannot be read.
    { options: "01020100", want: [{ kind: "nop" }, { kind: "malformed", data: hex("020100") }] },
    { options: "02000000", want: [{ kind: "malformed", data: hex("02000000") }] },
    { options: "020505b4", want: [{ kind: "malformed", data: hex("020505b4") }] },
    {
      options: "01010108",
      want: [{ kind: "nop" }, { kind: "nop" }, { kind: "nop" }, { kind: "malformed", data: hex("08") }],
    },
  ])("reads the options $options, and buildTcp() writes them", ({ options, want }) => {
    const wire = hex(options);
    const header = hex(`0001 0002 00000003 00000004 ${(5 + wire.length / 4).toString(16)}010 0005 0000 0000`);
    const bytes = Uint8Array.from([...header, ...wire, 0xa5]);
    const segment = parseTcp(bytes);
    expect(segment.options).toEqual(want as never);
    expect([...segment.payload]).toEqual([0xa5]);
    const built = buildTcp({ ...tcp, options: segment.options, payload: new Uint8Array(0) });
    // Padding beyond the last word is not kept.
    expect(built.subarray(20).toHex()).toBe(wire.toHex().slice(0, 2 * (built.length - 20)));
    expect(/^0*$/.test(wire.toHex().slice(2 * (built.length - 20)))).toBe(true);
  });
});

describe("writeTcp()", () => {
  test("writes every byte of the segment and no other, and takes a payload that it writes over", () => {
    const options: packet.TcpOption[] = [
      { kind: "mss", mss: 1400 },
      { kind: "windowScale", shift: 2 },
    ];
    const target = dirty(33);
    expect(writeTcp(target, { ...tcp, options })).toBe(31);
    expect(target.subarray(0, 31)).toEqual(buildTcp({ ...tcp, options }));
    expect(target.subarray(31)).toEqual(hex("a5a5"));
    target.set(data, 0);
    writeTcp(target, { ...tcp, options, payload: target.subarray(0, 3) });
    expect(target.subarray(0, 31)).toEqual(buildTcp({ ...tcp, options }));
  });

  test("has defaults for what a segment seldom needs", () => {
    expect(parseTcp(buildTcp({ ...ends, sourcePort: 1, destinationPort: 2, sequence: 3, flags: 0 }))).toMatchObject({
      acknowledgment: 0,
      window: 65535,
      urgentPointer: 0,
      options: [],
    });
  });

  test.each([
    { wrong: { sequence: 2 ** 32 }, message: '"sequence" is 4294967296, wanted an integer from 0 to 4294967295' },
    { wrong: { acknowledgment: -1 }, message: '"acknowledgment" is -1' },
    { wrong: { flags: 0x1000 }, message: '"flags" is 4096, wanted an integer from 0 to 4095' },
    { wrong: { flags: { syn: true } as never }, message: '"flags" is of type object' },
    { wrong: { window: 65536 }, message: '"window" is 65536' },
    { wrong: { urgentPointer: 0.5 }, message: '"urgentPointer" is 0.5' },
    { wrong: { options: {} as never }, message: '"options" is of type object, wanted an array of TCP options' },
    { wrong: { options: [{ kind: "mss", mss: 65536 }] as const }, message: '"mss" is 65536' },
    { wrong: { options: [{ kind: "windowScale", shift: 256 }] as const }, message: '"shift" is 256' },
    {
      wrong: { options: [{ kind: "sack", blocks: [] }] as never },
      message: '"blocks.length" is 0, wanted an integer from 1 to 4',
    },
    {
      wrong: { options: [{ kind: "unknown", number: 1, data }] as const },
      message: '"number" is 1, wanted an integer from 2 to 255',
    },
    {
      wrong: { options: [{ kind: "unknown", number: 9, data: new Uint8Array(39) }] as const },
      message: '"data" is 39 bytes, wanted at most 38',
    },
    {
      wrong: { options: new Array(11).fill({ kind: "mss", mss: 1 }) },
      message: '"options" is 44, wanted at most 40 bytes in all',
    },
    {
      wrong: { options: [{ kind: "cookie" }] as never },
      message: '"kind" is "cookie", wanted the kind of a TCP option',
    },
  ])("refuses bad fields and writes nothing: $message", ({ wrong, message }) => {
    const target = dirty(80);
    expect(() => writeTcp(target, { ...tcp, ...wrong })).toThrow(message);
    expect(target).toEqual(dirty(80));
  });

  test("refuses a target that is too short", () => {
    expect(() => writeTcp(dirty(22), tcp)).toThrow('"target" is 22 bytes, wanted at least 23');
  });
});
