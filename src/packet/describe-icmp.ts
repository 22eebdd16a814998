// ICMP, ICMPv6 and IGMP in the words of tcpdump's print-icmp.c, print-icmp6.c and print-igmp.c.

import { formatIPv4, formatIPv6, IPV6_LENGTH } from "./address-text.ts";
import { readUint16 } from "./bytes.ts";
import { PacketError } from "./error.ts";
import { type IcmpMessage, parseIcmp } from "./icmp.ts";
import { IcmpType, IcmpUnreachable, Icmpv6Type, Icmpv6Unreachable } from "./icmp-type.ts";
import { type Icmpv6Message, parseIcmpv6 } from "./icmpv6.ts";
import { IpProtocol } from "./ip-protocol.ts";
import { parseIPv4 } from "./ipv4.ts";
import { parseIPv6 } from "./ipv6.ts";

/** Facts about the packet that an error quotes. */
interface Quoted {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Null if the quote ends before it, or the protocol has none. */
  readonly port: number | null;
}

const unreachable: readonly string[] = [
  ...["net % unreachable", "host % unreachable", "", "", "", "% unreachable - source route failed"],
  ...["net % unreachable - unknown", "host % unreachable - unknown", "% unreachable - source host isolated"],
  ...["net % unreachable - admin prohibited", "host % unreachable - admin prohibited"],
  ...["net % unreachable - tos prohibited", "host % unreachable - tos prohibited"],
  ...["host % unreachable - admin prohibited filter", "host % unreachable - host precedence violation"],
  "host % unreachable - precedence cutoff",
];
const redirects: readonly string[] = [
  "redirect % to net",
  "redirect % to host",
  "redirect-tos % to net",
  "redirect-tos % to host",
];
const otherTypes: Record<number, string> = {
  4: "source quench",
  [IcmpType.ROUTER_ADVERTISEMENT]: "router advertisement",
  [IcmpType.ROUTER_SOLICITATION]: "router solicitation",
  15: "information request",
  16: "information reply",
  17: "address mask request",
};
const exceeded: readonly string[] = ["time exceeded in-transit", "ip reassembly time exceeded"];

const problems: readonly string[] = ["erroneous", "next header", "option", "incomplete header chain"];
const listenerNames: Record<number, string> = {
  [Icmpv6Type.LISTENER_QUERY]: "multicast listener query",
  [Icmpv6Type.LISTENER_REPORT]: "multicast listener report",
  [Icmpv6Type.LISTENER_DONE]: "multicast listener done",
};

/** "ICMP echo request, id 1, seq 1, length 64" */
export function describeIcmp(bytes: Uint8Array): string {
  return `ICMP ${icmpWords(parseIcmp(bytes))}, length ${bytes.length}`;
}

function icmpWords(message: IcmpMessage): string {
  const { type, code, identifier, sequenceNumber, original, pointer, gateway } = message;
  const numbers = `id ${identifier}, seq ${sequenceNumber}`;
  switch (type) {
    case IcmpType.ECHO_REQUEST:
      return `echo request, ${numbers}`;
    case IcmpType.ECHO_REPLY:
      return `echo reply, ${numbers}`;
    case IcmpType.TIMESTAMP:
      return `time stamp query ${numbers.replace(",", "")}`;
    case IcmpType.TIMESTAMP_REPLY:
      return `time stamp reply ${numbers.replace(",", "")}`;
    case IcmpType.DESTINATION_UNREACHABLE:
      return unreachableWords(code, message.mtu ?? 0, quotedIPv4(original));
    case IcmpType.REDIRECT:
      return `${(redirects[code] ?? `redirect-#${code} % to`).replace("%", quotedIPv4(original).destination)} ${gateway}`;
    case IcmpType.TIME_EXCEEDED:
      return exceeded[code] ?? `time exceeded-#${code}`;
    case IcmpType.PARAMETER_PROBLEM:
      return code === 0 ? `parameter problem - octet ${pointer}` : `parameter problem - code ${code}`;
    default:
      return otherTypes[type] ?? `type-#${type}`;
  }
}

function unreachableWords(code: number, mtu: number, { destination, protocol, port }: Quoted): string {
  switch (code) {
    case IcmpUnreachable.PROTOCOL:
      return `${destination} protocol ${protocol} unreachable`;
    case IcmpUnreachable.PORT:
      return `${destination} ${portWords(protocol, port)} unreachable`;
    case IcmpUnreachable.FRAGMENTATION_NEEDED:
      return `${destination} unreachable - need to frag${mtu === 0 ? "" : ` (mtu ${mtu})`}`;
    default:
      return unreachable[code]?.replace("%", destination) ?? `${destination} unreachable - #${code}`;
  }
}

/** "ICMP6, echo request, id 1, seq 1, length 64" */
export function describeIcmpv6(bytes: Uint8Array): string {
  const message = parseIcmpv6(bytes);
  return `ICMP6, ${icmpv6Words(message, bytes)}, length ${bytes.length}`;
}

