import { formatIPv6, IPV6_LENGTH } from "./address-text.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom, wrongValue } from "./check.ts";
import { PacketError } from "./error.ts";
import { ipv6ToBytes } from "./ipv6-address.ts";
import {
  type ExtensionHeaders,
  findFragment,
  type IPv6ExtensionHeader,
  type IPv6Fragment,
  walkExtensionHeaders,
} from "./ipv6-extension.ts";
import type { ParseOptions } from "./parse-options.ts";
import { showByFields } from "./show.ts";

/** Fields of an IPv6 header, without the length of the payload. */
export interface IPv6Header {
  /** Differentiated services code point and congestion notification, 0 (the default) to 255; RFC 8200 section 7. */
  trafficClass?: number;
  /** Flow label, which the packets of a flow share: 0 (the default: none) to 2^20 - 1; RFC 6437. */
  flowLabel?: number;
  /** 0 to 255; default 64. */
  hopLimit?: number;
  /** Protocol or extension header that the payload begins with: an `IpProtocol`, or any other value from 0 to 255. */
  nextHeader: number;
  /** Address of the sender, as text ("2001:db8::1") or as 16 bytes. */
  source: string | Uint8Array;
  /** Address of the receiver, as text ("2001:db8::1") or as 16 bytes. */
  destination: string | Uint8Array;
}

/** A header and what follows it. */
export interface IPv6Fields extends IPv6Header {
  /** Extension headers, if there are any, and the upper layer. */
  payload: Uint8Array;
}

const PROTOCOL_NAME = "IPv6";
const VERSION_CLASS_LABEL = 0;
const PAYLOAD_LENGTH = 4;
const NEXT_HEADER = 6;
const HOP_LIMIT = 7;
const SOURCE = 8;
const DESTINATION = 24;
const HEADER_LENGTH = 40;
const PAYLOAD_LENGTH_MAX = 0xffff;
const FLOW_LABEL_MAX = 0xfffff;
const HOP_LIMIT_DEFAULT = 64;

/**
 * A view of an IPv6 packet: nothing is copied, and the getters read the bytes as they are when
 * asked, but for the lengths and where the extension headers are, which are kept from when they were
 * checked. Whatever becomes of the bytes later, no getter reads outside of them.
 */
export class IPv6Packet implements Required<IPv6Fields> {
  static {
    showByFields(IPv6Packet.prototype);
  }

  readonly #bytes: Uint8Array;
  readonly #extensions: ExtensionHeaders;
  /** Bytes behind the fixed header, extension headers included. */
  readonly payloadLength: number;

  /** Views `bytes`; see {@link parseIPv6}. */
  constructor(bytes: Uint8Array, { truncated = false }: ParseOptions = {}) {
    const { length } = requireBytes("bytes", bytes);
    if (length < HEADER_LENGTH) fail(length, `${length} bytes`, `at least ${HEADER_LENGTH}`);
    const version = (bytes[VERSION_CLASS_LABEL] as number) >>> 4;
    if (version !== 6) fail(VERSION_CLASS_LABEL, `version ${version}`, "6");
    const payloadLength = readUint16(bytes, PAYLOAD_LENGTH);
    const present = length - HEADER_LENGTH;
    if (payloadLength > present && !truncated) {
      fail(PAYLOAD_LENGTH, `payload length ${payloadLength}`, `at most the ${present} bytes behind the header`);
    }
    const end = HEADER_LENGTH + Math.min(payloadLength, present);
    this.#extensions = walkExtensionHeaders(bytes, HEADER_LENGTH, end, bytes[NEXT_HEADER] as number, truncated);
    this.#bytes = bytes;
    this.payloadLength = payloadLength;
  }

