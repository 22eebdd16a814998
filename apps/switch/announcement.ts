/** The frame by which a station that has moved tells all switches of the LAN where it is. */

/** Least length of an Ethernet frame without its checksum (IEEE 802.3 section 3.2.8). */
const FRAME_MIN = 60;
/** Reverse ARP: every switch learns from it, no host of today answers it (RFC 903). */
const ETHERTYPE_RARP = [0x80, 0x35];
/** Ethernet, IPv4, their address lengths, and "request reverse". */
const RARP_HEADER = [0, 1, 0x08, 0x00, 6, 4, 0, 3];

/** Returns the broadcast frame that QEMU sends after a migration (qemu net/announce.c), from the given MAC address. */
export function announcement(mac: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_MIN);
  frame.fill(0xff, 0, 6);
  frame.set(mac, 6);
  frame.set(ETHERTYPE_RARP, 12);
  frame.set(RARP_HEADER, 14);
  // Source and target are the same station, without IP addresses.
  frame.set(mac, 22);
  frame.set(mac, 32);
  return frame;
}
