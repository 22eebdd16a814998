/** The four messages of the WireGuard protocol as bytes (wireguard.com/protocol). All numbers are little endian. */

/** The first byte of a message. */
export const MessageType = { initiation: 1, response: 2, cookieReply: 3, data: 4 } as const;

// Lengths of the handshake messages.
export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;
/** Header of a data message: type, receiver index, counter. */
export const DATA_HEADER_BYTES = 16;
/** Authentication tag of a data message. */
export const TAG_BYTES = 16;
/** A data message without a packet: a keep-alive. */
export const DATA_MIN_BYTES: number = DATA_HEADER_BYTES + TAG_BYTES;
/** Packets are padded with zeros to a multiple of this, but never beyond the MTU. */
export const PADDING_BYTES = 16;

/** Places of the fields of an initiation. */
export const Initiation = {
  sender: 4,
  ephemeral: 8,
  static: 40,
  timestamp: 88,
  mac1: 116,
  mac2: 132,
} as const;

/** Places of the fields of a response. */
export const Response = {
  sender: 4,
  receiver: 8,
  ephemeral: 12,
  empty: 44,
  mac1: 60,
  mac2: 76,
} as const;

/** Places of the fields of a cookie reply. */
export const CookieReply = { receiver: 4, nonce: 8, cookie: 32 } as const;

/** Places of the fields of a data message. */
export const Data = { receiver: 4, counter: 8, packet: 16 } as const;

/** Reads an unsigned 32-bit number; the caller knows that it lies inside. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Writes a number of 32 bits, little-endian. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/**
 * Returns the type of a message whose first four bytes and whose length fit one, else undefined. The three bytes
 * behind the type must be zero, so that the type can be read as one number.
 */
export function messageType(message: Uint8Array): number | undefined {
  if (message.length < DATA_MIN_BYTES) return undefined;
  switch (readU32(message, 0)) {
    case MessageType.data:
      // Senders pad to 16, but a packet at the MTU may end anywhere.
      return MessageType.data;
    case MessageType.initiation:
      return message.length === INITIATION_BYTES ? MessageType.initiation : undefined;
    case MessageType.response:
      return message.length === RESPONSE_BYTES ? MessageType.response : undefined;
    case MessageType.cookieReply:
      return message.length === COOKIE_REPLY_BYTES ? MessageType.cookieReply : undefined;
    default:
      return undefined;
  }
}
