import { readUint16 } from "./bytes.ts";
import { requireInteger, wrongValue } from "./check.ts";
import { ipToBytes } from "./ip-address.ts";

/** The two ends of a packet, both of IPv4 or both of IPv6, as text or as bytes. */
export interface IpEnds {
  /** Source address, as text or as bytes. */
  source: string | Uint8Array;
  /** Destination address, of the same version. */
  destination: string | Uint8Array;
}

/**
 * The sum of the pseudo-header that TCP, UDP and ICMPv6 checksums begin with: of IPv4, RFC 9293
 * section 3.1 and RFC 768; of IPv6, RFC 8200 section 8.1. It is what `checksum` takes as `initial`:
 * `checksum(segment, pseudoHeaderSum(source, destination, IpProtocol.TCP, segment.length))`.
 *
 * @param source As text or as bytes.
 * @param destination Of the same version; of a packet with an IPv6 routing header, the last one.
 * @param protocol What follows the extension headers: an `IpProtocol`, or any other value.
 * @param lengthBytes Of that protocol's header and payload.
 * @returns A sum of 16-bit words, not complemented.
 * @throws {TypeError | RangeError} If an argument is wrong.
 */
export function pseudoHeaderSum(
  source: string | Uint8Array,
  destination: string | Uint8Array,
  protocol: number,
  lengthBytes: number,
): number {
  const from = ipToBytes("source", source);
  const to = ipToBytes("destination", destination);
  if (from.length !== to.length) {
    throw wrongValue("destination", destination, `an address of IPv${from.length === 4 ? 4 : 6}, as "source" is`);
  }
  requireInteger("protocol", protocol, 0, 0xff);
  requireInteger("lengthBytes", lengthBytes, 0, 0xffff_ffff);
  let sum = protocol + Math.floor(lengthBytes / 0x1_0000) + (lengthBytes % 0x1_0000);
  for (let i = 0; i < from.length; i += 2) sum += readUint16(from, i) + readUint16(to, i);
  return sum;
}
