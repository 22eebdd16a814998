import { parseArp } from "./arp.ts";
import { readUint16 } from "./bytes.ts";
import { requireBytes, wrongType, wrongValue } from "./check.ts";
import { PacketError } from "./error.ts";
import { EtherType, parseEthernet } from "./ethernet.ts";
import { parseIPv4 } from "./ipv4.ts";
import { parseIPv6 } from "./ipv6.ts";

/** Tells whether bytes are an IP packet, as of a TUN, or an Ethernet frame, as of a TAP: what `device.kind` says. */
export type FrameKind = "tun" | "tap";

const wanted = '"tun" for IP packets or "tap" for Ethernet frames';

/** `kind` if it is given, and otherwise what the bytes look like: {@link guessKind}. */
export function kindOf(bytes: Uint8Array, kind: FrameKind | undefined): FrameKind {
  requireBytes("bytes", bytes);
  if (kind === undefined) return guessKind(bytes);
  if (kind === "tun" || kind === "tap") return kind;
  throw typeof kind === "string" ? wrongValue("kind", kind, wanted) : wrongType("kind", kind, wanted);
}

/**
 * A frame if what its EtherType tells is what follows, up to the checksum of an IPv4 header. Otherwise a packet if
 * it begins with the version and ends where its length says. Of what is neither, a packet if the version alone
 * fits and the EtherType is none that we know, and a frame if not.
 *
 * A packet reads as a frame only if its source address holds an EtherType and the header of such a payload, a
 * frame as a packet only if the destination's MAC holds the version and its own length, and no payload of ours.
 */
function guessKind(bytes: Uint8Array): FrameKind {
  if (holds(() => isFrame(bytes))) return "tap";
  const version = (bytes[0] ?? 0) >>> 4;
  if (version === 4 && bytes.length >= 20 && readUint16(bytes, 2) === bytes.length) return "tun";
  if (version === 6 && bytes.length >= 40 && readUint16(bytes, 4) + 40 === bytes.length) return "tun";
  const typed = bytes.length >= 14 && isKnown(readUint16(bytes, 12));
  return (version === 4 || version === 6) && !typed ? "tun" : "tap";
}

function isFrame(bytes: Uint8Array): boolean {
  const { etherType, payload } = parseEthernet(bytes);
  if (etherType === EtherType.ARP) return parseArp(payload).operation > 0;
  if (etherType === EtherType.IPv4) return parseIPv4(payload).checksumIsValid;
  return etherType === EtherType.IPv6 && parseIPv6(payload).version === 6;
}

function isKnown(etherType: number): boolean {
  return Object.values<number>(EtherType).includes(etherType);
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch (error) {
    if (error instanceof PacketError) return false;
    throw error;
  }
}
