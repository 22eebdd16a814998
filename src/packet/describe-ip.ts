// IP packets with TCP and UDP, in the words of tcpdump's print-ip.c, print-ip6.c, print-tcp.c and print-udp.c.

import { formatIPv6, IPV6_LENGTH } from "./address-text.ts";
import { readUint16, readUint32 } from "./bytes.ts";
import { describeIcmp, describeIcmpv6, describeIgmp } from "./describe-icmp.ts";
import { orMalformed } from "./describe-malformed.ts";
import { IpProtocol } from "./ip-protocol.ts";
import { parseIPv4 } from "./ipv4.ts";
import { type IPv6Packet, parseIPv6 } from "./ipv6.ts";
import type { IPv6ExtensionHeader } from "./ipv6-extension.ts";
import { parseTcp, TcpFlag } from "./tcp.ts";
import type { TcpOption } from "./tcp-options.ts";
import { parseUdp } from "./udp.ts";

/** The addresses with the ports where tcpdump puts them: behind the addresses, or on their own where extension headers stand between. */
type Ends = (sourcePort: number, destinationPort: number) => string;

const flagLetters: readonly [flag: number, letter: string][] = [
  [TcpFlag.FIN, "F"],
  [TcpFlag.SYN, "S"],
  [TcpFlag.RST, "R"],
  [TcpFlag.PSH, "P"],
  [TcpFlag.ACK, "."],
  [TcpFlag.URG, "U"],
  [TcpFlag.ECE, "E"],
  [TcpFlag.CWR, "W"],
];

/** "IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 1, length 64" */
export function describeIPv4(bytes: Uint8Array): string {
  const { source, destination, protocol, payload, fragmentOffset, moreFragments } = parseIPv4(bytes);
  const hosts = `IP ${source} > ${destination}: `;
  if (fragmentOffset > 0) return `${hosts}ip-proto-${protocol}`;
  const ends: Ends = (from, to) => `IP ${source}.${from} > ${destination}.${to}: `;
  switch (protocol) {
    case IpProtocol.TCP:
      return orMalformed(hosts, () => describeTcp(payload, ends));
    case IpProtocol.UDP:
      return orMalformed(hosts, () => describeUdp(payload, ends, moreFragments));
    case IpProtocol.ICMP:
      return hosts + orMalformed("", () => describeIcmp(payload));
    case IpProtocol.IGMP:
      return hosts + orMalformed("", () => describeIgmp(payload));
    default:
      return `${hosts} ip-proto-${protocol} ${payload.length}`;
  }
}

/** "IP6 2001:db8::1.4321 > 2001:db8::2.80: Flags [S], seq 1, win 64240, length 0" */
export function describeIPv6(bytes: Uint8Array): string {
  const packet = parseIPv6(bytes);
  const { source, destination, protocol, upperLayer, fragment, extensionHeaders } = packet;
  const hosts = `IP6 ${source} > ${destination}: ${headerWords(packet)}`;
  if (fragment !== null && fragment.offset > 0) return hosts.trimEnd();
  const bare = extensionHeaders.length === 0;
  const ends: Ends = (from, to) =>
    bare ? `IP6 ${source}.${from} > ${destination}.${to}: ` : `${hosts}${from} > ${to}: `;
  switch (protocol) {
    case IpProtocol.TCP:
      return orMalformed(hosts, () => describeTcp(upperLayer, ends));
    case IpProtocol.UDP:
      return orMalformed(hosts, () => describeUdp(upperLayer, ends, fragment?.moreFragments ?? false));
    case IpProtocol.ICMPV6:
      return hosts + orMalformed("", () => describeIcmpv6(upperLayer));
    case IpProtocol.NO_NEXT_HEADER:
      return `${hosts}no next header`;
    default:
      return `${hosts} ip-proto-${protocol} ${upperLayer.length}`;
  }
}

function headerWords({ extensionHeaders, fragment, upperLayer }: IPv6Packet): string {
  return extensionHeaders.map((header) => headerWord(header, fragment?.offset ?? 0, upperLayer.length)).join("");
}

