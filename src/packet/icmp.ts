import { formatIPv4 } from "./address-text.ts";
import { readUint16, writeUint32 } from "./bytes.ts";
import { requireBytes, requireInteger, wrongValue } from "./check.ts";
import { checksumOfRange } from "./checksum.ts";
import { PacketError } from "./error.ts";
import { AnyIcmpMessage, BODY, HEADER_LENGTH, TYPE, writeAnyIcmp } from "./icmp-message.ts";
import { IcmpType, IcmpUnreachable } from "./icmp-type.ts";
import { ipv4ToNumber } from "./ipv4-address.ts";

/** Fields of any ICMP message, without the checksum. */
export interface IcmpFields {
  /** One of {@link IcmpType}, or any other value from 0 to 255. */
  type: number;
  /** Code, which refines the type: 0 (the default) to 255. */
  code?: number;
  /** Everything behind the checksum: 4 bytes or more. */
  body: Uint8Array;
}

/** Fields of an ICMP error. */
export interface IcmpErrorFields {
  /** `IcmpType.DESTINATION_UNREACHABLE`, `REDIRECT`, `TIME_EXCEEDED` or `PARAMETER_PROBLEM`. */
  type: number;
  /** Default 0. See {@link IcmpUnreachable}. */
  code?: number;
  /** The packet that the error is about, from its IPv4 header on. Of a long one, the first 548 bytes are quoted. */
  original: Uint8Array;
  /** MTU for `IcmpUnreachable.FRAGMENTATION_NEEDED`, 0 (the default: not told) to 65535; RFC 1191 section 4. */
  mtu?: number;
  /** Router to use, for `IcmpType.REDIRECT`: text or 4 bytes. */
  gateway?: string | Uint8Array;
  /** Offset of the wrong octet, for `IcmpType.PARAMETER_PROBLEM`: 0 (the default) to 255. */
  pointer?: number;
}

const PROTOCOL = "ICMP";
const POINTER = 4;
const GATEWAY = 4;
const ORIGINAL_LENGTH = 5;
const MTU = 6;
/** RFC 1812 section 4.3.2.3: the error is to fit in 576 bytes, an IPv4 header of 20 included. */
const ORIGINAL_MAX = 576 - 20 - HEADER_LENGTH;

/** A view of an ICMP message. It copies nothing, and reads the bytes as they are at the time of the call. */
export class IcmpMessage extends AnyIcmpMessage {
  readonly #bytes: Uint8Array;

