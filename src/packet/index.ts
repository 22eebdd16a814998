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
export {
  buildIPv4,
  type IPv4Fields,
  type IPv4Header,
  type IPv4Packet,
  IpProtocol,
  parseIPv4,
  writeIPv4,
} from "./ipv4.ts";
export {
  type GsoType,
  parseVnetHeader,
  VNET_HEADER_LENGTH,
  type VnetHeader,
  type VnetHeaderFields,
  writeVnetHeader,
} from "./vnet-header.ts";
