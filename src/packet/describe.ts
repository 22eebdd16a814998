import { ArpOperation, parseArp } from "./arp.ts";
import { describeIPv4, describeIPv6 } from "./describe-ip.ts";
import { orMalformed } from "./describe-malformed.ts";
import { type EthernetFrame, EtherType, parseEthernet, type VlanTag } from "./ethernet.ts";
import { type FrameKind, kindOf } from "./kind.ts";

/**
 * One readable line for a packet or frame, worded as `tcpdump -n -S` words it:
 *
 * ```
 * IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64
 * IP6 2001:db8::1.4321 > 2001:db8::2.80: Flags [S], seq 1, win 64240, options [mss 1460], length 0
 * ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28
 * vlan 5, p 0, IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64
 * ```
 *
 * Never throws, whatever the bytes are: what is malformed is said in the line. Not as in tcpdump: VLAN tags are
 * named, as with its `-e`; sequence numbers are those on the wire, as with its `-S`, for a line knows no other
 * packets; what is in UDP and TCP is not looked into, whatever the port; other protocols, TCP options and ARP
 * operations than those of this library go by their numbers; and what is malformed is told in this library's words.
 *
 * @param kind What the bytes are: `device.kind`. Without it, what they look like. They are a frame if its EtherType
 *   is ARP, IPv4 or IPv6 and such a header follows, an IPv4 one with the right checksum; a packet if they begin with
 *   its version and have the length that its header tells. That is safe but for addresses made to deceive. Of
 *   malformed bytes, it may be wrong.
 * @throws {TypeError | RangeError} If `bytes` is not a `Uint8Array`, or `kind` something else.
 */
export function describe(bytes: Uint8Array, kind?: FrameKind): string {
  const known = kindOf(bytes, kind);
  return orMalformed("", () => (known === "tun" ? describePacket(bytes) : describeFrame(bytes)));
}

function describePacket(bytes: Uint8Array): string {
  const version = (bytes[0] ?? 0) >>> 4;
  if (version === 4) return orMalformed("IP ", () => describeIPv4(bytes));
  if (version === 6) return orMalformed("IP6 ", () => describeIPv6(bytes));
  return bytes.length === 0 ? "malformed: no bytes" : `unknown IP version ${version}, length ${bytes.length}`;
}

function describeFrame(bytes: Uint8Array): string {
  const frame = parseEthernet(bytes);
  return frame.vlanTags.map(tagWords).join("") + describePayload(frame);
}

function describePayload({ etherType, payload, headerLength, source, destination }: EthernetFrame): string {
  switch (etherType) {
    case EtherType.IPv4:
      return orMalformed("IP ", () => describeIPv4(payload));
    case EtherType.IPv6:
      return orMalformed("IP6 ", () => describeIPv6(payload));
    case EtherType.ARP:
      return orMalformed("ARP, ", () => describeArp(payload));
    default: {
      // IEEE 802.3 section 3.2.6: up to 1500 it is a length.
      const type = etherType < 0x0600 ? "802.3" : `ethertype Unknown (0x${etherType.toString(16).padStart(4, "0")})`;
      return `${source} > ${destination}, ${type}, length ${headerLength + payload.length}`;
    }
  }
}

function tagWords({ vid, pcp, dei }: VlanTag): string {
  return `vlan ${vid}, p ${pcp}${dei ? ", DEI" : ""}, `;
}

/** Describes an ARP message in the words of tcpdump's print-arp.c. */
function describeArp(bytes: Uint8Array): string {
  const { operation, senderMac, senderIPv4, targetMac, targetMacBytes, targetIPv4 } = parseArp(bytes);
  const length = `length ${bytes.length}`;
  if (operation === ArpOperation.REQUEST) {
    const known = targetMacBytes.some((octet) => octet !== 0) ? ` (${targetMac})` : "";
    return `ARP, Request who-has ${targetIPv4}${known} tell ${senderIPv4}, ${length}`;
  }
  if (operation === ArpOperation.REPLY) return `ARP, Reply ${senderIPv4} is-at ${senderMac}, ${length}`;
  return `ARP, Unknown (${operation}), ${length}`;
}
