import { readUint16, writeUint16 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom, wrongValue } from "./check.ts";
import { checksumOfRange } from "./checksum.ts";
import { PacketError } from "./error.ts";
import { IcmpType } from "./icmp-type.ts";
import { showByFields } from "./show.ts";

/** Fields of an ICMP echo message, without the checksum. */
export interface IcmpEchoFields {
  /** `IcmpType.ECHO_REQUEST` or `IcmpType.ECHO_REPLY`. */
  type: number;
  /** Identifier by which a sender knows its own requests, 0 to 65535. A reply repeats it. */
  identifier: number;
  /** Number of the request, 0 to 65535. A reply repeats it. */
  sequenceNumber: number;
  /** Any bytes. A reply repeats them. */
  payload: Uint8Array;
}

const PROTOCOL = "ICMP echo";
const TYPE = 0;
const CODE = 1;
const CHECKSUM = 2;
const IDENTIFIER = 4;
const SEQUENCE_NUMBER = 6;
const HEADER_LENGTH = 8;

/**
 * A view of an ICMP echo request or reply: nothing is copied, and the getters read the bytes as
 * they are when asked. Whatever becomes of the bytes later, no getter reads outside of them.
 */
export class IcmpEchoMessage implements IcmpEchoFields {
  static {
    showByFields(IcmpEchoMessage.prototype);
  }

  readonly #bytes: Uint8Array;

  /** Views `bytes`; see {@link parseIcmpEcho}. */
  constructor(bytes: Uint8Array) {
    const { length } = requireBytes("bytes", bytes);
    if (length < HEADER_LENGTH) throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${HEADER_LENGTH}`);
    if (!isEchoType(bytes[TYPE])) {
      throw new PacketError(PROTOCOL, TYPE, `type ${bytes[TYPE]}`, "8 (echo request) or 0 (echo reply)");
    }
    if (bytes[CODE] !== 0) throw new PacketError(PROTOCOL, CODE, `code ${bytes[CODE]}`, "0");
    this.#bytes = bytes;
  }

  /** `IcmpType.ECHO_REQUEST` or `IcmpType.ECHO_REPLY`. */
  get type(): number {
    return this.#bytes[TYPE] as number;
  }

  /** Checksum as it is in the message; `checksumIsValid` tells whether it is right. */
  get checksum(): number {
    return readUint16(this.#bytes, CHECKSUM);
  }

  /** Tells whether the checksum is right for the whole message. */
  get checksumIsValid(): boolean {
    return checksumOfRange(this.#bytes, 0, this.#bytes.length) === 0;
  }

  /** Identifier by which a sender knows its own requests. */
  get identifier(): number {
    return readUint16(this.#bytes, IDENTIFIER);
  }

  /** Number of the request. */
  get sequenceNumber(): number {
    return readUint16(this.#bytes, SEQUENCE_NUMBER);
  }

  /** Everything behind the 8 bytes of the header: a subarray. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(HEADER_LENGTH);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { type, identifier, sequenceNumber, payload } = this;
    return { type, identifier, sequenceNumber, payloadLength: payload.length };
  }
}

/**
 * Views `bytes` as an ICMP echo request or reply, RFC 792. A wrong checksum is no error: ask
 * `checksumIsValid`.
 *
 * @param bytes The whole message and nothing else, as the payload of an IPv4 packet is; not one
 *   of its fragments.
 * @throws {PacketError} If the bytes are too few, or are another kind of ICMP message.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseIcmpEcho(bytes: Uint8Array): IcmpEchoMessage {
  return new IcmpEchoMessage(bytes);
}

/**
 * Writes an ICMP echo message at the start of `target`, checksum and payload included.
 *
 * The payload may be a view of `target`. Nothing is written if anything is wrong.
 *
 * @returns The message's length: 8, and the length of the payload.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeIcmpEcho(target: Uint8Array, fields: IcmpEchoFields): number {
  const type = requireInteger("type", fields.type, 0, 0xff);
  if (!isEchoType(type)) throw wrongValue("type", type, "IcmpType.ECHO_REQUEST (8) or IcmpType.ECHO_REPLY (0)");
  const identifier = requireInteger("identifier", fields.identifier, 0, 0xffff);
  const sequenceNumber = requireInteger("sequenceNumber", fields.sequenceNumber, 0, 0xffff);
  const payload = requireBytes("payload", fields.payload);
  const messageLength = HEADER_LENGTH + payload.length;
  requireRoom(target, messageLength);

  // First, for it may be a view of what is written next.
  target.set(payload, HEADER_LENGTH);
  target[TYPE] = type;
  target[CODE] = 0;
  writeUint16(target, CHECKSUM, 0);
  writeUint16(target, IDENTIFIER, identifier);
  writeUint16(target, SEQUENCE_NUMBER, sequenceNumber);
  writeUint16(target, CHECKSUM, checksumOfRange(target, 0, messageLength));
  return messageLength;
}

/**
 * Makes an ICMP echo message.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmpEcho(fields: IcmpEchoFields): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEADER_LENGTH + requireBytes("payload", fields.payload).length);
  writeIcmpEcho(message, fields);
  return message;
}

function isEchoType(type: number | undefined): boolean {
  return type === IcmpType.ECHO_REQUEST || type === IcmpType.ECHO_REPLY;
}
