import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Attribute,
  decodeAcknowledgement,
  decodeAttributes,
  decodeMessages,
  decodeString,
  decodeU32,
  encodeAttributes,
  encodeMessage,
  encodeString,
  encodeU32,
  type Message,
  NetlinkFormatError,
} from "../../src/netlink/message.ts";
import { failureOf, hex, surround, thrownBy } from "../support/programs.ts";

/** NLMSG_ERROR, include/uapi/linux/netlink.h. */
const ERROR = 2;
/** NLM_F_CAPPED, NLM_F_ACK_TLVS. */
const [CAPPED, TLVS] = [0x100, 0x200];

const attribute = fc.record<Attribute>({
  type: fc.nat(0x3fff),
  value: fc.uint8Array({ maxLength: 70 }),
});
const message = fc.record<Message>({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  sequence: fc.nat(0xffff_ffff),
  body: fc.uint8Array({ maxLength: 70 }),
});

describe("encodeMessage()", () => {
  test("writes struct nlmsghdr, the body and the attributes, each at a multiple of 4", () => {
    const attributes = [
      { type: 3, value: hex("74 75 6e 30 00") },
      { type: 4, value: hex("dc 05 00 00") },
    ];
    const bytes = encodeMessage({ type: 16, flags: 5, sequence: 0x01020304 }, hex("00 aa bb cc dd ee"), attributes);
    expect(bytes.toHex()).toBe(
      hex(`2c000000 1000 0500 04030201 00000000
        00aabbccddee 0000
        0900 0300 74756e3000 000000
        0800 0400 dc050000`).toHex(),
    );
  });

  test("writes a header alone for an empty body", () => {
    expect(encodeMessage({ type: 0xffff, flags: 0xffff, sequence: 0xffff_ffff }, new Uint8Array(0)).toHex()).toBe(
      hex("10000000 ffff ffff ffffffff 00000000").toHex(),
    );
  });

  test("is read back by decodeMessages()", () => {
    fc.assert(
      fc.property(message, fc.array(attribute, { maxLength: 4 }), ({ body, ...head }, attributes) => {
        const bytes = encodeMessage(head, body, attributes);
        expect(bytes.length % 4).toBe(0);
        const [decoded, ...more] = decodeMessages(surround(bytes));
        expect(more).toEqual([]);
        expect(decoded).toMatchObject(head);
        expect(decoded?.body.subarray(0, body.length)).toEqual(body);
        const offset = (body.length + 3) & ~3;
        const last = new Map(attributes.map(({ type, value }) => [type, value]));
        expect(decodeAttributes(decoded?.body as Uint8Array, offset)).toEqual(last);
      }),
    );
  });
});

describe("decodeMessages()", () => {
  test("reads messages one behind the other, the last perhaps without padding", () => {
    const bytes = hex(`11000000 0200 0000 01000000 07000000 aa 000000
      12000000 0300 0200 02000000 00000000 bbcc`);
    expect(decodeMessages(surround(bytes))).toEqual([
      { type: 2, flags: 0, sequence: 1, body: hex("aa") },
      { type: 3, flags: 2, sequence: 2, body: hex("bbcc") },
    ]);
  });

  test("gives views, not copies", () => {
    const bytes = surround(encodeMessage({ type: 1, flags: 0, sequence: 0 }, hex("01020304")));
    const [decoded] = decodeMessages(bytes);
    expect(decoded?.body.buffer).toBe(bytes.buffer);
    expect(decoded?.body.byteOffset).toBe(bytes.byteOffset + 16);
  });

  test("reads nothing from nothing", () => {
    expect(decodeMessages(new Uint8Array(0))).toEqual([]);
  });

  test.each([
    { name: "a header cut short", bytes: "10000000 0200 0000 01000000 000000", offset: 0 },
    { name: "one byte", bytes: "10", offset: 0 },
    { name: "a length of zero", bytes: "00000000 0200 0000 01000000 00000000", offset: 0 },
    { name: "a length less than the header's", bytes: "0f000000 0200 0000 01000000 00000000", offset: 0 },
    { name: "a length beyond the end", bytes: "11000000 0200 0000 01000000 00000000", offset: 0 },
    { name: "a length of 2^31", bytes: "00000080 0200 0000 01000000 00000000", offset: 0 },
    { name: "a length of 2^32 - 1", bytes: "ffffffff 0200 0000 01000000 00000000", offset: 0 },
    { name: "rest behind a message", bytes: "10000000 0200 0000 01000000 00000000 00000000", offset: 16 },
  ])("throws a NetlinkFormatError for $name", ({ bytes, offset }) => {
    const error = thrownBy(() => decodeMessages(surround(hex(bytes), 0)));
    expect(error).toBeInstanceOf(NetlinkFormatError);
    expect(error).toMatchObject({
      name: "NetlinkFormatError",
      offset,
      message: `Malformed netlink message at byte ${offset}`,
    });
  });
});

