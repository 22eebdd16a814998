import { readUint16, writeUint16 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom, wrongValue } from "./check.ts";
import { checksumOfRange, udpChecksum } from "./checksum.ts";
import { PacketError } from "./error.ts";
import { IpProtocol } from "./ip-protocol.ts";
import type { ParseOptions } from "./parse-options.ts";
import { type IpEnds, pseudoHeaderSum } from "./pseudo-header.ts";
import { showByFields } from "./show.ts";

/** Fields of a UDP datagram, and the addresses that its checksum covers. */
export interface UdpFields extends IpEnds {
  /** 0 to 65535; 0 where no reply is wanted. */
  sourcePort: number;
  /** 0 to 65535. */
  destinationPort: number;
  /** At most 65527 bytes. */
  payload: Uint8Array;
}

const PROTOCOL = "UDP";
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const LENGTH = 4;
const CHECKSUM = 6;
const HEADER_LENGTH = 8;
const PAYLOAD_LENGTH_MAX = 0xffff - HEADER_LENGTH;

/**
 * A view of a UDP datagram: nothing is copied, and the getters read the bytes as they are when asked,
 * but for the length, which is kept from when it was checked. Whatever becomes of the bytes later, no
 * getter reads outside of them.
 */
export class UdpDatagram {
  static {
    showByFields(UdpDatagram.prototype);
  }

  readonly #bytes: Uint8Array;
  /** Bytes of header and payload. */
  readonly length: number;

  /** Views `bytes`; see {@link parseUdp}. */
  constructor(bytes: Uint8Array, { truncated = false }: ParseOptions = {}) {
    const present = requireBytes("bytes", bytes).length;
    if (present < HEADER_LENGTH) {
      throw new PacketError(PROTOCOL, present, `${present} bytes`, `at least ${HEADER_LENGTH}`);
    }
    const length = readUint16(bytes, LENGTH);
    if (length < HEADER_LENGTH)
      throw new PacketError(PROTOCOL, LENGTH, `length ${length}`, `at least ${HEADER_LENGTH}`);
    if (length > present && !truncated) {
      throw new PacketError(PROTOCOL, LENGTH, `length ${length}`, `at most the ${present} bytes in hand`);
    }
    this.#bytes = bytes;
    this.length = length;
  }

  /** Source port; 0 if there is none. */
  get sourcePort(): number {
    return readUint16(this.#bytes, SOURCE_PORT);
  }

  /** Destination port. */
  get destinationPort(): number {
    return readUint16(this.#bytes, DESTINATION_PORT);
  }

  /** 0 if the sender has computed none, as is allowed over IPv4. `verifyChecksums` tells whether it is right. */
  get checksum(): number {
    return readUint16(this.#bytes, CHECKSUM);
  }

  /** Behind the header up to the length: a subarray. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(HEADER_LENGTH, this.length);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { sourcePort, destinationPort, payload } = this;
    return { sourcePort, destinationPort, payloadLength: payload.length };
  }
}

/**
 * Views `bytes` as a UDP datagram, RFC 768. What follows its length is ignored.
 *
 * @param bytes The payload of an IPv4 packet, or the `upperLayer` of an IPv6 packet; not one of its fragments.
 * @throws {PacketError} If the bytes are too few, or the length is less than the header's or more than there is.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseUdp(bytes: Uint8Array, options?: ParseOptions): UdpDatagram {
  return new UdpDatagram(bytes, options);
}

/**
 * Writes a UDP datagram at the start of `target`, length, checksum and payload included.
 *
 * The payload may be a view of `target`, and so may the addresses. Nothing is written if anything is wrong.
 *
 * @returns The datagram's length: 8, and the length of the payload.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeUdp(target: Uint8Array, fields: UdpFields): number {
  const sourcePort = requireInteger("sourcePort", fields.sourcePort, 0, 0xffff);
  const destinationPort = requireInteger("destinationPort", fields.destinationPort, 0, 0xffff);
  const payload = requirePayload(fields.payload);
  const length = HEADER_LENGTH + payload.length;
  const sum = pseudoHeaderSum(fields.source, fields.destination, IpProtocol.UDP, length);
  requireRoom(target, length);

  // First, for it may be a view of what is written next.
  target.set(payload, HEADER_LENGTH);
  writeUint16(target, SOURCE_PORT, sourcePort);
  writeUint16(target, DESTINATION_PORT, destinationPort);
  writeUint16(target, LENGTH, length);
  writeUint16(target, CHECKSUM, 0);
  writeUint16(target, CHECKSUM, udpChecksum(checksumOfRange(target, 0, length, sum)));
  return length;
}

/**
 * Makes a UDP datagram.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildUdp(fields: UdpFields): Uint8Array<ArrayBuffer> {
  const datagram = new Uint8Array(HEADER_LENGTH + requirePayload(fields.payload).length);
  writeUdp(datagram, fields);
  return datagram;
}

function requirePayload(payload: Uint8Array): Uint8Array {
  if (requireBytes("payload", payload).length <= PAYLOAD_LENGTH_MAX) return payload;
  throw wrongValue("payload", payload, `at most ${PAYLOAD_LENGTH_MAX}`);
}