  /** Views `bytes`; see {@link parseIcmp}. */
  constructor(bytes: Uint8Array) {
    const { length } = requireBytes("bytes", bytes);
    if (length < HEADER_LENGTH) throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${HEADER_LENGTH}`);
    super(bytes, isQuery(bytes[TYPE] as number));
    this.#bytes = bytes;
  }

  /** Tells whether the checksum is right for the whole message. */
  get checksumIsValid(): boolean {
    return checksumOfRange(this.#bytes, 0, this.#bytes.length) === 0;
  }

  /** Tells whether the message is an error or a redirect: it quotes the packet that it is about. */
  get isError(): boolean {
    return isError(this.type);
  }

  /**
   * The packet that an error is about, as far as it is quoted, from its IPv4 header on: a subarray for
   * `parseIPv4(original, { truncated: true })`. Extensions behind it are cut off (RFC 4884 section 5.4). Null for
   * messages that are no error.
   */
  get original(): Uint8Array | null {
    if (!isError(this.type)) return null;
    const words = this.type === IcmpType.REDIRECT ? 0 : (this.#bytes[ORIGINAL_LENGTH] as number);
    return this.#bytes.subarray(HEADER_LENGTH, words === 0 ? this.#bytes.length : HEADER_LENGTH + 4 * words);
  }

  /** MTU in a "fragmentation needed" (RFC 1191 section 4), 0 if the router does not tell it; null for others. */
  get mtu(): number | null {
    const tells = this.type === IcmpType.DESTINATION_UNREACHABLE && this.code === IcmpUnreachable.FRAGMENTATION_NEEDED;
    return tells ? readUint16(this.#bytes, MTU) : null;
  }

  /** Router that a redirect names, as text; null for others. */
  get gateway(): string | null {
    return this.type === IcmpType.REDIRECT ? formatIPv4(this.#bytes, GATEWAY) : null;
  }

  /** Offset of the wrong octet in a parameter problem; null for others. */
  get pointer(): number | null {
    return this.type === IcmpType.PARAMETER_PROBLEM ? (this.#bytes[POINTER] as number) : null;
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  override toJSON(): Record<string, unknown> {
    const { mtu, gateway } = this;
    const seen = { mtu, gateway };
    return { ...super.toJSON(), ...Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== null)) };
  }
}

/**
 * Views `bytes` as an ICMP message of any type, RFC 792. A wrong checksum is no error: ask `checksumIsValid`.
 *
 * @param bytes The whole message and nothing else, as the payload of an IPv4 packet is; not one of its fragments.
 * @throws {PacketError} If the bytes are too few.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseIcmp(bytes: Uint8Array): IcmpMessage {
  return new IcmpMessage(bytes);
}

/**
 * Writes an ICMP message at the start of `target`, checksum included.
 *
 * The body may be a view of `target`. Nothing is written if anything is wrong.
 *
 * @returns The message's length: 4, and the length of the body.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeIcmp(target: Uint8Array, fields: IcmpFields): number {
  requireBody(fields.body);
  return writeAnyIcmp(target, fields, () => 0);
}

/**
 * Makes an ICMP message. See {@link buildIcmpError} for errors and `buildIcmpEcho` for echo messages.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmp(fields: IcmpFields): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(BODY + requireBody(fields.body).length);
  writeIcmp(message, fields);
  return message;
}

/**
 * Makes an ICMP error about a packet. RFC 1122 section 3.2.2 says about which packets none may be sent:
 * other errors, fragments but the first, and those to or from more than one host.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmpError(fields: IcmpErrorFields): Uint8Array<ArrayBuffer> {
  const type = requireInteger("type", fields.type, 0, 0xff);
  if (!isError(type)) throw wrongValue("type", type, "an error: IcmpType.DESTINATION_UNREACHABLE (3), 5, 11 or 12");
  const mtu = requireInteger("mtu", fields.mtu ?? 0, 0, 0xffff);
  const pointer = requireInteger("pointer", fields.pointer ?? 0, 0, 0xff);
  const original = requireBytes("original", fields.original).subarray(0, ORIGINAL_MAX);
  const body = new Uint8Array(HEADER_LENGTH - BODY + original.length);
  if (type === IcmpType.REDIRECT) writeUint32(body, 0, ipv4ToNumber("gateway", fields.gateway ?? ""));
  else writeUint32(body, 0, ((pointer << 24) | mtu) >>> 0);
  body.set(original, HEADER_LENGTH - BODY);
  return buildIcmp({ type, code: fields.code ?? 0, body });
}

function isQuery(type: number): boolean {
  return (
    type === IcmpType.ECHO_REPLY ||
    type === IcmpType.ECHO_REQUEST ||
    type === IcmpType.TIMESTAMP ||
    type === IcmpType.TIMESTAMP_REPLY
  );
}

function isError(type: number): boolean {
  return (
    type === IcmpType.DESTINATION_UNREACHABLE ||
    type === IcmpType.REDIRECT ||
    type === IcmpType.TIME_EXCEEDED ||
    type === IcmpType.PARAMETER_PROBLEM
  );
}

function requireBody(body: Uint8Array): Uint8Array {
  if (requireBytes("body", body).length >= HEADER_LENGTH - BODY) return body;
  throw wrongValue("body", body, `at least ${HEADER_LENGTH - BODY}`);
}
