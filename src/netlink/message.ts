/**
 * Netlink messages as bytes: `struct nlmsghdr`, a fixed body, attributes
 * (include/uapi/linux/netlink.h). Pure. Native byte order, which on every
 * machine that Bun runs on is little-endian.
 */

import { NLA_TYPE_MASK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_ERROR, NLMSGERR_ATTR_MSG } from "./constants.ts";

const NLMSG_HDRLEN = 16;
const NLA_HDRLEN = 4;

/** Thrown for bytes that are no netlink message. */
export class NetlinkFormatError extends RangeError {
  override readonly name = "NetlinkFormatError";
  /** The place in the bytes. */
  readonly offset: number;

  constructor(text: string, offset: number) {
    super(`${text} at byte ${offset}`);
    this.offset = offset;
  }
}

/** One netlink message. */
export interface Message {
  readonly type: number;
  /** NLM_F_* */
  readonly flags: number;
  readonly sequence: number;
  /** The bytes behind the header. */
  readonly body: Uint8Array;
}

/** One attribute: type and value, without its header. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** The kernel's answer to a request: 0, or `-errno` and perhaps a message. */
export interface Acknowledgement {
  readonly errno: number;
  readonly text: string | undefined;
}

const align = (length: number): number => (length + 3) & ~3;
const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Encodes a message with its header. */
export function encodeMessage(
  message: Omit<Message, "body">,
  body: Uint8Array,
  attributes: readonly Attribute[] = [],
): Uint8Array {
  const tail = encodeAttributes(attributes);
  const start = NLMSG_HDRLEN + align(body.length);
  const bytes = new Uint8Array(start + tail.length);
  const header = view(bytes);
  header.setUint32(0, bytes.length, true);
  header.setUint16(4, message.type, true);
  header.setUint16(6, message.flags, true);
  header.setUint32(8, message.sequence, true);
  bytes.set(body, NLMSG_HDRLEN);
  bytes.set(tail, start);
  return bytes;
}

/** Encodes attributes one behind the other, each aligned to 4 bytes. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  const size = attributes.reduce((sum, { value }) => sum + NLA_HDRLEN + align(value.length), 0);
  const bytes = new Uint8Array(size);
  const header = view(bytes);
  let at = 0;
  for (const { type, value } of attributes) {
    header.setUint16(at, NLA_HDRLEN + value.length, true);
    header.setUint16(at + 2, type, true);
    bytes.set(value, at + NLA_HDRLEN);
    at += NLA_HDRLEN + align(value.length);
  }
  return bytes;
}

/** @throws {NetlinkFormatError} */
export function decodeMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  const header = view(bytes);
  for (let at = 0; at < bytes.length; ) {
    const room = bytes.length - at;
    const length = room >= NLMSG_HDRLEN ? header.getUint32(at, true) : 0;
    if (length < NLMSG_HDRLEN || length > room) throw new NetlinkFormatError("Malformed netlink message", at);
    messages.push({
      type: header.getUint16(at + 4, true),
      flags: header.getUint16(at + 6, true),
      sequence: header.getUint32(at + 8, true),
      body: bytes.subarray(at + NLMSG_HDRLEN, at + length),
    });
    at += align(length);
  }
  return messages;
}

/**
 * Reads the interface index of a message about a link or an address, without
 * its attributes: `struct ifinfomsg` and `struct ifaddrmsg` both have it at
 * byte 4. Returns 0, which no interface has, if the body is too short.
 */
export function interfaceIndexOf({ body }: Pick<Message, "body">): number {
  return body.length < 8 ? 0 : view(body).getUint32(4, true);
}

/**
 * Reads the attributes from `offset` on. If one is repeated, the last one counts, as in the kernel's nla_parse().
 *
 * @throws {NetlinkFormatError}
 */
export function decodeAttributes(bytes: Uint8Array, offset = 0): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  const header = view(bytes);
  for (let at = offset; at < bytes.length; ) {
    const room = bytes.length - at;
    const length = room >= NLA_HDRLEN ? header.getUint16(at, true) : 0;
    if (length < NLA_HDRLEN || length > room) throw new NetlinkFormatError("Malformed netlink attribute", at);
    attributes.set(header.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + NLA_HDRLEN, at + length));
    at += align(length);
  }
  return attributes;
}

/**
 * Reads `struct nlmsgerr` and its extended attributes.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeAcknowledgement(message: Message): Acknowledgement {
  const { body } = message;
  if (message.type !== NLMSG_ERROR || body.length < 4 + NLMSG_HDRLEN) {
    throw new NetlinkFormatError("Malformed netlink acknowledgement", 0);
  }
  const errno = view(body).getInt32(0, true);
  if ((message.flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  // The answer holds the whole request, or only its header if NLM_F_CAPPED is set.
  const original = (message.flags & NLM_F_CAPPED) !== 0 ? NLMSG_HDRLEN : view(body).getUint32(4, true);
  if (original > body.length) throw new NetlinkFormatError("Truncated netlink acknowledgement", 4);
  const text = decodeAttributes(body, 4 + align(original)).get(NLMSGERR_ATTR_MSG);
  return { errno, text: text && decodeString(text) };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes 32 bits in the byte order of the machine. */
export function encodeU32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value, true);
  return bytes;
}

/** @throws {NetlinkFormatError} */
export function decodeU32(bytes: Uint8Array): number {
  if (bytes.length !== 4) throw new NetlinkFormatError(`A 32-bit value has 4 bytes, not ${bytes.length},`, 0);
  return view(bytes).getUint32(0, true);
}

/** Encodes a text, with a NUL at its end. */
export function encodeString(text: string): Uint8Array {
  return encoder.encode(`${text}\0`);
}

/** Decodes a text, which may end with NUL. */
export function decodeString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
