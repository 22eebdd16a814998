/** Tells the protocol and the sender of frames, for the shares and the talkers of the page. */
import { EtherType, IpProtocol, parseArp, parseEthernet, parseIPv4, parseIPv6 } from "../../src/packet/index.ts";

/** Protocol and sender of a frame. */
export interface Class {
  protocol: string;
  sender: string;
}

/** Classifies a frame. Never throws: a malformed frame is "other". */
export function classify(frame: Uint8Array, kind: "tun" | "tap"): Class {
  try {
    return kind === "tap" ? ofFrame(frame) : ofPacket(frame, "other");
  } catch {
    return { protocol: "other", sender: "malformed" };
  }
}

function ofFrame(frame: Uint8Array): Class {
  const { etherType, payload, source } = parseEthernet(frame);
  if (etherType === EtherType.ARP) return { protocol: "ARP", sender: parseArp(payload).senderIPv4 };
  if (etherType === EtherType.IPv4 || etherType === EtherType.IPv6) return ofPacket(payload, source);
  return { protocol: "other", sender: source };
}

function ofPacket(packet: Uint8Array, otherwise: string): Class {
  const version = (packet[0] ?? 0) >> 4;
  if (version !== 4 && version !== 6) return { protocol: "other", sender: otherwise };
  const { protocol, source } = version === 4 ? parseIPv4(packet) : parseIPv6(packet);
  return { protocol: names.get(protocol) ?? `IPv${version}`, sender: source };
}

const names: ReadonlyMap<number, string> = new Map([
  [IpProtocol.TCP, "TCP"],
  [IpProtocol.UDP, "UDP"],
  [IpProtocol.ICMP, "ICMP"],
  [IpProtocol.ICMPV6, "ICMPv6"],
]);