describe("encodeAttributes() and decodeAttributes()", () => {
  test("write and read struct nlattr: length with header, type, value, padding", () => {
    const attributes = [
      { type: 1, value: hex("02005e005301") },
      { type: 2, value: new Uint8Array(0) },
    ];
    const bytes = hex("0a00 0100 02005e005301 0000 0400 0200");
    expect(encodeAttributes(attributes)).toEqual(bytes);
    expect(decodeAttributes(surround(bytes))).toEqual(new Map(attributes.map(({ type, value }) => [type, value])));
  });

  test("drop the flags NLA_F_NESTED and NLA_F_NET_BYTEORDER from the type", () => {
    expect([...decodeAttributes(hex("0400 1280 0400 0140 0400 03c0")).keys()]).toEqual([0x12, 1, 3]);
  });

  test("let the last of a repeated attribute count", () => {
    expect(decodeAttributes(hex("0500 0100 aa 000000 0500 0100 bb")).get(1)).toEqual(hex("bb"));
  });

  test("read from an offset on, and nothing behind the end", () => {
    expect(decodeAttributes(hex("ffffffff 0400 0100"), 4).size).toBe(1);
    expect(decodeAttributes(hex("ffffffff"), 4).size).toBe(0);
    expect(decodeAttributes(hex("ffffffff"), 8).size).toBe(0);
  });

  test.each([
    { name: "a length of zero", bytes: "0000 0100", offset: 0 },
    { name: "a length less than the header's", bytes: "0300 0100", offset: 0 },
    { name: "a length beyond the end", bytes: "0500 0100", offset: 0 },
    { name: "a header cut short", bytes: "0400 01", offset: 0 },
    { name: "rest behind an attribute", bytes: "0400 0100 0400", offset: 4 },
  ])("throw a NetlinkFormatError for $name", ({ bytes, offset }) => {
    const error = thrownBy(() => decodeAttributes(surround(hex(bytes), 0)));
    expect(error).toBeInstanceOf(NetlinkFormatError);
    expect(error).toMatchObject({ offset, message: `Malformed netlink attribute at byte ${offset}` });
  });

  test("give back what was written, of any type of 14 bits", () => {
    fc.assert(
      fc.property(fc.uniqueArray(attribute, { selector: ({ type }) => type, maxLength: 6 }), (attributes) => {
        const decoded = decodeAttributes(surround(encodeAttributes(attributes)));
        expect([...decoded]).toEqual(attributes.map(({ type, value }) => [type, value]));
      }),
    );
  });
});

describe("decodeAcknowledgement()", () => {
  const ack = (body: string, flags = 0, type = ERROR): Message => ({ type, flags, sequence: 1, body: hex(body) });
  const request = "14000000 1000 0500 01000000 00000000";
  const words = "0c00 0100 6261642069640000";

  test.each([
    { name: "success", message: ack(`00000000 ${request}`), errno: 0, text: undefined },
    { name: "an errno", message: ack(`eaffffff ${request} 01020304`), errno: -22, text: undefined },
    {
      name: "an errno with the kernel's words behind the whole request",
      message: ack(`eaffffff ${request} 01020304 ${words}`, TLVS),
      errno: -22,
      text: "bad id",
    },
    {
      name: "an errno with the kernel's words behind the request's header",
      message: ack(`ffffffff ${request} ${words}`, TLVS | CAPPED),
      errno: -1,
      text: "bad id",
    },
    {
      name: "attributes without words",
      message: ack(`ffffffff ${request} 0800 0200 04000000`, TLVS | CAPPED),
      errno: -1,
    },
    { name: "no attributes although announced", message: ack(`ffffffff ${request}`, TLVS | CAPPED), errno: -1 },
  ])("reads $name", ({ message, errno, text }) => {
    expect(decodeAcknowledgement(message)).toEqual({ errno, text });
  });

  test("reads words behind a request whose length is no multiple of 4", () => {
    const odd = "15000000 1000 0500 01000000 00000000 0102030405 000000";
    expect(decodeAcknowledgement(ack(`eaffffff ${odd} ${words}`, TLVS)).text).toBe("bad id");
  });

  test.each([
    { name: "another type", message: ack(`00000000 ${request}`, 0, 3) },
    { name: "a body without request", message: ack("00000000") },
    { name: "a request cut short", message: ack("00000000 14000000 1000 0500 01000000 000000") },
    { name: "malformed attributes", message: ack(`ffffffff ${request} 0000 0000`, TLVS | CAPPED) },
  ])("throws a NetlinkFormatError for $name", ({ message }) => {
    expect(thrownBy(() => decodeAcknowledgement(message))).toBeInstanceOf(NetlinkFormatError);
  });

  test.each([
    { name: "a request length of 2^31", message: ack(`ffffffff 00000080 ${request.slice(9)}`, TLVS) },
    { name: "a request length of 2^32 - 16", message: ack(`ffffffff f0ffffff ${request.slice(9)}`, TLVS) },
  ])("throws a NetlinkFormatError for $name, or finds no words in it", ({ message }) => {
    let outcome: unknown;
    try {
      outcome = decodeAcknowledgement(message).text;
    } catch (error) {
      outcome = (error as Error).constructor.name;
    }
    expect(outcome).toBeOneOf([undefined, "NetlinkFormatError"]);
  });
});

describe("values", () => {
  test("decodeU32() reads what encodeU32() wrote, little end first", () => {
    expect(encodeU32(0x80000201)).toEqual(hex("01020080"));
    fc.assert(fc.property(fc.nat(0xffff_ffff), (value) => expect(decodeU32(surround(encodeU32(value)))).toBe(value)));
  });

  test.each([0, 1, 3, 5, 8])("decodeU32() throws a NetlinkFormatError for %d bytes", (length) => {
    expect(failureOf(() => decodeU32(new Uint8Array(length)))).toEqual({
      kind: "NetlinkFormatError",
      message: `A 32-bit value has 4 bytes, not ${length}, at byte 0`,
    });
  });

  test("decodeString() reads what encodeString() wrote, and stops at the first NUL", () => {
    expect(encodeString("tun0")).toEqual(hex("74756e3000"));
    expect(decodeString(hex("74756e300041"))).toBe("tun0");
    expect(decodeString(hex("74756e30"))).toBe("tun0");
    expect(decodeString(new Uint8Array(0))).toBe("");
    const text = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0") && text.isWellFormed());
    fc.assert(fc.property(text, (text) => expect(decodeString(surround(encodeString(text), 0x41))).toBe(text)));
  });
});
