/**
 * A packet for the peer's own address would go round for ever: into the
 * tunnel, out of it as a datagram to that address, and by the same route into
 * the tunnel again. So it is where a route covers the peer, or where a peer,
 * or somebody who sends its datagrams on, has moved to such an address.
 */
import { buildIPv4, buildIPv6, IpProtocol, parseIPv4, parseIPv6 } from "../../src/packet/index.ts";

const DESTINATION = { 4: 16, 6: 24 } as const;
const MAPPED_PREFIX = "::ffff:";

/** The address as it is in a packet; without the zone of a link-local one, and of an IPv4 one mapped into IPv6 that. */
export function addressBytes(address: string): Uint8Array {
  const text =
    address.startsWith(MAPPED_PREFIX) && address.includes(".") ? address.slice(MAPPED_PREFIX.length) : address;
  const [plain = ""] = text.split("%");
  const both = { source: plain, destination: plain, payload: new Uint8Array(0) };
  return plain.includes(":")
    ? parseIPv6(buildIPv6({ ...both, nextHeader: IpProtocol.NO_NEXT_HEADER })).destinationBytes
    : parseIPv4(buildIPv4({ ...both, protocol: IpProtocol.UDP })).destinationBytes;
}

/** Whether a packet is for an address, of `addressBytes`. */
export function isFor(address: Uint8Array, packet: Uint8Array): boolean {
  const version = address.length === 4 ? 4 : 6;
  const at = DESTINATION[version];
  return (packet[0] as number) >> 4 === version && address.every((octet, i) => octet === packet[at + i]);
}
