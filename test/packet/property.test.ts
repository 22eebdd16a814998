import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as packet from "../../src/packet/index.ts";
import { formatIPv6 } from "../../src/packet/ipv6-address.ts";
import { captured, readAll, referenceChecksum, surround } from "./support.ts";

const { EtherType, IcmpType, PacketError } = packet;

const uint8 = fc.integer({ min: 0, max: 0xff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const mac = bytesOf(6).map((bytes) => [...bytes].map((octet) => octet.toString(16).padStart(2, "0")).join(":"));
const ipv4 = bytesOf(4).map((bytes) => [...bytes].join("."));
const ipv6 = bytesOf(16).map((bytes) => formatIPv6(bytes, 0));
const tpid = fc.constantFrom(EtherType.VLAN, EtherType.SERVICE_VLAN);
const payload = fc.uint8Array({ maxLength: 80 });

const extensionTypes = [0, 43, 44, 51, 60];

const vlanTag = fc.record({
  tpid,
  pcp: fc.integer({ min: 0, max: 7 }),
  dei: fc.boolean(),
  vid: fc.integer({ min: 0, max: 0xfff }),
});
const ethernetFields = fc.record({
  destination: mac,
  source: mac,
  vlanTags: fc.array(vlanTag, { maxLength: 5 }),
  etherType: uint16.filter((type) => type !== EtherType.VLAN && type !== EtherType.SERVICE_VLAN),
  payload,
});
const arpFields = fc.record({ operation: uint16, senderMac: mac, senderIPv4: ipv4, targetMac: mac, targetIPv4: ipv4 });
const ipv4Fields = fc.record({
  dscp: fc.integer({ min: 0, max: 63 }),
  ecn: fc.integer({ min: 0, max: 3 }),
  identification: uint16,
  dontFragment: fc.boolean(),
  moreFragments: fc.boolean(),
  fragmentOffset: fc.integer({ min: 0, max: 8191 }).map((units) => units * 8),
  ttl: uint8,
  protocol: uint8,
  source: ipv4,
  destination: ipv4,
  options: fc.integer({ min: 0, max: 10 }).chain((words) => bytesOf(words * 4)),
  payload,
});
const ipv6Fields = fc.record({
  trafficClass: uint8,
  flowLabel: fc.integer({ min: 0, max: 0xfffff }),
  hopLimit: uint8,
  // No extension header, for the payload is no more than any bytes.
  nextHeader: uint8.filter((type) => !extensionTypes.includes(type)),
  source: ipv6,
  destination: ipv6,
  payload,
});
const icmpEchoFields = fc.record({
  type: fc.constantFrom(IcmpType.ECHO_REQUEST, IcmpType.ECHO_REPLY),
  identifier: uint16,
  sequenceNumber: uint16,
  payload,
});

// Well-formed bytes that no writer of ours made, so that a mistake common to both sides shows.
const ethernetBytes = fc
  .tuple(bytesOf(12), fc.array(fc.tuple(tpid, uint16), { maxLength: 4 }), uint16, payload)
  .filter(([, , type]) => type !== EtherType.VLAN && type !== EtherType.SERVICE_VLAN)
  .map(([addresses, tags, type, rest]) =>
    Uint8Array.from([...addresses, ...[...tags.flat(), type].flatMap((word) => [word >> 8, word & 0xff]), ...rest]),
  );
const arpBytes = bytesOf(22).map((rest) => Uint8Array.from([0, 1, 8, 0, 6, 4, ...rest]));
const ipv4Bytes = fc
  .integer({ min: 5, max: 15 })
  .chain((words) => fc.tuple(fc.constant(words), fc.uint8Array({ minLength: words * 4, maxLength: words * 4 + 60 })))
  .map(([words, bytes]) => {
    const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    header.setUint8(0, 0x40 | words);
    header.setUint16(2, bytes.length);
    // RFC 791: the first of the flags must be zero.
    header.setUint8(6, header.getUint8(6) & 0x7f);
    header.setUint16(10, 0);
    header.setUint16(10, referenceChecksum(bytes.subarray(0, words * 4)));
    return bytes;
  });
/** Extension headers that follow each other as they please, and what they lead to. */
const extensions = fc.array(fc.tuple(fc.constantFrom(...extensionTypes), fc.nat(3), bytesOf(40)), { maxLength: 4 });
const ipv6Bytes = fc
  .tuple(bytesOf(40), extensions, fc.constantFrom(6, 17, 58, 59, 200), payload)
  .map(([header, chain, last, rest]) => {
    const types = [...chain.map(([type]) => type), last];
    const links = chain.flatMap(([type, units, bytes], i) => {
      const length = type === 44 ? 8 : 8 * (units + 1);
      // RFC 4302 section 2.2: in words, minus two.
      const lengthField = type === 51 ? length / 4 - 2 : units;
      return [types[i + 1] as number, lengthField, ...bytes.subarray(2, length)];
    });
    const behind = Uint8Array.from([...links, ...rest]);
    header.set([0x60 | ((header[0] as number) & 0x0f)]);
    header.set([behind.length >> 8, behind.length & 0xff, types[0] as number], 4);
    return Uint8Array.from([...header, ...behind]);
  });
const icmpEchoBytes = fc
  .tuple(fc.constantFrom(0, 8), fc.uint8Array({ minLength: 8, maxLength: 80 }))
  .map(([type, bytes]) => {
    bytes.set([type, 0, 0, 0]);
    const sum = referenceChecksum(bytes);
    bytes.set([sum >> 8, sum & 0xff], 2);
    return bytes;
  });

interface Codec {
  name: string;
  parse(bytes: Uint8Array): object;
  /** Builds from what was parsed, or from plain fields. */
  build(fields: never): Uint8Array;
  fields: fc.Arbitrary<object>;
  valid: fc.Arbitrary<Uint8Array>;
}

const codecs: Codec[] = [
  {
    name: "Ethernet",
    parse: packet.parseEthernet,
    build: packet.buildEthernet,
    fields: ethernetFields,
    valid: ethernetBytes,
  },
  { name: "Arp", parse: packet.parseArp, build: packet.buildArp, fields: arpFields, valid: arpBytes },
  { name: "IPv4", parse: packet.parseIPv4, build: packet.buildIPv4, fields: ipv4Fields, valid: ipv4Bytes },
  { name: "IPv6", parse: packet.parseIPv6, build: packet.buildIPv6, fields: ipv6Fields, valid: ipv6Bytes },
  {
    name: "IcmpEcho",
    parse: packet.parseIcmpEcho,
    build: packet.buildIcmpEcho,
    fields: icmpEchoFields,
    valid: icmpEchoBytes,
  },
];

/** Some octets changed, some cut off the end, some added to it. */
function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(fc.nat(), fc.oneof(uint8, fc.constantFrom(0, 0x45, 0x60, 0x81, 0x88, 0xff))), {
    maxLength: 4,
  });
  return fc.tuple(valid, changes, fc.integer({ min: 0, max: 90 }), payload).map(([bytes, edits, cut, tail]) => {
    const copy = Uint8Array.from([...bytes.subarray(0, cut < 60 ? bytes.length : cut), ...(cut % 2 ? tail : [])]);
    for (const [at, value] of edits) if (copy.length > 0) copy[at % copy.length] = value;
    return copy;
  });
}

