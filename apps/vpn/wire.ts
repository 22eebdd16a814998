/**
 * What goes over UDP. The layout is WireGuard's as far as it goes (its white
 * paper, section 5.4), numbers little-endian:
 *
 *   initiation  type 1 | sender's index | time, 8 | ephemeral key, 32 | MAC, 32
 *   response    type 2 | sender's index | receiver's index | ephemeral key, 32 | MAC, 32
 *   data        type 4 | receiver's index | counter, 8 | encrypted packet | tag, 16
 *
 * Type and indexes have 4 bytes. An empty packet is a keep-alive.
 */
export const MessageType = { INITIATION: 1, RESPONSE: 2, DATA: 4 } as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const KEY_LENGTH = 32;
export const MAC_LENGTH = 32;
export const INITIATION_LENGTH = 80;
export const RESPONSE_LENGTH = 76;
export const DATA_HEADER_LENGTH = 16;
export const TAG_LENGTH = 16;
/** What an encrypted packet is longer by. */
export const OVERHEAD: number = DATA_HEADER_LENGTH + TAG_LENGTH;

const IPV6_HEADER_LENGTH = 40;
const UDP_HEADER_LENGTH = 8;

/** The largest packet whose datagram fits a path of `pathMtu` bytes, over IPv4 or IPv6: 1420 for Ethernet. */
export function innerMtu(pathMtu: number): number {
  return pathMtu - IPV6_HEADER_LENGTH - UDP_HEADER_LENGTH - OVERHEAD;
}

/** What a datagram says it is, if it is as long as that has to be. Four bytes of type leave no bit unchecked. */
export function typeOf(datagram: Buffer): MessageType | undefined {
  const { length } = datagram;
  if (length < 4) return undefined;
  const type = datagram.readUInt32LE(0);
  if (type === MessageType.DATA) return length >= OVERHEAD ? type : undefined;
  if (type === MessageType.INITIATION) return length === INITIATION_LENGTH ? type : undefined;
  if (type === MessageType.RESPONSE) return length === RESPONSE_LENGTH ? type : undefined;
  return undefined;
}
