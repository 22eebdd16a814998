/** One readable line for a frame, as far as the frames of these examples go. */
import {
  ArpOperation,
  EtherType,
  IcmpType,
  type IPv4Packet,
  IpProtocol,
  PacketError,
  parseArp,
  parseEthernet,
  parseIcmpEcho,
  parseIPv4,
} from "../../src/packet";

export function describe(bytes: Uint8Array): string {
  try {
    return describeFrame(bytes);
  } catch (error) {
    if (error instanceof PacketError) return `malformed: ${error.message}`;
    throw error;
  }
}

function describeFrame(bytes: Uint8Array): string {
  const frame = parseEthernet(bytes);
  switch (frame.etherType) {
    case EtherType.ARP:
      return describeArp(frame.payload);
    case EtherType.IPv4:
      return describeIPv4(parseIPv4(frame.payload));
    case EtherType.IPv6:
      return `IPv6  to ${frame.destination}: the kernel looks for routers and other neighbours`;
    default:
      return `EtherType 0x${frame.etherType.toString(16).padStart(4, "0")}`;
  }
}

function describeArp(bytes: Uint8Array): string {
  const arp = parseArp(bytes);
  return arp.operation === ArpOperation.REQUEST
    ? `ARP   who has ${arp.targetIPv4}? tell ${arp.senderIPv4}`
    : `ARP   ${arp.senderIPv4} is at ${arp.senderMac}`;
}

function describeIPv4({ protocol, source, destination, payload }: IPv4Packet): string {
  if (protocol !== IpProtocol.ICMP) return `IPv4  ${source} > ${destination}: protocol ${protocol}`;
  const echo = parseIcmpEcho(payload);
  const what = echo.type === IcmpType.ECHO_REQUEST ? "echo request" : "echo reply";
  return `ICMP  ${source} > ${destination}: ${what}, id ${echo.identifier}, seq ${echo.sequenceNumber}`;
}