function icmpv6Words(message: Icmpv6Message, bytes: Uint8Array): string {
  const { type, identifier, sequenceNumber, mtu, target, redirectDestination } = message;
  switch (type) {
    case Icmpv6Type.DESTINATION_UNREACHABLE:
    case Icmpv6Type.TIME_EXCEEDED:
    case Icmpv6Type.PARAMETER_PROBLEM:
      return icmpv6ErrorWords(message);
    case Icmpv6Type.PACKET_TOO_BIG:
      return `packet too big, mtu ${mtu}`;
    case Icmpv6Type.ECHO_REQUEST:
      return `echo request, id ${identifier}, seq ${sequenceNumber}`;
    case Icmpv6Type.ECHO_REPLY:
      return `echo reply, id ${identifier}, seq ${sequenceNumber}`;
    case Icmpv6Type.ROUTER_SOLICITATION:
      return "router solicitation";
    case Icmpv6Type.ROUTER_ADVERTISEMENT:
      return "router advertisement";
    case Icmpv6Type.NEIGHBOR_SOLICITATION:
      return `neighbor solicitation, who has ${target}`;
    case Icmpv6Type.NEIGHBOR_ADVERTISEMENT:
      return `neighbor advertisement, tgt is ${target}`;
    case Icmpv6Type.REDIRECT:
      return `redirect, ${redirectDestination} to ${target}`;
    default:
      return listenerWords(type, bytes);
  }
}

function icmpv6ErrorWords({ type, code, pointer, original }: Icmpv6Message): string {
  if (type === Icmpv6Type.PARAMETER_PROBLEM) {
    const what = problems[code];
    return what === undefined ? `parameter problem, code-#${code}` : `parameter problem, ${what} - octet ${pointer}`;
  }
  const { source, destination, protocol, port } = quotedIPv6(original);
  if (type === Icmpv6Type.TIME_EXCEEDED) {
    const what = [` for ${destination}`, " (reassembly)"][code] ?? `, unknown code (${code})`;
    return `time exceeded in-transit${what}`;
  }
  switch (code) {
    case Icmpv6Unreachable.NO_ROUTE:
      return `destination unreachable, unreachable route ${destination}`;
    case Icmpv6Unreachable.PROHIBITED:
      return `destination unreachable, unreachable prohibited ${destination}`;
    case Icmpv6Unreachable.BEYOND_SCOPE:
      return `destination unreachable, beyond scope ${destination}, source address ${source}`;
    case Icmpv6Unreachable.ADDRESS:
      return `destination unreachable, unreachable address ${destination}`;
    case Icmpv6Unreachable.PORT:
      return `destination unreachable, unreachable port, ${destination} ${portWords(protocol, port)}`;
    default:
      return `destination unreachable, unknown unreach code (${code})`;
  }
}

/** Describes messages of multicast listener discovery, RFC 2710 and RFC 9777. */
function listenerWords(type: number, bytes: Uint8Array): string {
  const name = listenerNames[type];
  if (name !== undefined) {
    requireLength("ICMPv6", bytes, 8 + IPV6_LENGTH);
    const group = formatIPv6(bytes, 8);
    const isV2 = type === Icmpv6Type.LISTENER_QUERY && bytes.length > 8 + IPV6_LENGTH;
    return isV2 ? `${name} v2 [gaddr ${group}]` : `${name} max resp delay: ${readUint16(bytes, 4)} addr: ${group}`;
  }
  if (type !== Icmpv6Type.LISTENER_REPORT_V2) return `unknown icmp6 type (${type})`;
  requireLength("ICMPv6", bytes, 8);
  return `multicast listener report v2, ${readUint16(bytes, 6)} group record(s)`;
}

/** Describes a message of IGMP, RFC 2236 and RFC 9776: "igmp v3 report, 1 group record(s)". */
export function describeIgmp(bytes: Uint8Array): string {
  requireLength("IGMP", bytes, 8);
  const type = bytes[0] as number;
  const group = formatIPv4(bytes, 4);
  switch (type) {
    case 0x11: {
      const version = bytes.length >= 12 ? 3 : bytes[1] === 0 ? 1 : 2;
      return `igmp query v${version}${group === "0.0.0.0" ? "" : ` [gaddr ${group}]`}`;
    }
    case 0x12:
      return `igmp v1 report ${group}`;
    case 0x16:
      return `igmp v2 report ${group}`;
    case 0x17:
      return `igmp leave ${group}`;
    case 0x22:
      return `igmp v3 report, ${readUint16(bytes, 6)} group record(s)`;
    default:
      return `igmp-${type}`;
  }
}

function requireLength(protocol: string, { length }: Uint8Array, least: number): void {
  if (length < least) throw new PacketError(protocol, length, `${length} bytes`, `at least ${least}`);
}

function quotedIPv4(original: Uint8Array | null): Quoted {
  const { source, destination, protocol, payload } = parseIPv4(original ?? new Uint8Array(0), { truncated: true });
  return { source, destination, protocol, port: destinationPort(payload) };
}

function quotedIPv6(original: Uint8Array | null): Quoted {
  const packet = parseIPv6(original ?? new Uint8Array(0), { truncated: true });
  const { source, destination, protocol, upperLayer } = packet;
  return { source, destination, protocol, port: destinationPort(upperLayer) };
}

/** Reads the destination port, which TCP and UDP have at the same place. */
function destinationPort(upperLayer: Uint8Array): number | null {
  return upperLayer.length < 4 ? null : readUint16(upperLayer, 2);
}

function portWords(protocol: number, port: number | null): string {
  if (protocol === IpProtocol.TCP) return `tcp port ${port ?? "?"}`;
  if (protocol === IpProtocol.UDP) return `udp port ${port ?? "?"}`;
  return `protocol ${protocol} port ${port ?? "?"}`;
}
