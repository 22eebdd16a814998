import { readUint16, readUint32, writeUint16, writeUint32 } from "./bytes.ts";
import { requireBytes, requireInteger, requireRoom } from "./check.ts";
import { checksumOfRange } from "./checksum.ts";
import { PacketError } from "./error.ts";
import { IpProtocol } from "./ip-protocol.ts";
import { type IpEnds, pseudoHeaderSum } from "./pseudo-header.ts";
import { showByFields } from "./show.ts";
import { encodeTcpOptions, readTcpOptions, type TcpOption } from "./tcp-options.ts";

/** Bits of the flags, RFC 9293 section 3.1: `flags & TcpFlag.SYN`, `TcpFlag.SYN | TcpFlag.ACK`. */
export const TcpFlag = {
  /** The sender has no more data. */
  FIN: 0x001,
  /** Begins a connection: sequence numbers are synchronized. */
  SYN: 0x002,
  /** Resets the connection. */
  RST: 0x004,
  /** The receiver is to pass the data on at once. */
  PSH: 0x008,
  /** The acknowledgment number means something. */
  ACK: 0x010,
  /** The urgent pointer means something. */
  URG: 0x020,
  /** RFC 3168 section 6.1. */
  ECE: 0x040,
  /** RFC 3168 section 6.1. */
  CWR: 0x080,
  /** Accurate ECN, RFC 9768. */
  AE: 0x100,
} as const;

/** Fields of a TCP segment, and the addresses that its checksum covers. */
export interface TcpFields extends IpEnds {
  /** 0 to 65535. */
  sourcePort: number;
  /** 0 to 65535. */
  destinationPort: number;
  /** Sequence number of the first byte of the payload, or of the SYN: 0 to 2^32 - 1. */
  sequence: number;
  /** The next one that is expected, 0 (the default) to 2^32 - 1; it means something with `TcpFlag.ACK` alone. */
  acknowledgment?: number;
  /** Bits of {@link TcpFlag}. */
  flags: number;
  /** Window as it is on the wire, not scaled: 0 to 65535; default 65535. */
  window?: number;
  /** 0 (the default) to 65535; it means something with `TcpFlag.URG` alone. */
  urgentPointer?: number;
  /** Default none. They are padded to a multiple of 4 bytes, and have 40 at most. */
  options?: readonly TcpOption[];
  /** Default none. */
  payload?: Uint8Array;
}

const PROTOCOL = "TCP";
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const SEQUENCE = 4;
const ACKNOWLEDGMENT = 8;
const OFFSET_FLAGS = 12;
const WINDOW = 14;
const CHECKSUM = 16;
const URGENT_POINTER = 18;
const HEADER_LENGTH_MIN = 20;
const FLAGS_MASK = 0xfff;
const UINT32_MAX = 0xffff_ffff;
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * A view of a TCP segment: nothing is copied, and the getters read the bytes as they are when asked,
 * but for the header's length, which is kept from when it was checked. Whatever becomes of the bytes
 * later, no getter reads outside of them.
 */
export class TcpSegment implements Required<Omit<TcpFields, keyof IpEnds>> {
  static {
    showByFields(TcpSegment.prototype);
  }

  readonly #bytes: Uint8Array;
  /** Bytes in front of the payload, options included: 20 to 60. */
  readonly headerLength: number;

