/** All codecs, each with fields to build from, and with well-formed bytes that no writer of ours made. */

import fc from "fast-check";
import { formatIPv6 } from "../../src/packet/address-text.ts";
import * as packet from "../../src/packet/index.ts";
import { referenceChecksum } from "./support.ts";

const { EtherType, IcmpType } = packet;

export const uint8: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xff });
export const uint16: fc.Arbitrary<number> = fc.integer({ min: 0, max: 0xffff });
export const bytesOf = (length: number): fc.Arbitrary<Uint8Array<ArrayBuffer>> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const mac = bytesOf(6).map((bytes) => [...bytes].map((octet) => octet.toString(16).padStart(2, "0")).join(":"));
export const ipv4: fc.Arbitrary<string> = bytesOf(4).map((bytes) => [...bytes].join("."));
export const ipv6: fc.Arbitrary<string> = bytesOf(16).map((bytes) => formatIPv6(bytes, 0));
const tpid = fc.constantFrom(EtherType.VLAN, EtherType.SERVICE_VLAN);
export const payload: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.uint8Array({ maxLength: 80 });

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

/** Fixed ends, for the checksums that cover them; the codecs are told apart by nothing else. */
const ends = { source: "192.0.2.1", destination: "192.0.2.2" };
const ends6 = { source: "2001:db8::1", destination: "2001:db8::2" };
/** RFC 768, RFC 9293 section 3.1: addresses, protocol, length. */
const pseudo4 = (protocol: number, length: number) => [
  192,
  0,
  2,
  1,
  192,
  0,
  2,
  2,
  0,
  protocol,
  length >> 8,
  length & 0xff,
];
const host6 = (last: number) => [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
/** RFC 8200 section 8.1, for short packets. */
const pseudo6 = (protocol: number, length: number) => [
  ...host6(1),
  ...host6(2),
  ...[0, 0, length >> 8, length & 0xff, 0, 0, 0, protocol],
];

/** `bytes` with the checksum at `offset` that is right behind such a pseudo-header. */
function summed(bytes: Uint8Array, offset: number, pseudoHeader: number[]): Uint8Array {
  bytes.set([0, 0], offset);
  const sum = referenceChecksum(Uint8Array.from([...pseudoHeader, ...bytes]));
  bytes.set([sum >> 8, sum & 0xff], offset);
  return bytes;
}

const uint32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff, 0x8000_0000));
const udpFields = fc.record({ sourcePort: uint16, destinationPort: uint16, payload });
const udpBytes = fc.uint8Array({ minLength: 8, maxLength: 80 }).map((bytes) => {
  bytes.set([0, bytes.length], 4);
  summed(bytes, 6, pseudo4(17, bytes.length));
  if (bytes[6] === 0 && bytes[7] === 0) bytes.set([0xff, 0xff], 6);
  return bytes;
});

