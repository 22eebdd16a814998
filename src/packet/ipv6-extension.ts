import { readUint16, readUint32 } from "./bytes.ts";
import { PacketError } from "./error.ts";
import { IpProtocol } from "./ip-protocol.ts";

/** One extension header, RFC 8200 section 4. */
export interface IPv6ExtensionHeader {
  /** One of {@link IpProtocol}: HOP_BY_HOP, ROUTING, FRAGMENT, AH or DESTINATION_OPTIONS. */
  readonly type: number;
  /** The whole header, a subarray; its first octet says what follows. */
  readonly bytes: Uint8Array;
}

/** Contents of a fragment header, RFC 8200 section 4.5. */
export interface IPv6Fragment {
  /** The place of this one in the whole packet, in bytes: 0 to 65528. */
  readonly offset: number;
  /** True for every fragment but the last. */
  readonly moreFragments: boolean;
  /** Identification, which all fragments of one packet share. */
  readonly identification: number;
}

/** The end of the extension headers, and what is there. */
export interface ExtensionHeaders {
  readonly headers: readonly IPv6ExtensionHeader[];
  readonly protocol: number;
  readonly end: number;
}

const LENGTH_MIN = 8;
/** Receivers may limit their number (RFC 8883); nobody needs more than the seven of RFC 8200 section 4.1. */
const COUNT_MAX = 16;
const FRAGMENT_OFFSET_MASK = 0xfff8;
const MORE_FRAGMENTS = 1;
const NO_HEADERS: readonly IPv6ExtensionHeader[] = [];

/**
 * Walks the extension headers from `start` on, of which the first is a `nextHeader`; more than 16 are refused. The
 * walk ends behind the fragment header of any fragment but the first, for what follows there is a piece out of the
 * middle (RFC 8200 section 4.5).
 *
 * @param truncated Whether the bytes may end within the headers.
 */
export function walkExtensionHeaders(
  bytes: Uint8Array,
  start: number,
  packetEnd: number,
  nextHeader: number,
  truncated: boolean,
): ExtensionHeaders {
  if (!isExtensionHeader(nextHeader)) return { headers: NO_HEADERS, protocol: nextHeader, end: start };
  const headers: IPv6ExtensionHeader[] = [];
  let protocol = nextHeader;
  let at = start;
  while (isExtensionHeader(protocol)) {
    const length = packetEnd - at < LENGTH_MIN ? LENGTH_MIN : lengthOf(protocol, bytes[at + 1] as number);
    if (headers.length === COUNT_MAX) {
      throw new PacketError("IPv6", at, `more than ${COUNT_MAX} extension headers`, "fewer");
    }
    if (length > packetEnd - at) {
      if (truncated) break;
      const found = `extension header ${protocol} of at least ${length} bytes`;
      throw new PacketError("IPv6", at, found, `at most the ${packetEnd - at} bytes left`);
    }
    const header = { type: protocol, bytes: bytes.subarray(at, at + length) };
    headers.push(header);
    protocol = bytes[at] as number;
    at += length;
    if (header.type === IpProtocol.FRAGMENT && readFragment(header.bytes).offset > 0) break;
  }
  return { headers, protocol, end: at };
}

/** Returns the contents of the first fragment header, or null if there is none. */
export function findFragment(headers: readonly IPv6ExtensionHeader[]): IPv6Fragment | null {
  const header = headers.find(({ type }) => type === IpProtocol.FRAGMENT);
  return header === undefined ? null : readFragment(header.bytes);
}

function readFragment(header: Uint8Array): IPv6Fragment {
  const offsetAndFlags = readUint16(header, 2);
  return {
    offset: offsetAndFlags & FRAGMENT_OFFSET_MASK,
    moreFragments: (offsetAndFlags & MORE_FRAGMENTS) !== 0,
    identification: readUint32(header, 4),
  };
}

function isExtensionHeader(protocol: number): boolean {
  return (
    protocol === IpProtocol.HOP_BY_HOP ||
    protocol === IpProtocol.ROUTING ||
    protocol === IpProtocol.FRAGMENT ||
    protocol === IpProtocol.AH ||
    protocol === IpProtocol.DESTINATION_OPTIONS
  );
}

function lengthOf(type: number, lengthField: number): number {
  if (type === IpProtocol.FRAGMENT) return LENGTH_MIN;
  // RFC 4302 section 2.2: an AH counts 32-bit words, minus two; over IPv6 they too make a multiple of 8 bytes.
  return type === IpProtocol.AH ? Math.max((lengthField + 2) * 4, LENGTH_MIN) : (lengthField + 1) * 8;
}
