/** Explicit congestion notification across the tunnel, RFC 6040 section 4: the two low bits of the traffic class. */

/** The two bits of ECN in the byte of IP that holds them (RFC 3168 section 5). */
export const ECN_MASK = 3;
const NOT_ECT = 0;
const ECT_1 = 1;
const CE = 3;

/** Returns the ECN bits of an IPv4 or IPv6 packet. */
export function ecnOf(packet: Uint8Array): number {
  const first = packet[0] as number;
  return first >>> 4 === 6 ? ((packet[1] as number) >>> 4) & ECN_MASK : (packet[1] as number) & ECN_MASK;
}

/**
 * Puts what the outer header said into the inner one (RFC 6040 section 4.2, figure 4). Returns false for a packet
 * that must be dropped: congestion was met, and its sender would not understand the mark.
 */
export function decapsulate(packet: Uint8Array, outer: number): boolean {
  const inner = ecnOf(packet);
  if (outer === CE) {
    if (inner === NOT_ECT) return false;
    if (inner !== CE) setEcn(packet, CE);
  } else if (outer === ECT_1 && inner === 2) {
    setEcn(packet, ECT_1);
  }
  return true;
}

function setEcn(packet: Uint8Array, ecn: number): void {
  const second = packet[1] as number;
  if ((packet[0] as number) >>> 4 === 6) {
    packet[1] = (second & ~(ECN_MASK << 4)) | (ecn << 4);
    return;
  }
  packet[1] = (second & ~ECN_MASK) | ecn;
  const before = ((packet[0] as number) << 8) | second;
  const after = ((packet[0] as number) << 8) | (packet[1] as number);
  // RFC 1624: HC' = ~(~HC + ~m + m').
  let sum = (~(((packet[10] as number) << 8) | (packet[11] as number)) & 0xffff) + (~before & 0xffff) + after;
  sum = (sum & 0xffff) + (sum >>> 16);
  sum = ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
  packet[10] = sum >>> 8;
  packet[11] = sum;
}
