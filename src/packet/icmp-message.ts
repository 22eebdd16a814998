// The part that messages of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 2.1) have in common.

import { readUint16, writeUint16 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom } from "./check.ts";
import { checksumOfRange } from "./checksum.ts";
import { showByFields } from "./show.ts";

/** Offset of the type, one octet. */
export const TYPE = 0;
const CODE = 1;
const CHECKSUM = 2;
/** Offset of the body: everything behind the checksum. */
export const BODY = 4;
const IDENTIFIER = 4;
const SEQUENCE_NUMBER = 6;
/** Length of the fixed part of echo messages and errors. */
export const HEADER_LENGTH = 8;

/** Fields of a message of any type, without the checksum. */
export interface AnyIcmpFields {
  type: number;
  code?: number;
  body: Uint8Array;
}

/**
 * A view of a message: copies nothing. The getters read the bytes as they are at the time of the call; only the type is
 * kept from when it was checked. No getter reads outside of the bytes, whatever happens to them later.
 */
export abstract class AnyIcmpMessage implements Required<AnyIcmpFields> {
  static {
    showByFields(AnyIcmpMessage.prototype);
  }

  readonly #bytes: Uint8Array;
  readonly #isQuery: boolean;
  /** Type of the message: one of `IcmpType` or `Icmpv6Type`, or any other value. */
  readonly type: number;

  /**
   * @param bytes The whole message, which the caller has checked for the least length of its type
   * @param isQuery Whether messages of this type have an identifier and a sequence number
   */
  protected constructor(bytes: Uint8Array, isQuery: boolean) {
    this.#bytes = bytes;
    this.#isQuery = isQuery;
    this.type = bytes[TYPE] as number;
  }

  /** Code, which refines the type; see `IcmpUnreachable` and `Icmpv6Unreachable`. */
  get code(): number {
    return this.#bytes[CODE] as number;
  }

  /** Checksum as it is in the message. `verifyChecksums` tells whether it is right. */
  get checksum(): number {
    return readUint16(this.#bytes, CHECKSUM);
  }

  /** Everything behind the checksum: a subarray. */
  get body(): Uint8Array {
    return this.#bytes.subarray(BODY);
  }

  /** Identifier of an echo message (ICMP: or a timestamp message), by which a sender knows its own; null for others. */
  get identifier(): number | null {
    return this.#isQuery ? readUint16(this.#bytes, IDENTIFIER) : null;
  }

  /** Sequence number of an echo message (ICMP: or a timestamp message); null for others. */
  get sequenceNumber(): number | null {
    return this.#isQuery ? readUint16(this.#bytes, SEQUENCE_NUMBER) : null;
  }

  /** Everything behind the first 8 bytes, a subarray: the data that an echo reply sends back. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(HEADER_LENGTH);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { type, code, identifier, sequenceNumber, body } = this;
    const query = identifier === null ? undefined : { identifier, sequenceNumber };
    return { type, code, ...query, bodyLength: body.length };
  }
}

/**
 * Writes a message at the start of `target`, checksum included. Writes nothing if a field is wrong.
 *
 * @param sumOf Returns the sum that the checksum starts with, of a message of that length
 * @returns the length of the message
 */
export function writeAnyIcmp(target: Uint8Array, fields: AnyIcmpFields, sumOf: (length: number) => number): number {
  const type = requireInteger("type", fields.type, 0, 0xff);
  const code = requireInteger("code", fields.code ?? 0, 0, 0xff);
  const body = requireBytes("body", fields.body);
  const length = BODY + body.length;
  const sum = sumOf(length);
  requireRoom(target, length);

  // The body comes first: it may be a view of bytes that are written next.
  target.set(body, BODY);
  target[TYPE] = type;
  target[CODE] = code;
  writeUint16(target, CHECKSUM, 0);
  writeUint16(target, CHECKSUM, checksumOfRange(target, 0, length, sum));
  return length;
}
