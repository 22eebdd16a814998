import { formatIPv4, IPV4_LENGTH } from "./address-text.ts";
import { readUint16, writeUint16, writeUint32 } from "./bytes.ts";
import { requireBoolean, requireBytes, requireInteger, requireRoom, wrongValue } from "./check.ts";
import { checksumOfRange } from "./checksum.ts";
import { PacketError } from "./error.ts";
import { ipv4ToNumber } from "./ipv4-address.ts";
import type { ParseOptions } from "./parse-options.ts";
import { showByFields } from "./show.ts";

/** Fields of an IPv4 header, without those that are computed: lengths and checksum. */
export interface IPv4Header {
  /** Differentiated services code point, 0 (the default) to 63; RFC 2474. */
  dscp?: number;
  /** Explicit congestion notification, 0 (the default) to 3; RFC 3168. */
  ecn?: number;
  /** Identification, which all fragments of one packet share: 0 (the default) to 65535; RFC 6864. */
  identification?: number;
  /** Default false. */
  dontFragment?: boolean;
  /** Default false. */
  moreFragments?: boolean;
  /** In bytes, a multiple of 8, 0 (the default) to 65528. */
  fragmentOffset?: number;
  /** Time to live, 0 to 255; default 64. */
  ttl?: number;
  /** Protocol of the payload: an `IpProtocol`, or any other value from 0 to 255. */
  protocol: number;
  /** Address of the sender, as text ("192.0.2.1") or as 4 bytes. */
  source: string | Uint8Array;
  /** Address of the receiver, as text ("192.0.2.1") or as 4 bytes. */
  destination: string | Uint8Array;
  /** Options as they are on the wire: 0 (the default) to 40 bytes, a multiple of 4. */
  options?: Uint8Array;
}

/** A header and what follows it. */
export interface IPv4Fields extends IPv4Header {
  /** Bytes behind the header. */
  payload: Uint8Array;
}

const PROTOCOL_NAME = "IPv4";
const VERSION_IHL = 0;
const DSCP_ECN = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FLAGS_FRAGMENT_OFFSET = 6;
const TTL = 8;
const PROTOCOL = 9;
const HEADER_CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
const OPTIONS = 20;
const HEADER_LENGTH_MIN = 20;
const OPTIONS_LENGTH_MAX = 40;
const TOTAL_LENGTH_MAX = 0xffff;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const FRAGMENT_OFFSET_MASK = 0x1fff;
const TTL_DEFAULT = 64;
const NO_OPTIONS: Uint8Array = new Uint8Array(0);

/**
 * A view of an IPv4 packet: nothing is copied, and the getters read the bytes as they are when
 * asked, but for the two lengths, which are kept from when they were checked. Whatever becomes
 * of the bytes later, no getter reads outside of them.
 */
export class IPv4Packet implements Required<IPv4Fields> {
  static {
    showByFields(IPv4Packet.prototype);
  }

  readonly #bytes: Uint8Array;
  /** Bytes in front of the payload, options included: 20 to 60. */
  readonly headerLength: number;
  /** Bytes of header and payload. */
  readonly totalLength: number;

  /** Views `bytes`; see {@link parseIPv4}. */
  constructor(bytes: Uint8Array, { truncated = false }: ParseOptions = {}) {
    const { length } = requireBytes("bytes", bytes);
    if (length < HEADER_LENGTH_MIN) fail(length, `${length} bytes`, `at least ${HEADER_LENGTH_MIN}`);
    const versionAndIhl = bytes[VERSION_IHL] as number;
    if (versionAndIhl >>> 4 !== 4) fail(VERSION_IHL, `version ${versionAndIhl >>> 4}`, "4");
    const headerLength = (versionAndIhl & 0x0f) * 4;
    if (headerLength < HEADER_LENGTH_MIN) {
      fail(VERSION_IHL, `header length ${headerLength}`, `at least ${HEADER_LENGTH_MIN}`);
    }
    const totalLength = readUint16(bytes, TOTAL_LENGTH);
    if (totalLength < headerLength) {
      fail(TOTAL_LENGTH, `total length ${totalLength}`, `at least the header's ${headerLength}`);
    }
    if (totalLength > length && !truncated) {
      fail(TOTAL_LENGTH, `total length ${totalLength}`, `at most the ${length} bytes in hand`);
    }
    if (headerLength > length) fail(length, `${length} bytes`, `a header of ${headerLength}`);
    this.#bytes = bytes;
    this.headerLength = headerLength;
    this.totalLength = totalLength;
  }