const tcpOption: fc.Arbitrary<packet.TcpOption> = fc.oneof(
  fc.constant({ kind: "nop" } as const),
  fc.record({ kind: fc.constant("mss" as const), mss: uint16 }),
  fc.record({ kind: fc.constant("windowScale" as const), shift: uint8 }),
  fc.constant({ kind: "sackPermitted" } as const),
  fc.record({
    kind: fc.constant("sack" as const),
    blocks: fc.array(fc.record({ start: uint32, end: uint32 }), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant("timestamps" as const), value: uint32, echoReply: uint32 }),
  fc.record({
    kind: fc.constant("unknown" as const),
    number: uint8.filter((number) => number > 8),
    data: fc.uint8Array({ maxLength: 6 }),
  }),
);
/** Bytes of each kind of option, to keep within 40. */
const tcpOptionLength = (option: packet.TcpOption): number => {
  const lengths = { nop: 1, end: 1, mss: 4, windowScale: 3, sackPermitted: 2, timestamps: 10 };
  if (option.kind === "sack") return 2 + 8 * option.blocks.length;
  if (option.kind === "unknown") return 2 + option.data.length;
  return option.kind === "malformed" ? option.data.length : lengths[option.kind];
};
/** Without padding, which would be read as the end of the list. */
const tcpOptions = fc.array(tcpOption, { maxLength: 5 }).map((options) => {
  const kept: packet.TcpOption[] = [];
  let length = 0;
  for (const option of options) {
    if (length + tcpOptionLength(option) > 40) continue;
    kept.push(option);
    length += tcpOptionLength(option);
  }
  return [...kept, ...new Array<packet.TcpOption>((4 - (length % 4)) % 4).fill({ kind: "nop" })];
});
const tcpFields = fc.record({
  sourcePort: uint16,
  destinationPort: uint16,
  sequence: uint32,
  acknowledgment: uint32,
  flags: fc.integer({ min: 0, max: 0xfff }),
  window: uint16,
  urgentPointer: uint16,
  options: tcpOptions,
  payload,
});
/** Options that are any bytes, but that nothing is behind their end, which is in the last word. */
const tcpBytes = fc
  .integer({ min: 5, max: 15 })
  .chain((words) => fc.tuple(fc.constant(words), fc.uint8Array({ minLength: words * 4, maxLength: words * 4 + 60 })))
  .map(([words, bytes]) => {
    bytes.set([(words << 4) | ((bytes[12] as number) & 0x0f)], 12);
    const options = bytes.subarray(20, words * 4);
    for (let at = 0; at < options.length; ) {
      if (options[at] === 0 && options.length - at >= 4) options[at] = 1;
      const [kind = 0, length = 0] = options.subarray(at);
      if (kind === 0) options.fill(0, at);
      if (kind === 0 || (kind !== 1 && length < 2)) break;
      at += kind === 1 ? 1 : length;
    }
    return summed(bytes, 16, pseudo6(6, bytes.length));
  });

const icmpFields = fc.record({ type: uint8, code: uint8, body: fc.uint8Array({ minLength: 4, maxLength: 80 }) });
const icmpBytes = fc.uint8Array({ minLength: 8, maxLength: 80 }).map((bytes) => summed(bytes, 2, []));
/** Neighbor discovery messages, 133 to 137, are made by `ndBytes`. */
const plainType = uint8.filter((type) => type < 133 || type > 137);
const icmpv6Fields = fc.record({
  type: plainType,
  code: uint8,
  body: fc.uint8Array({ minLength: 4, maxLength: 80 }),
});
const ndOption = fc
  .tuple(fc.oneof(fc.constantFrom(1, 2, 3, 4, 5, 25), uint8), fc.integer({ min: 1, max: 4 }), bytesOf(32))
  .map(([number, units, bytes]) => [number, units, ...bytes.subarray(2, units * 8)]);
const ndBytes = fc
  .tuple(fc.constantFrom(133, 134, 135, 136, 137), bytesOf(40), fc.array(ndOption, { maxLength: 3 }))
  .map(([type, fixed, options]) => {
    const length = { 133: 8, 134: 16, 135: 24, 136: 24, 137: 40 }[type] ?? 0;
    return Uint8Array.from([type, ...fixed.subarray(1, length), ...options.flat()]);
  });
const icmpv6Bytes = fc
  .oneof(
    ndBytes,
    fc.tuple(plainType, fc.uint8Array({ minLength: 8, maxLength: 80 })).map(([type, bytes]) => {
      bytes.set([type]);
      return bytes;
    }),
  )
  .map((bytes) => summed(bytes, 2, pseudo6(58, bytes.length)));

export interface Codec {
  name: string;
  parse(bytes: Uint8Array): object;
  /** Builds from what was parsed, or from plain fields. */
  build(fields: never): Uint8Array;
  fields: fc.Arbitrary<object>;
  valid: fc.Arbitrary<Uint8Array>;
}

export const codecs: Codec[] = [
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
    name: "Udp",
    parse: packet.parseUdp,
    build: ({ sourcePort, destinationPort, payload }: packet.UdpFields) =>
      packet.buildUdp({ ...ends, sourcePort, destinationPort, payload }),
    fields: udpFields,
    valid: udpBytes,
  },
  {
    name: "Tcp",
    parse: packet.parseTcp,
    build: (fields: Required<packet.TcpFields>) => {
      const { sourcePort, destinationPort, sequence, acknowledgment, flags } = fields;
      const { window, urgentPointer, options, payload } = fields;
      const numbers = { sourcePort, destinationPort, sequence, acknowledgment, flags, window, urgentPointer };
      return packet.buildTcp({ ...ends6, ...numbers, options, payload });
    },
    fields: tcpFields,
    valid: tcpBytes,
  },
  { name: "Icmp", parse: packet.parseIcmp, build: packet.buildIcmp, fields: icmpFields, valid: icmpBytes },
  {
    name: "Icmpv6",
    parse: packet.parseIcmpv6,
    build: ({ type, code, body }: Required<packet.Icmpv6Fields>) => packet.buildIcmpv6({ ...ends6, type, code, body }),
    fields: icmpv6Fields,
    valid: icmpv6Bytes,
  },
  {
    name: "IcmpEcho",
    parse: packet.parseIcmpEcho,
    build: packet.buildIcmpEcho,
    fields: icmpEchoFields,
    valid: icmpEchoBytes,
  },
];