function headerWord({ type, bytes }: IPv6ExtensionHeader, fragmentOffset: number, rest: number): string {
  switch (type) {
    case IpProtocol.HOP_BY_HOP:
      return "HBH ";
    case IpProtocol.DESTINATION_OPTIONS:
      return "DSTOPT ";
    case IpProtocol.ROUTING:
      return routingWord(bytes);
    case IpProtocol.FRAGMENT:
      return `frag (${fragmentOffset}|${rest}) `;
    default:
      return authenticationWord(bytes);
  }
}

function describeUdp(bytes: Uint8Array, ends: Ends, fragmented: boolean): string {
  const { sourcePort, destinationPort, length } = parseUdp(bytes, { truncated: fragmented });
  return `${ends(sourcePort, destinationPort)}UDP, length ${length - 8}`;
}

function describeTcp(bytes: Uint8Array, ends: Ends): string {
  const segment = parseTcp(bytes);
  const { sourcePort, destinationPort, sequence, acknowledgment, flags, window, urgentPointer, options } = segment;
  const { length } = segment.payload;
  const letters = flagLetters.map(([flag, letter]) => ((flags & flag) === 0 ? "" : letter)).join("");
  const words = [`Flags [${letters === "" ? "none" : letters}]`];
  if (length > 0) words.push(`seq ${sequence}:${(sequence + length) % 2 ** 32}`);
  else if ((flags & (TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST)) !== 0) words.push(`seq ${sequence}`);
  if ((flags & TcpFlag.ACK) !== 0) words.push(`ack ${acknowledgment}`);
  words.push(`win ${window}`);
  if ((flags & TcpFlag.URG) !== 0) words.push(`urg ${urgentPointer}`);
  if (options.length > 0) words.push(`options [${options.map(optionWords).join(",")}]`);
  return `${ends(sourcePort, destinationPort)}${words.join(", ")}, length ${length}`;
}

function optionWords(option: TcpOption): string {
  switch (option.kind) {
    case "end":
      return "eol";
    case "nop":
      return "nop";
    case "mss":
      return `mss ${option.mss}`;
    case "windowScale":
      return `wscale ${option.shift}`;
    case "sackPermitted":
      return "sackOK";
    case "sack":
      return `sack ${option.blocks.length} ${option.blocks.map(({ start, end }) => `{${start}:${end}}`).join("")}`;
    case "timestamps":
      return `TS val ${option.value} ecr ${option.echoReply}`;
    case "unknown":
      return `unknown-${option.number}${option.data.length === 0 ? "" : ` 0x${hex(option.data)}`}`;
    case "malformed":
      return "bad opt";
  }
}

/** Types 0, 2 (RFC 6275 section 6.4) and 4 (RFC 8754 section 2) have addresses from the eighth byte on. */
function routingWord(bytes: Uint8Array): string {
  const [, length, type, segmentsLeft, lastEntry, flags] = bytes;
  let words = `len=${length}, type=${type}${type === 0 ? " [Deprecated]" : ""}, segleft=${segmentsLeft}`;
  if (type === 4) {
    const flagWord = flags === 0 ? "" : `, flags=0x${flags?.toString(16)}`;
    words += `, last-entry=${lastEntry}${flagWord}, tag=${readUint16(bytes, 6).toString(16)}`;
  }
  if (type === 0 || type === 2 || type === 4) {
    for (let at = 8; at + IPV6_LENGTH <= bytes.length; at += IPV6_LENGTH) {
      words += `, [${(at - 8) / IPV6_LENGTH}]${formatIPv6(bytes, at)}`;
    }
  }
  return `RT6 (${words}) `;
}

/** An AH may be too short for its sequence number, for only its length is checked. */
function authenticationWord(bytes: Uint8Array): string {
  const sequence = bytes.length < 12 ? "?" : `0x${readUint32(bytes, 8).toString(16)}`;
  return `AH(spi=0x${hex(bytes.subarray(4, 8))},seq=${sequence},icv=0x${hex(bytes.subarray(12))}): `;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");
}
