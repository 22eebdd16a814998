/** All the layers of a frame, parsed; and the frame built anew of what the parsers told. */
import * as packet from "../../src/packet/index.ts";

const { EtherType, IpProtocol } = packet;

export interface Layers {
  ethernet: packet.EthernetFrame;
  arp?: packet.ArpMessage;
  ipv4?: packet.IPv4Packet;
  ipv6?: packet.IPv6Packet;
  udp?: packet.UdpDatagram;
  tcp?: packet.TcpSegment;
  icmp?: packet.IcmpMessage;
  icmpv6?: packet.Icmpv6Message;
}

export function layersOf(frame: Uint8Array): Layers {
  const ethernet = packet.parseEthernet(frame);
  const { etherType, payload } = ethernet;
  if (etherType === EtherType.ARP) return { ethernet, arp: packet.parseArp(payload) };
  if (etherType === EtherType.IPv4) {
    const ipv4 = packet.parseIPv4(payload);
    const whole = !ipv4.moreFragments && ipv4.fragmentOffset === 0;
    return { ethernet, ipv4, ...(whole ? upperLayer(ipv4.protocol, ipv4.payload) : {}) };
  }
  const ipv6 = packet.parseIPv6(payload);
  const { fragment } = ipv6;
  const whole = fragment === null || (!fragment.moreFragments && fragment.offset === 0);
  return { ethernet, ipv6, ...(whole ? upperLayer(ipv6.protocol, ipv6.upperLayer) : {}) };
}

function upperLayer(protocol: number, bytes: Uint8Array): Omit<Layers, "ethernet"> {
  if (protocol === IpProtocol.UDP) return { udp: packet.parseUdp(bytes) };
  if (protocol === IpProtocol.TCP) return { tcp: packet.parseTcp(bytes) };
  if (protocol === IpProtocol.ICMP) return { icmp: packet.parseIcmp(bytes) };
  return protocol === IpProtocol.ICMPV6 ? { icmpv6: packet.parseIcmpv6(bytes) } : {};
}

/** Nothing of the frame's own bytes is taken over but what the parsers call a payload, options or extension headers. */
export function rebuilt(frame: Uint8Array): Uint8Array {
  const layers = layersOf(frame);
  const { destination, source, vlanTags, etherType } = layers.ethernet;
  return packet.buildEthernet({ destination, source, vlanTags, etherType, payload: rebuiltPayload(layers) });
}

function rebuiltPayload({ arp, ipv4, ipv6, ...upper }: Layers): Uint8Array {
  if (arp !== undefined) {
    const { operation, senderMac, senderIPv4, targetMac, targetIPv4 } = arp;
    return packet.buildArp({ operation, senderMac, senderIPv4, targetMac, targetIPv4 });
  }
  if (ipv4 !== undefined) {
    const { dscp, ecn, identification, dontFragment, moreFragments, fragmentOffset, ttl, protocol } = ipv4;
    const { source, destination, options } = ipv4;
    const payload = rebuiltUpper({ source, destination }, upper) ?? ipv4.payload;
    const fragment = { identification, dontFragment, moreFragments, fragmentOffset };
    return packet.buildIPv4({ dscp, ecn, ...fragment, ttl, protocol, source, destination, options, payload });
  }
  const { trafficClass, flowLabel, hopLimit, nextHeader, source, destination } = ipv6!;
  const behind = rebuiltUpper({ source, destination }, upper) ?? ipv6!.upperLayer;
  const headers = ipv6!.extensionHeaders.flatMap(({ bytes }) => [...bytes]);
  const payload = Uint8Array.from([...headers, ...behind]);
  return packet.buildIPv6({ trafficClass, flowLabel, hopLimit, nextHeader, source, destination, payload });
}

function rebuiltUpper(ends: packet.IpEnds, { udp, tcp, icmp, icmpv6 }: Omit<Layers, "ethernet">): Uint8Array | null {
  if (udp !== undefined) {
    const { sourcePort, destinationPort, payload } = udp;
    const datagram = packet.buildUdp({ ...ends, sourcePort, destinationPort, payload });
    // A sender may have none over IPv4.
    if (udp.checksum === 0) datagram.set([0, 0], 6);
    return datagram;
  }
  if (tcp !== undefined) {
    const { sourcePort, destinationPort, sequence, acknowledgment, flags, window, urgentPointer } = tcp;
    const { options, payload } = tcp;
    const numbers = { sourcePort, destinationPort, sequence, acknowledgment, flags, window, urgentPointer };
    return packet.buildTcp({ ...ends, ...numbers, options, payload });
  }
  if (icmp !== undefined) return packet.buildIcmp({ type: icmp.type, code: icmp.code, body: icmp.body });
  if (icmpv6 === undefined) return null;
  return packet.buildIcmpv6({ ...ends, type: icmpv6.type, code: icmpv6.code, body: rebuiltBody(ends, icmpv6) });
}

/** Of a neighbor discovery message, of its fields and options; of others, as it is. */
function rebuiltBody(ends: packet.IpEnds, message: packet.Icmpv6Message): Uint8Array {
  const { type, body, target, router, solicited, override, options, routerAdvertisement } = message;
  const { Icmpv6Type } = packet;
  const builders: Record<number, () => Uint8Array> = {
    [Icmpv6Type.ROUTER_SOLICITATION]: () => packet.buildRouterSolicitation({ ...ends, options }),
    [Icmpv6Type.ROUTER_ADVERTISEMENT]: () =>
      packet.buildRouterAdvertisement({ ...ends, ...routerAdvertisement!, options }),
    [Icmpv6Type.NEIGHBOR_SOLICITATION]: () => packet.buildNeighborSolicitation({ ...ends, target: target!, options }),
    [Icmpv6Type.NEIGHBOR_ADVERTISEMENT]: () =>
      packet.buildNeighborAdvertisement({ ...ends, target: target!, router, solicited, override, options }),
  };
  return builders[type]?.().subarray(4) ?? body;
}
