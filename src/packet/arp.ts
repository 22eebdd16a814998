import { formatIPv4, formatMac, IPV4_LENGTH, MAC_LENGTH } from "./address-text.ts";
import { readUint16, writeUint16, writeUint32 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom } from "./check.ts";
import { PacketError } from "./error.ts";
import { EtherType } from "./ethernet.ts";
import { ipv4ToNumber } from "./ipv4-address.ts";
import { macToNumber, writeMac } from "./mac-address.ts";
import { showByFields } from "./show.ts";

/** Values of the operation field (ar$op), RFC 826. */
export const ArpOperation = {
  /** Asks who has the target IPv4 address. */
  REQUEST: 1,
  /** Tells who has it. */
  REPLY: 2,
} as const;

/** Fields of an ARP message for IPv4 over Ethernet. */
export interface ArpFields {
  /** One of {@link ArpOperation}, or any other 16-bit value. */
  operation: number;
  /** Sender hardware address (ar$sha), as text ("02:00:5e:00:53:01") or as 6 bytes. */
  senderMac: string | Uint8Array;
  /** Sender protocol address (ar$spa), as text ("192.0.2.1") or as 4 bytes. */
  senderIPv4: string | Uint8Array;
  /** Target hardware address (ar$tha); zeros, by custom, in a request. */
  targetMac: string | Uint8Array;
  /** Target protocol address (ar$tpa): in a request, the one asked for. */
  targetIPv4: string | Uint8Array;
}

const PROTOCOL = "ARP";
const HARDWARE_TYPE = 0;
const PROTOCOL_TYPE = 2;
const HARDWARE_LENGTH = 4;
const PROTOCOL_LENGTH = 5;
const OPERATION = 6;
const SENDER_MAC = 8;
const SENDER_IPV4 = 14;
const TARGET_MAC = 18;
const TARGET_IPV4 = 24;
const MESSAGE_LENGTH = 28;
const HARDWARE_TYPE_ETHERNET = 1;

/**
 * A view of an ARP message: nothing is copied, and the getters read the bytes as they are when
 * asked. Whatever becomes of the bytes later, no getter reads outside of them.
 */
export class ArpMessage implements ArpFields {
  static {
    showByFields(ArpMessage.prototype);
  }

  readonly #bytes: Uint8Array;

  /** Views `bytes`; see {@link parseArp}. */
  constructor(bytes: Uint8Array) {
    const { length } = requireBytes("bytes", bytes);
    if (length < MESSAGE_LENGTH) {
      throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${MESSAGE_LENGTH}`);
    }
    requireSame(HARDWARE_TYPE, "hardware type", readUint16(bytes, HARDWARE_TYPE), HARDWARE_TYPE_ETHERNET);
    requireSame(PROTOCOL_TYPE, "protocol type", readUint16(bytes, PROTOCOL_TYPE), EtherType.IPv4);
    requireSame(HARDWARE_LENGTH, "hardware address length", bytes[HARDWARE_LENGTH], MAC_LENGTH);
    requireSame(PROTOCOL_LENGTH, "protocol address length", bytes[PROTOCOL_LENGTH], IPV4_LENGTH);
    this.#bytes = bytes;
  }

  /** One of {@link ArpOperation}, or any other 16-bit value. */
  get operation(): number {
    return readUint16(this.#bytes, OPERATION);
  }

  /** Sender hardware address (ar$sha) as text: "02:00:5e:00:53:01". */
  get senderMac(): string {
    return formatMac(this.#bytes, SENDER_MAC);
  }

  /** Sender hardware address: 6 bytes of the message itself. */
  get senderMacBytes(): Uint8Array {
    return this.#bytes.subarray(SENDER_MAC, SENDER_MAC + MAC_LENGTH);
  }

  /** Sender protocol address (ar$spa) as text: "192.0.2.1". */
  get senderIPv4(): string {
    return formatIPv4(this.#bytes, SENDER_IPV4);
  }

  /** Sender protocol address: 4 bytes of the message itself. */
  get senderIPv4Bytes(): Uint8Array {
    return this.#bytes.subarray(SENDER_IPV4, SENDER_IPV4 + IPV4_LENGTH);
  }

  /** Target hardware address (ar$tha) as text; of no meaning in a request. */
  get targetMac(): string {
    return formatMac(this.#bytes, TARGET_MAC);
  }

  /** Target hardware address: 6 bytes of the message itself. */
  get targetMacBytes(): Uint8Array {
    return this.#bytes.subarray(TARGET_MAC, TARGET_MAC + MAC_LENGTH);
  }

  /** Target protocol address (ar$tpa) as text: "192.0.2.1". */
  get targetIPv4(): string {
    return formatIPv4(this.#bytes, TARGET_IPV4);
  }

  /** Target protocol address: 4 bytes of the message itself. */
  get targetIPv4Bytes(): Uint8Array {
    return this.#bytes.subarray(TARGET_IPV4, TARGET_IPV4 + IPV4_LENGTH);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { operation, senderMac, senderIPv4, targetMac, targetIPv4 } = this;
    return { operation, senderMac, senderIPv4, targetMac, targetIPv4 };
  }
}

/**
 * Views `bytes` as an ARP message for IPv4 over Ethernet, RFC 826. What follows the 28 bytes of
 * the message, such as the padding of a short frame, is ignored.
 *
 * @throws {PacketError} If the bytes are too few, or the message is for other kinds of addresses.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseArp(bytes: Uint8Array): ArpMessage {
  return new ArpMessage(bytes);
}

/**
 * Writes an ARP message at the start of `target`.
 *
 * The addresses may be views of `target`. Nothing is written if anything is wrong.
 *
 * @returns The message's length: 28.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeArp(target: Uint8Array, fields: ArpFields): number {
  const operation = requireInteger("operation", fields.operation, 0, 0xffff);
  const senderMac = macToNumber("senderMac", fields.senderMac);
  const senderIPv4 = ipv4ToNumber("senderIPv4", fields.senderIPv4);
  const targetMac = macToNumber("targetMac", fields.targetMac);
  const targetIPv4 = ipv4ToNumber("targetIPv4", fields.targetIPv4);
  requireRoom(target, MESSAGE_LENGTH);

  writeUint16(target, HARDWARE_TYPE, HARDWARE_TYPE_ETHERNET);
  writeUint16(target, PROTOCOL_TYPE, EtherType.IPv4);
  target[HARDWARE_LENGTH] = MAC_LENGTH;
  target[PROTOCOL_LENGTH] = IPV4_LENGTH;
  writeUint16(target, OPERATION, operation);
  writeMac(target, SENDER_MAC, senderMac);
  writeUint32(target, SENDER_IPV4, senderIPv4);
  writeMac(target, TARGET_MAC, targetMac);
  writeUint32(target, TARGET_IPV4, targetIPv4);
  return MESSAGE_LENGTH;
}

/**
 * Makes an ARP message.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildArp(fields: ArpFields): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(MESSAGE_LENGTH);
  writeArp(message, fields);
  return message;
}

function requireSame(offset: number, what: string, found: number | undefined, wanted: number): void {
  if (found !== wanted) throw new PacketError(PROTOCOL, offset, `${what} ${found}`, `${wanted}`);
}
