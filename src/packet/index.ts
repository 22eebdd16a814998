export { type ArpFields, type ArpMessage, ArpOperation, buildArp, parseArp, writeArp } from "./arp.ts";
export { checksum } from "./checksum.ts";
export { PacketError } from "./error.ts";
export {
  buildEthernet,
  type EthernetFields,
  type EthernetFrame,
  type EthernetHeader,
  EtherType,
  parseEthernet,
  type VlanTag,
  writeEthernet,
} from "./ethernet.ts";
export {
  buildIcmpEcho,
  type IcmpEchoFields,
  type IcmpEchoMessage,
  IcmpType,
  parseIcmpEcho,
  writeIcmpEcho,
} from "./icmp-echo.ts";
export { IpProtocol } from "./ip-protocol.ts";
export {
  buildIPv4,
  type IPv4Fields,
  type IPv4Header,
  type IPv4Packet,
  parseIPv4,
  writeIPv4,
} from "./ipv4.ts";
export { buildIPv6, type IPv6Fields, type IPv6Header, type IPv6Packet, parseIPv6, writeIPv6 } from "./ipv6.ts";
export type { IPv6ExtensionHeader, IPv6Fragment } from "./ipv6-extension.ts";
export type { ParseOptions } from "./parse-options.ts";
export { type IpEnds, pseudoHeaderSum } from "./pseudo-header.ts";
export { buildTcp, parseTcp, type TcpFields, TcpFlag, type TcpSegment, writeTcp } from "./tcp.ts";
export type { TcpOption } from "./tcp-options.ts";
export { buildUdp, parseUdp, type UdpDatagram, type UdpFields, writeUdp } from "./udp.ts";
export {
  type GsoType,
  parseVnetHeader,
  VNET_HEADER_LENGTH,
  type VnetHeader,
  type VnetHeaderFields,
  writeVnetHeader,
} from "./vnet-header.ts";
