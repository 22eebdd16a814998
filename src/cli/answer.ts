/** Answers for hosts that are not there: to ARP, to neighbor solicitations, and to pings of IPv4 and IPv6. Pure. */

import {
  ArpOperation,
  buildArp,
  buildEthernet,
  buildIcmp,
  buildIcmpv6,
  buildIPv4,
  buildIPv6,
  buildNeighborAdvertisement,
  EtherType,
  IcmpType,
  Icmpv6Type,
  IpProtocol,
  PacketError,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIcmpv6,
  parseIPv4,
  parseIPv6,
} from "../packet/index.ts";

/** The MAC address of every host that is answered for; locally administered. */
export const ANSWERING_MAC = "02:00:5e:00:53:02";

/** Returns the answer to a packet of a TUN or a frame of a TAP; undefined if it asks nothing, or is malformed. */
export function answerTo(bytes: Uint8Array, kind: "tun" | "tap"): Uint8Array | undefined {
  try {
    return kind === "tun" ? answerToPacket(bytes) : answerToFrame(bytes);
  } catch (error) {
    if (error instanceof PacketError) return undefined;
    throw error;
  }
}

function answerToFrame(bytes: Uint8Array): Uint8Array | undefined {
  const { etherType, source, destination, payload } = parseEthernet(bytes);
  const answer = etherType === EtherType.ARP ? answerToArp(payload) : answerToPacket(payload, destination);
  if (answer === undefined) return undefined;
  return buildEthernet({ destination: source, source: ANSWERING_MAC, etherType, payload: answer });
}

function answerToArp(bytes: Uint8Array): Uint8Array | undefined {
  const { operation, senderMac, senderIPv4, targetIPv4 } = parseArp(bytes);
  // Probes and announcements ask whether an address is free (RFC 5227 section 1.1): an answer would take it.
  const isProbe = senderIPv4 === "0.0.0.0" || senderIPv4 === targetIPv4;
  if (operation !== ArpOperation.REQUEST || isProbe) return undefined;
  const [targetMac, senderOfReply] = [senderMac, targetIPv4];
  return buildArp({
    operation: ArpOperation.REPLY,
    senderMac: ANSWERING_MAC,
    senderIPv4: senderOfReply,
    targetMac,
    targetIPv4: senderIPv4,
  });
}

/** @param mac where the frame went; none on a TUN */
function answerToPacket(bytes: Uint8Array, mac?: string): Uint8Array | undefined {
  const version = (bytes[0] ?? 0) >>> 4;
  if (version === 4) return answerToIPv4(bytes, mac);
  return version === 6 ? answerToIPv6(bytes, mac) : undefined;
}

function answerToIPv4(bytes: Uint8Array, mac: string | undefined): Uint8Array | undefined {
  const { source, destination, protocol, payload, moreFragments, fragmentOffset } = parseIPv4(bytes);
  // 224.0.0.0 and above are groups, or everybody.
  const isForOne = Number.parseInt(destination, 10) < 224 && isOurs(mac);
  if (protocol !== IpProtocol.ICMP || !isForOne || moreFragments || fragmentOffset > 0) return undefined;
  const { type, body } = parseIcmp(payload);
  if (type !== IcmpType.ECHO_REQUEST) return undefined;
  const reply = buildIcmp({ type: IcmpType.ECHO_REPLY, body });
  return buildIPv4({ source: destination, destination: source, protocol, payload: reply });
}

function answerToIPv6(bytes: Uint8Array, mac: string | undefined): Uint8Array | undefined {
  const { source, destination, protocol, upperLayer, fragment } = parseIPv6(bytes);
  if (protocol !== IpProtocol.ICMPV6 || fragment !== null) return undefined;
  const message = parseIcmpv6(upperLayer);
  if (message.type === Icmpv6Type.NEIGHBOR_SOLICITATION) return advertisement(source, message.target);
  const isEcho = message.type === Icmpv6Type.ECHO_REQUEST && !destination.startsWith("ff") && isOurs(mac);
  if (!isEcho) return undefined;
  const ends = { source: destination, destination: source };
  const payload = buildIcmpv6({ type: Icmpv6Type.ECHO_REPLY, body: message.body, ...ends });
  return buildIPv6({ ...ends, nextHeader: IpProtocol.ICMPV6, payload });
}

/** Makes the answer to a solicitation. One without a source address asks whether the target is free (RFC 4862 section 5.4): it gets none. */
function advertisement(source: string, target: string | null): Uint8Array | undefined {
  if (target === null || source === "::") return undefined;
  const ends = { source: target, destination: source };
  const options = [{ kind: "targetLinkLayerAddress", mac: ANSWERING_MAC } as const];
  const payload = buildNeighborAdvertisement({ ...ends, target, solicited: true, override: true, options });
  return buildIPv6({ ...ends, nextHeader: IpProtocol.ICMPV6, hopLimit: 255, payload });
}

function isOurs(mac: string | undefined): boolean {
  return mac === undefined || mac === ANSWERING_MAC;
}