  /** Views `bytes`; see {@link parseTcp}. */
  constructor(bytes: Uint8Array) {
    const { length } = requireBytes("bytes", bytes);
    if (length < HEADER_LENGTH_MIN) {
      throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${HEADER_LENGTH_MIN}`);
    }
    const headerLength = ((bytes[OFFSET_FLAGS] as number) >>> 4) * 4;
    if (headerLength < HEADER_LENGTH_MIN || headerLength > length) {
      const wanted = `${HEADER_LENGTH_MIN} to the ${length} bytes in hand`;
      throw new PacketError(PROTOCOL, OFFSET_FLAGS, `header length ${headerLength}`, wanted);
    }
    this.#bytes = bytes;
    this.headerLength = headerLength;
  }

  get sourcePort(): number {
    return readUint16(this.#bytes, SOURCE_PORT);
  }

  get destinationPort(): number {
    return readUint16(this.#bytes, DESTINATION_PORT);
  }

  /** Sequence number of the first byte of the payload, or of the SYN. */
  get sequence(): number {
    return readUint32(this.#bytes, SEQUENCE);
  }

  /** The sequence number that is expected next, with `TcpFlag.ACK`. */
  get acknowledgment(): number {
    return readUint32(this.#bytes, ACKNOWLEDGMENT);
  }

  /** Bits of {@link TcpFlag}, and the three reserved ones above them. */
  get flags(): number {
    return readUint16(this.#bytes, OFFSET_FLAGS) & FLAGS_MASK;
  }

  /** Window as it is on the wire, not scaled. */
  get window(): number {
    return readUint16(this.#bytes, WINDOW);
  }

  /** `verifyChecksums` tells whether it is right. */
  get checksum(): number {
    return readUint16(this.#bytes, CHECKSUM);
  }

  get urgentPointer(): number {
    return readUint16(this.#bytes, URGENT_POINTER);
  }

  /**
   * The options in their order. What cannot be read of them ends the list as `"malformed"`, as Linux takes such
   * segments too.
   */
  get options(): TcpOption[] {
    return readTcpOptions(this.#bytes, HEADER_LENGTH_MIN, this.headerLength);
  }

  /** All behind the header: a subarray. */
  get payload(): Uint8Array {
    return this.#bytes.subarray(this.headerLength);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { sourcePort, destinationPort, sequence, acknowledgment, window, payload } = this;
    const names = Object.entries(TcpFlag).filter(([, bit]) => (this.flags & bit) !== 0);
    const flags = names.map(([name]) => name).join(" ");
    return { sourcePort, destinationPort, flags, sequence, acknowledgment, window, payloadLength: payload.length };
  }
}

/**
 * Views `bytes` as a TCP segment, RFC 9293 section 3.1.
 *
 * @param bytes The payload of an IPv4 packet, or the `upperLayer` of an IPv6 packet; not one of its fragments.
 * @throws {PacketError} If the bytes are too few, or the header's length is less than 20 or more than there is.
 * @throws {TypeError} If `bytes` is not a `Uint8Array`.
 */
export function parseTcp(bytes: Uint8Array): TcpSegment {
  return new TcpSegment(bytes);
}

/**
 * Writes a TCP segment at the start of `target`, checksum, options and payload included.
 *
 * The payload may be a view of `target`, and so may the addresses and options. Nothing is written if
 * anything is wrong.
 *
 * @returns The segment's length: 20, and those of the options and the payload.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeTcp(target: Uint8Array, fields: TcpFields): number {
  return write(target, fields, encodeTcpOptions(fields.options ?? []));
}

/**
 * Makes a TCP segment.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildTcp(fields: TcpFields): Uint8Array<ArrayBuffer> {
  const options = encodeTcpOptions(fields.options ?? []);
  const payload = requireBytes("payload", fields.payload ?? NOTHING);
  const segment = new Uint8Array(HEADER_LENGTH_MIN + options.length + payload.length);
  write(segment, fields, options);
  return segment;
}

function write(target: Uint8Array, fields: TcpFields, options: Uint8Array): number {
  const sourcePort = requireInteger("sourcePort", fields.sourcePort, 0, 0xffff);
  const destinationPort = requireInteger("destinationPort", fields.destinationPort, 0, 0xffff);
  const sequence = requireInteger("sequence", fields.sequence, 0, UINT32_MAX);
  const acknowledgment = requireInteger("acknowledgment", fields.acknowledgment ?? 0, 0, UINT32_MAX);
  const flags = requireInteger("flags", fields.flags, 0, FLAGS_MASK);
  const window = requireInteger("window", fields.window ?? 0xffff, 0, 0xffff);
  const urgentPointer = requireInteger("urgentPointer", fields.urgentPointer ?? 0, 0, 0xffff);
  const payload = requireBytes("payload", fields.payload ?? NOTHING);
  const headerLength = HEADER_LENGTH_MIN + options.length;
  const length = headerLength + payload.length;
  const sum = pseudoHeaderSum(fields.source, fields.destination, IpProtocol.TCP, length);
  requireRoom(target, length);

  // First, for it may be a view of what is written next.
  target.set(payload, headerLength);
  target.set(options, HEADER_LENGTH_MIN);
  writeUint16(target, SOURCE_PORT, sourcePort);
  writeUint16(target, DESTINATION_PORT, destinationPort);
  writeUint32(target, SEQUENCE, sequence);
  writeUint32(target, ACKNOWLEDGMENT, acknowledgment);
  writeUint16(target, OFFSET_FLAGS, ((headerLength / 4) << 12) | flags);
  writeUint16(target, WINDOW, window);
  writeUint16(target, CHECKSUM, 0);
  writeUint16(target, URGENT_POINTER, urgentPointer);
  writeUint16(target, CHECKSUM, checksumOfRange(target, 0, length, sum));
  return length;
}
