// The checksums of a whole packet: of its IPv4 header, and of what is behind the IP header.

import { IPV6_LENGTH } from "./address-text.ts";
import { readUint16, writeUint16 } from "./bytes.ts";
import { requireBytes } from "./check.ts";
import { checksumOfRange, udpChecksum } from "./checksum.ts";
import { EtherType, parseEthernet } from "./ethernet.ts";
import { parseIcmp } from "./icmp.ts";
import { parseIcmpv6 } from "./icmpv6.ts";
import { IpProtocol } from "./ip-protocol.ts";
import { type IPv4Packet, parseIPv4 } from "./ipv4.ts";
import { type IPv6Packet, parseIPv6 } from "./ipv6.ts";
import { type FrameKind, kindOf } from "./kind.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import { parseTcp } from "./tcp.ts";
import { parseUdp } from "./udp.ts";

/** The checksums of a packet, and whether they are right. */
export interface Checksums {
  /** Tells whether the checksum of the IPv4 header is right; null for anything but IPv4. */
  readonly ipHeader: boolean | null;
  /**
   * Tells whether the checksum of TCP, UDP, ICMP or ICMPv6 is right. Null if there is none to check: another protocol, a
   * fragment, UDP over IPv4 with a checksum of zero.
   */
  readonly upperLayer: boolean | null;
  /** That none is wrong. */
  readonly valid: boolean;
}

/** A checksum, and what it covers. */
interface Covered {
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** The pseudo-header's sum, or 0. */
  readonly initial: number;
  readonly isUdp: boolean;
}

const IPV4_CHECKSUM = 10;
const ICMP_CHECKSUM = 2;
const UDP_CHECKSUM = 6;
const TCP_CHECKSUM = 16;

/**
 * Tells whether the checksums of an IP packet, or of the one in an Ethernet frame, are right.
 *
 * A packet of this machine's own may have none yet: with `offload: { raw: true }`, `needsChecksum` of its
 * `VnetHeader` says so.
 *
 * @param kind What the bytes are: `device.kind`. Without it, what they look like, as {@link describe} has it.
 * @throws {PacketError} If the packet is malformed.
 * @throws {TypeError | RangeError} If an argument is wrong.
 */
export function verifyChecksums(bytes: Uint8Array, kind?: FrameKind): Checksums {
  const packet = packetIn(bytes, kindOf(bytes, kind));
  if (packet === null) return { ipHeader: null, upperLayer: null, valid: true };
  const ipHeader = "checksumIsValid" in packet ? packet.checksumIsValid : null;
  const covered = coveredIn(packet);
  const upperLayer = covered === null ? null : isRight(covered, ipHeader === null);
  return { ipHeader, upperLayer, valid: ipHeader !== false && upperLayer !== false };
}

/**
 * Computes the checksums of an IP packet where they belong: of the IPv4 header, and of TCP, UDP, ICMP or ICMPv6.
 * What is behind the header of a fragment is left as it is, and so are other protocols. Nothing is written if the
 * packet is malformed.
 *
 * @param packet Of a frame: `parseEthernet(frame).payload`.
 * @throws {PacketError} If the packet is malformed.
 * @throws {TypeError} If `packet` is not a `Uint8Array`.
 */
export function fillChecksums(packet: Uint8Array): void {
  const parsed = packetIn(requireBytes("packet", packet), "tun");
  if (parsed === null) return;
  const covered = coveredIn(parsed);
  if (covered !== null) {
    const { bytes, offset, initial, isUdp } = covered;
    writeUint16(bytes, offset, 0);
    const value = checksumOfRange(bytes, 0, bytes.length, initial);
    writeUint16(bytes, offset, isUdp ? udpChecksum(value) : value);
  }
  if (!("headerLength" in parsed)) return;
  writeUint16(packet, IPV4_CHECKSUM, 0);
  writeUint16(packet, IPV4_CHECKSUM, checksumOfRange(packet, 0, parsed.headerLength));
}

