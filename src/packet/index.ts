export { type ArpFields, type ArpMessage, ArpOperation, buildArp, parseArp, writeArp } from "./arp.ts";
export { checksum, updateChecksum, updateUdpChecksum } from "./checksum.ts";
export { type Checksums, fillChecksums, verifyChecksums } from "./checksums.ts";
export { describe } from "./describe.ts";
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
  buildIcmp,
  buildIcmpError,
  type IcmpErrorFields,
  type IcmpFields,
  type IcmpMessage,
  parseIcmp,
  writeIcmp,
} from "./icmp.ts";
export { buildIcmpEcho, type IcmpEchoFields, type IcmpEchoMessage, parseIcmpEcho, writeIcmpEcho } from "./icmp-echo.ts";
export { IcmpType, IcmpUnreachable, Icmpv6Type, Icmpv6Unreachable } from "./icmp-type.ts";
export {
  buildIcmpv6,
  type Icmpv6Fields,
  type Icmpv6Message,
  parseIcmpv6,
  type RouterFields,
  writeIcmpv6,
} from "./icmpv6.ts";
export {
  buildIcmpv6Echo,
  buildIcmpv6Error,
  buildNeighborAdvertisement,
  buildNeighborSolicitation,
  buildRouterAdvertisement,
  buildRouterSolicitation,
  type Icmpv6EchoFields,
  type Icmpv6ErrorFields,
  type NdFields,
  type NeighborAdvertisementFields,
  type NeighborSolicitationFields,
  type RouterAdvertisementFields,
} from "./icmpv6-build.ts";
export { IpProtocol } from "./ip-protocol.ts";
export { buildIPv4, type IPv4Fields, type IPv4Header, type IPv4Packet, parseIPv4, writeIPv4 } from "./ipv4.ts";
export { buildIPv6, type IPv6Fields, type IPv6Header, type IPv6Packet, parseIPv6, writeIPv6 } from "./ipv6.ts";
export type { IPv6ExtensionHeader, IPv6Fragment } from "./ipv6-extension.ts";
export type { FrameKind } from "./kind.ts";
export type { NdOption } from "./nd-options.ts";
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