/** Everything parsing tells: all the getters, or the error, which must be a PacketError. */
function outcome(codec: Codec, bytes: Uint8Array, afterParsing?: (bytes: Uint8Array) => void): unknown {
  let view: object;
  try {
    view = codec.parse(bytes);
  } catch (error) {
    if (!(error instanceof PacketError)) throw error;
    const { message, protocol, offset } = error;
    if (offset < 0 || offset > bytes.length) throw new Error(`Offset ${offset} is outside of the bytes`);
    return { message, protocol, offset };
  }
  afterParsing?.(bytes);
  return readAll(view, bytes);
}

describe.each(codecs)("$name", (codec) => {
  const { name, parse, build, fields, valid } = codec;
  const rebuild = (bytes: Uint8Array) => build(parse(bytes) as never);

  test(`parse${name}(build${name}(x)) is x`, () => {
    fc.assert(
      fc.property(fields, (x) => {
        const bytes = build(x as never);
        const want = Object.entries(x).map(([key, value]) => [key, value instanceof Uint8Array ? [...value] : value]);
        expect(readAll(parse(bytes), bytes)).toMatchObject(Object.fromEntries(want));
      }),
      { numRuns: 500 },
    );
  });

  test(`build${name}(parse${name}(b)) is b for well-formed b, the checksum included`, () => {
    fc.assert(
      fc.property(valid, (bytes) => {
        expect([...rebuild(bytes)]).toEqual([...bytes]);
        const { checksumIsValid } = readAll(parse(bytes), bytes);
        expect(checksumIsValid).not.toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test(`parse${name}() gives a view or a PacketError for any bytes, and never looks outside of them`, () => {
    const any = fc.oneof(fc.uint8Array({ maxLength: 100 }), mutated(valid), mutated(valid));
    const scribble = (bytes: Uint8Array) => bytes.fill(0xff);
    fc.assert(
      fc.property(any, (bytes) => {
        const want = outcome(codec, surround(bytes, 0x00));
        expect(outcome(codec, surround(bytes, 0x45))).toEqual(want);
        expect(outcome(codec, surround(bytes, 0xff))).toEqual(want);
        // Neither does a view whose bytes were written over since.
        const scribbled = outcome(codec, surround(bytes, 0x00), scribble);
        expect(outcome(codec, surround(bytes, 0xff), scribble)).toEqual(scribbled);
      }),
      { numRuns: 2000 },
    );
  });

  test(`parse${name}() does not change the bytes`, () => {
    fc.assert(
      fc.property(mutated(valid), (bytes) => {
        const before = [...bytes];
        outcome(codec, bytes);
        expect([...bytes]).toEqual(before);
      }),
    );
  });
});

test("every captured frame, cut at every length, is a view or a PacketError to every parser", () => {
  for (const frame of Object.values(captured)) {
    for (let start = 0; start < frame.length; start++) {
      for (let end = start; end <= frame.length; end++) {
        for (const codec of codecs) outcome(codec, frame.subarray(start, end));
      }
    }
  }
});
