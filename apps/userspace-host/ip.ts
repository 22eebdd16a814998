/** IPv4 and IPv6 behind one interface. No reassembly, no forwarding, no options of our own. */
import { buildIPv4, buildIPv6, parseIPv4, parseIPv6 } from "../../src/packet/index.ts";

/** Contents of a packet of either version of IP. */
export interface Incoming {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** Protocol of the payload: an `IpProtocol`. */
  readonly protocol: number;
  /** Bytes behind all headers of IP. */
  readonly payload: Uint8Array;
  readonly isFragment: boolean;
  /** The whole packet. */
  readonly bytes: Uint8Array;
}

/** Sends from the host's own address of the same version. */
export type Send = (protocol: number, destination: string, payload: Uint8Array) => void;

/** @throws {PacketError} If the bytes are no IP packet. */
export function parsePacket(bytes: Uint8Array): Incoming {
  return (bytes[0] ?? 0) >> 4 === 6 ? fromIPv6(bytes) : fromIPv4(bytes);
}

/** Builds an IP packet of the version of its addresses. */
export function buildPacket(source: string, destination: string, protocol: number, payload: Uint8Array): Uint8Array {
  if (source.includes(":")) return buildIPv6({ source, destination, nextHeader: protocol, payload });
  // Never to be fragmented, so that it needs no identification (RFC 6864): what we send fits the link.
  return buildIPv4({ source, destination, protocol, payload, dontFragment: true });
}

/**
 * Tells whether an address is that of one host, so that it may be answered: RFC 1122 section 3.2.1.3, RFC 4443 section
 * 2.4 (e.6).
 */
export function isOneHost(address: string): boolean {
  if (address.includes(":")) return address !== "::" && address !== "::1" && !/^ff[0-9a-f]{2}:/.test(address);
  const first = Number.parseInt(address, 10);
  return first > 0 && first < 224 && first !== 127;
}

function fromIPv4(bytes: Uint8Array): Incoming {
  const packet = parseIPv4(bytes);
  const { source, destination, protocol, payload, fragmentOffset, moreFragments } = packet;
  const isFragment = moreFragments || fragmentOffset > 0;
  return { version: 4, source, destination, protocol, payload, isFragment, bytes };
}

function fromIPv6(bytes: Uint8Array): Incoming {
  const { source, destination, protocol, upperLayer: payload, fragment } = parseIPv6(bytes);
  // A fragment header on a packet that is whole is allowed: RFC 6946.
  const isFragment = fragment !== null && (fragment.moreFragments || fragment.offset > 0);
  return { version: 6, source, destination, protocol, payload, isFragment, bytes };
}