  /** 4. */
  get version(): number {
    return (this.#bytes[VERSION_IHL] as number) >>> 4;
  }

  /** Differentiated services code point, 0 to 63; RFC 2474. */
  get dscp(): number {
    return (this.#bytes[DSCP_ECN] as number) >>> 2;
  }

  /** Explicit congestion notification, 0 to 3; RFC 3168. */
  get ecn(): number {
    return (this.#bytes[DSCP_ECN] as number) & 0x03;
  }

  /** Identification, which all fragments of one packet share. */
  get identification(): number {
    return readUint16(this.#bytes, IDENTIFICATION);
  }

  /** Tells whether routers must not fragment the packet. */
  get dontFragment(): boolean {
    return (readUint16(this.#bytes, FLAGS_FRAGMENT_OFFSET) & DONT_FRAGMENT) !== 0;
  }

  /** True for every fragment but the last, and for no packet that is whole. */
  get moreFragments(): boolean {
    return (readUint16(this.#bytes, FLAGS_FRAGMENT_OFFSET) & MORE_FRAGMENTS) !== 0;
  }

  /** The place of this one in the whole packet's payload, in bytes: 0 to 65528. */
  get fragmentOffset(): number {
    return (readUint16(this.#bytes, FLAGS_FRAGMENT_OFFSET) & FRAGMENT_OFFSET_MASK) * 8;
  }

  /** Time to live. */
  get ttl(): number {
    return this.#bytes[TTL] as number;
  }

  /** Protocol of the payload: an `IpProtocol`, or any other value. */
  get protocol(): number {
    return this.#bytes[PROTOCOL] as number;
  }

  /** Checksum as it is in the header; `checksumIsValid` tells whether it is right. */
  get headerChecksum(): number {
    return readUint16(this.#bytes, HEADER_CHECKSUM);
  }

  /** Tells whether the checksum is right for the header. */
  get checksumIsValid(): boolean {
    return checksumOfRange(this.#bytes, 0, this.headerLength) === 0;
  }

  /** Source address as text: "192.0.2.1". */
  get source(): string {
    return formatIPv4(this.#bytes, SOURCE);
  }

  /** Source address: 4 bytes of the packet itself. */
  get sourceBytes(): Uint8Array {
    return this.#bytes.subarray(SOURCE, SOURCE + IPV4_LENGTH);
  }

  /** Destination address as text: "192.0.2.1". */
  get destination(): string {
    return formatIPv4(this.#bytes, DESTINATION);
  }

  /** Destination address: 4 bytes of the packet itself. */
  get destinationBytes(): Uint8Array {
    return this.#bytes.subarray(DESTINATION, DESTINATION + IPV4_LENGTH);
  }

  /** Options as they are on the wire, a subarray: 0 to 40 bytes. */
  get options(): Uint8Array {
    return this.#bytes.subarray(OPTIONS, this.headerLength);
  }

  /** From behind the header up to the total length, a subarray: an Ethernet frame's padding is cut off. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(this.headerLength, this.totalLength);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { source, destination, protocol, ttl, moreFragments, fragmentOffset, payload } = this;
    const fragment = moreFragments || fragmentOffset > 0 ? { moreFragments, fragmentOffset } : undefined;
    return { source, destination, protocol, ttl, ...fragment, payloadLength: payload.length };
  }
}

/**
 * Views `bytes` as an IPv4 packet, RFC 791 section 3.1. What follows its total length, such as
 * the padding of a short frame, is ignored. A wrong checksum is no error: ask `checksumIsValid`.
 *
 * @throws {PacketError} If the version is not 4, or a length says more than there is.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseIPv4(bytes: Uint8Array, options?: ParseOptions): IPv4Packet {
  return new IPv4Packet(bytes, options);
}

/**
 * Writes an IPv4 header at the start of `target`, lengths and checksum included; the payload
 * belongs behind it.
 *
 * The addresses and options may be views of `target`. Nothing is written if anything is wrong.
 *
 * @param fields `payloadLength` is in bytes; with the header, 65535 at most.
 * @returns The header's length: 20, and the length of the options.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeIPv4(target: Uint8Array, fields: IPv4Header & { payloadLength: number }): number {
  return writeHeader(target, fields, fields.payloadLength);
}

/**
 * Makes a packet of a header and a payload.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIPv4(fields: IPv4Fields): Uint8Array<ArrayBuffer> {
  const payload = requireBytes("payload", fields.payload);
  const headerLength = HEADER_LENGTH_MIN + requireOptions(fields.options ?? NO_OPTIONS).length;
  if (payload.length > TOTAL_LENGTH_MAX - headerLength) {
    throw wrongValue("payload", payload, `at most ${TOTAL_LENGTH_MAX - headerLength}`);
  }
  const packet = new Uint8Array(headerLength + payload.length);
  writeHeader(packet, fields, payload.length);
  packet.set(payload, headerLength);
  return packet;
}

function writeHeader(target: Uint8Array, fields: IPv4Header, payloadLengthBytes: number): number {
  const dscp = requireInteger("dscp", fields.dscp ?? 0, 0, 0x3f);
  const ecn = requireInteger("ecn", fields.ecn ?? 0, 0, 0x03);
  const identification = requireInteger("identification", fields.identification ?? 0, 0, 0xffff);
  const dontFragment = requireBoolean("dontFragment", fields.dontFragment ?? false);
  const moreFragments = requireBoolean("moreFragments", fields.moreFragments ?? false);
  const fragmentOffset = requireFragmentOffset(fields.fragmentOffset ?? 0);
  const ttl = requireInteger("ttl", fields.ttl ?? TTL_DEFAULT, 0, 0xff);
  const protocol = requireInteger("protocol", fields.protocol, 0, 0xff);
  const source = ipv4ToNumber("source", fields.source);
  const destination = ipv4ToNumber("destination", fields.destination);
  const options = requireOptions(fields.options ?? NO_OPTIONS);
  const headerLength = HEADER_LENGTH_MIN + options.length;
  const payloadLength = requireInteger("payloadLength", payloadLengthBytes, 0, TOTAL_LENGTH_MAX - headerLength);
  requireRoom(target, headerLength);

  // First, for they may be a view of what is written next.
  target.set(options, OPTIONS);
  target[VERSION_IHL] = 0x40 | (headerLength / 4);
  target[DSCP_ECN] = (dscp << 2) | ecn;
  writeUint16(target, TOTAL_LENGTH, headerLength + payloadLength);
  writeUint16(target, IDENTIFICATION, identification);
  const flags = (dontFragment ? DONT_FRAGMENT : 0) | (moreFragments ? MORE_FRAGMENTS : 0);
  writeUint16(target, FLAGS_FRAGMENT_OFFSET, flags | (fragmentOffset / 8));
  target[TTL] = ttl;
  target[PROTOCOL] = protocol;
  writeUint16(target, HEADER_CHECKSUM, 0);
  writeUint32(target, SOURCE, source);
  writeUint32(target, DESTINATION, destination);
  writeUint16(target, HEADER_CHECKSUM, checksumOfRange(target, 0, headerLength));
  return headerLength;
}

function fail(offset: number, found: string, wanted: string): never {
  throw new PacketError(PROTOCOL_NAME, offset, found, wanted);
}

function requireFragmentOffset(value: number): number {
  requireInteger("fragmentOffset", value, 0, FRAGMENT_OFFSET_MASK * 8);
  if (value % 8 !== 0) throw wrongValue("fragmentOffset", value, "a multiple of 8");
  return value;
}

function requireOptions(options: Uint8Array): Uint8Array {
  const { length } = requireBytes("options", options);
  if (length <= OPTIONS_LENGTH_MAX && length % 4 === 0) return options;
  throw wrongValue("options", options, `a multiple of 4, at most ${OPTIONS_LENGTH_MAX}`);
}