/** Views the IP packet in a frame; returns null if there is none. */
function packetIn(bytes: Uint8Array, kind: FrameKind): IPv4Packet | IPv6Packet | null {
  if (kind === "tun") {
    const version = (bytes[0] ?? 0) >>> 4;
    return version === 6 ? parseIPv6(bytes) : parseIPv4(bytes);
  }
  const { etherType, payload } = parseEthernet(bytes);
  if (etherType === EtherType.IPv4) return parseIPv4(payload);
  return etherType === EtherType.IPv6 ? parseIPv6(payload) : null;
}

function isRight({ bytes, offset, initial, isUdp }: Covered, isIPv6: boolean): boolean | null {
  // RFC 8200 section 8.1: over IPv6, UDP has to have one.
  if (isUdp && readUint16(bytes, offset) === 0) return isIPv6 ? false : null;
  return checksumOfRange(bytes, 0, bytes.length, initial) === 0;
}

function coveredIn(packet: IPv4Packet | IPv6Packet): Covered | null {
  if ("upperLayer" in packet) {
    const destination = finalDestination(packet);
    if (isFragment(packet) || destination === null) return null;
    const { protocol, upperLayer, sourceBytes } = packet;
    if (protocol === IpProtocol.ICMP) return null;
    return covering(protocol, upperLayer, (length) => pseudoHeaderSum(sourceBytes, destination, protocol, length));
  }
  const { moreFragments, fragmentOffset, protocol, payload, sourceBytes, destinationBytes } = packet;
  if (moreFragments || fragmentOffset > 0 || protocol === IpProtocol.ICMPV6) return null;
  return covering(protocol, payload, (length) => pseudoHeaderSum(sourceBytes, destinationBytes, protocol, length));
}

function covering(
  protocol: number,
  upperLayer: Uint8Array,
  pseudoHeader: (lengthBytes: number) => number,
): Covered | null {
  switch (protocol) {
    case IpProtocol.ICMP:
      parseIcmp(upperLayer);
      return { bytes: upperLayer, offset: ICMP_CHECKSUM, initial: 0, isUdp: false };
    case IpProtocol.UDP: {
      const bytes = upperLayer.subarray(0, parseUdp(upperLayer).length);
      return { bytes, offset: UDP_CHECKSUM, initial: pseudoHeader(bytes.length), isUdp: true };
    }
    case IpProtocol.TCP:
      parseTcp(upperLayer);
      return { bytes: upperLayer, offset: TCP_CHECKSUM, initial: pseudoHeader(upperLayer.length), isUdp: false };
    case IpProtocol.ICMPV6:
      parseIcmpv6(upperLayer);
      return { bytes: upperLayer, offset: ICMP_CHECKSUM, initial: pseudoHeader(upperLayer.length), isUdp: false };
    default:
      return null;
  }
}

/** Tells whether a packet is a fragment: one with a fragment header may be whole (RFC 6946). */
function isFragment({ fragment }: IPv6Packet): boolean {
  return fragment !== null && (fragment.moreFragments || fragment.offset > 0);
}

/**
 * Returns the destination of the pseudo-header: the last one, which a routing header holds until the packet is there
 * (RFC 8200 section 8.1). Null for a routing header of a type that is not known.
 */
function finalDestination(packet: IPv6Packet): Uint8Array | null {
  const routing = packet.extensionHeaders.find(({ type }) => type === IpProtocol.ROUTING)?.bytes;
  if (routing === undefined || routing[3] === 0) return packet.destinationBytes;
  const [, , type] = routing;
  // Mobile IPv6 (RFC 6275 section 6.4) has one address; segment routing (RFC 8754 section 2) has the last one first.
  const at = type === 2 || type === 4 ? 8 : type === 0 ? routing.length - IPV6_LENGTH : -1;
  return at >= 8 && at + IPV6_LENGTH <= routing.length ? routing.subarray(at, at + IPV6_LENGTH) : null;
}