  /** 6. */
  get version(): number {
    return (this.#bytes[VERSION_CLASS_LABEL] as number) >>> 4;
  }

  /** Differentiated services code point (the upper six bits) and congestion notification. */
  get trafficClass(): number {
    return (readUint16(this.#bytes, VERSION_CLASS_LABEL) >>> 4) & 0xff;
  }

  /** Flow label, which the packets of a flow share; 0 if the sender sets none. */
  get flowLabel(): number {
    return readUint32(this.#bytes, VERSION_CLASS_LABEL) & FLOW_LABEL_MAX;
  }

  /**
   * Protocol or extension header that `payload` begins with; see `protocol` for the one behind all extension headers.
   */
  get nextHeader(): number {
    return this.#bytes[NEXT_HEADER] as number;
  }

  get hopLimit(): number {
    return this.#bytes[HOP_LIMIT] as number;
  }

  /** Source address as text, RFC 5952: "2001:db8::1". */
  get source(): string {
    return formatIPv6(this.#bytes, SOURCE);
  }

  /** Source address: 16 bytes of the packet itself. */
  get sourceBytes(): Uint8Array {
    return this.#bytes.subarray(SOURCE, SOURCE + IPV6_LENGTH);
  }

  /** Destination address as text, RFC 5952: "2001:db8::1". */
  get destination(): string {
    return formatIPv6(this.#bytes, DESTINATION);
  }

  /** Destination address: 16 bytes of the packet itself. */
  get destinationBytes(): Uint8Array {
    return this.#bytes.subarray(DESTINATION, DESTINATION + IPV6_LENGTH);
  }

  /** All behind the fixed header, a subarray: an Ethernet frame's padding is cut off. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + this.payloadLength);
  }

  /** The extension headers, in their order: hop-by-hop, routing, fragment, AH, destination options. */
  get extensionHeaders(): readonly IPv6ExtensionHeader[] {
    return this.#extensions.headers;
  }

  /** Contents of the fragment header; null for a packet that is whole. */
  get fragment(): IPv6Fragment | null {
    return findFragment(this.#extensions.headers);
  }

  /** Protocol behind the extension headers: an `IpProtocol`, or any other value. */
  get protocol(): number {
    return this.#extensions.protocol;
  }

  /**
   * All behind the extension headers, a subarray. Of a fragment but the first, it is a piece out of the
   * middle: see `fragment`.
   */
  get upperLayer(): Uint8Array {
    return this.#bytes.subarray(this.#extensions.end, HEADER_LENGTH + this.payloadLength);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { source, destination, protocol, hopLimit, payloadLength } = this;
    return { source, destination, protocol, hopLimit, payloadLength };
  }
}

/**
 * Views `bytes` as an IPv6 packet, RFC 8200 section 3. What follows its payload, such as the padding
 * of a short frame, is ignored. Jumbograms (RFC 2675) are refused.
 *
 * @throws {PacketError} If the version is not 6, or a length says more than there is.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseIPv6(bytes: Uint8Array, options?: ParseOptions): IPv6Packet {
  return new IPv6Packet(bytes, options);
}

/**
 * Writes an IPv6 header at the start of `target`; the payload belongs behind it.
 *
 * The addresses may be views of `target`. Nothing is written if anything is wrong.
 *
 * @param fields `payloadLength` is in bytes, extension headers included; 65535 at most.
 * @returns The header's length: 40.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeIPv6(target: Uint8Array, fields: IPv6Header & { payloadLength: number }): number {
  const trafficClass = requireInteger("trafficClass", fields.trafficClass ?? 0, 0, 0xff);
  const flowLabel = requireInteger("flowLabel", fields.flowLabel ?? 0, 0, FLOW_LABEL_MAX);
  const hopLimit = requireInteger("hopLimit", fields.hopLimit ?? HOP_LIMIT_DEFAULT, 0, 0xff);
  const nextHeader = requireInteger("nextHeader", fields.nextHeader, 0, 0xff);
  const source = ipv6ToBytes("source", fields.source);
  const destination = ipv6ToBytes("destination", fields.destination);
  const payloadLength = requireInteger("payloadLength", fields.payloadLength, 0, PAYLOAD_LENGTH_MAX);
  requireRoom(target, HEADER_LENGTH);

  writeUint32(target, VERSION_CLASS_LABEL, (6 << 28) | (trafficClass << 20) | flowLabel);
  writeUint16(target, PAYLOAD_LENGTH, payloadLength);
  target[NEXT_HEADER] = nextHeader;
  target[HOP_LIMIT] = hopLimit;
  target.set(source, SOURCE);
  target.set(destination, DESTINATION);
  return HEADER_LENGTH;
}

/**
 * Makes a packet of a header and a payload.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIPv6(fields: IPv6Fields): Uint8Array<ArrayBuffer> {
  const payload = requireBytes("payload", fields.payload);
  if (payload.length > PAYLOAD_LENGTH_MAX) throw wrongValue("payload", payload, `at most ${PAYLOAD_LENGTH_MAX}`);
  const { trafficClass = 0, flowLabel = 0, hopLimit = HOP_LIMIT_DEFAULT, nextHeader, source, destination } = fields;
  const packet = new Uint8Array(HEADER_LENGTH + payload.length);
  const header = { trafficClass, flowLabel, hopLimit, nextHeader, source, destination };
  writeIPv6(packet, { ...header, payloadLength: payload.length });
  packet.set(payload, HEADER_LENGTH);
  return packet;
}

function fail(offset: number, found: string, wanted: string): never {
  throw new PacketError(PROTOCOL_NAME, offset, found, wanted);
}
