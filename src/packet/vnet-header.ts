import { requireBoolean, requireBytes, requireInteger, requireRoom, wrongType, wrongValue } from "./check.ts";
import { PacketError } from "./error.ts";
import { showByFields } from "./show.ts";

/** Bytes of the header in front of each frame. */
export const VNET_HEADER_LENGTH = 10;

/**
 * Kind of segments that a super-packet is split into: TCP over IPv4, TCP over IPv6, or UDP over either; `"none"` for a
 * frame that is no super-packet.
 */
export type GsoType = "none" | "tcp4" | "tcp6" | "udp";

/**
 * Fields of a `struct virtio_net_hdr`, include/uapi/linux/virtio_net.h. Offsets count from the first byte of the frame
 * behind it.
 */
export interface VnetHeaderFields {
  /**
   * The checksum at `checksumStart + checksumOffset` is for the receiver of this header to complete: the field holds
   * the sum of the pseudo-header, not complemented. Default false.
   */
  needsChecksum?: boolean;
  /** The checksums in the frame have been verified. Default false. */
  dataValid?: boolean;
  /** Default `"none"`. */
  gsoType?: GsoType;
  /** The first TCP segment, and it alone, is to carry CWR. Default false. */
  ecn?: boolean;
  /**
   * Bytes of all headers of a super-packet; a hint, which Linux sets too large for frames that it forwards. Default 0.
   */
  headerLength?: number;
  /** Bytes of payload in each segment but the last. Default 0. */
  gsoSize?: number;
  /** The place at which the sum of the checksum begins: the TCP or UDP header. Default 0. */
  checksumStart?: number;
  /** The place of the checksum, counted from `checksumStart`: 16 for TCP, 6 for UDP. Default 0. */
  checksumOffset?: number;
}

const PROTOCOL = "virtio-net header";
const FLAGS = 0;
const GSO_TYPE = 1;
const HEADER_LENGTH = 2;
const GSO_SIZE = 4;
const CHECKSUM_START = 6;
const CHECKSUM_OFFSET = 8;
const NEEDS_CSUM = 1;
const DATA_VALID = 2;
const GSO_ECN = 0x80;
const gsoNumbers: Record<GsoType, number> = { none: 0, tcp4: 1, tcp6: 4, udp: 5 };
const gsoNames: readonly (GsoType | undefined)[] = ["none", "tcp4", undefined, undefined, "tcp6", "udp"];

/**
 * A view of a frame with its virtio-net header: nothing is copied, and the getters read the bytes as they are when
 * asked. Whatever becomes of the bytes later, no getter reads outside of them.
 */
export class VnetHeader implements Required<VnetHeaderFields> {
  static {
    showByFields(VnetHeader.prototype);
  }

  readonly #bytes: Uint8Array;

  /** Views `frame`; see {@link parseVnetHeader}. */
  constructor(frame: Uint8Array) {
    const { length } = requireBytes("frame", frame);
    if (length < VNET_HEADER_LENGTH) {
      throw new PacketError(PROTOCOL, length, `${length} bytes`, `at least ${VNET_HEADER_LENGTH}`);
    }
    const type = frame[GSO_TYPE] as number;
    const name = gsoNames[type & ~GSO_ECN];
    if (name === undefined || ((type & GSO_ECN) !== 0 && !isTcp(name))) {
      throw new PacketError(PROTOCOL, GSO_TYPE, `GSO type ${type}`, "0, 1, 4, 5, 129 or 132");
    }
    this.#bytes = frame;
  }

  /** Tells whether the checksum at `checksumStart + checksumOffset` is to be completed. */
  get needsChecksum(): boolean {
    return ((this.#bytes[FLAGS] as number) & NEEDS_CSUM) !== 0;
  }

  /** Tells whether the checksums in the frame have been verified. */
  get dataValid(): boolean {
    return ((this.#bytes[FLAGS] as number) & DATA_VALID) !== 0;
  }

  /** Kind of segments that the packet is split into; `"none"` if it is no super-packet. */
  get gsoType(): GsoType {
    return gsoNames[(this.#bytes[GSO_TYPE] as number) & ~GSO_ECN] ?? "none";
  }

  /** Tells whether the first TCP segment, and it alone, is to carry CWR. */
  get ecn(): boolean {
    return ((this.#bytes[GSO_TYPE] as number) & GSO_ECN) !== 0;
  }

  /** Bytes of all headers, says the sender; do not rely on it. */
  get headerLength(): number {
    return readUint16(this.#bytes, HEADER_LENGTH);
  }

  /** Bytes of payload in each segment but the last. */
  get gsoSize(): number {
    return readUint16(this.#bytes, GSO_SIZE);
  }

  /** The place in the packet at which the sum of the checksum begins. */
  get checksumStart(): number {
    return readUint16(this.#bytes, CHECKSUM_START);
  }

  /** The place of the checksum, counted from `checksumStart`. */
  get checksumOffset(): number {
    return readUint16(this.#bytes, CHECKSUM_OFFSET);
  }

  /** The IP packet or Ethernet frame behind the header: a subarray. */
  get packet(): Uint8Array {
    return this.#bytes.subarray(VNET_HEADER_LENGTH);
  }

  /** Returns the fields that `console.log` and `JSON.stringify` show: addresses as text, lengths in place of bytes. */
  toJSON(): Record<string, unknown> {
    const { gsoType, gsoSize, headerLength, needsChecksum, packet } = this;
    return { gsoType, gsoSize, headerLength, needsChecksum, packetLength: packet.length };
  }
}

/**
 * Views a frame of a device with `offload: { raw: true }`. The numbers are not compared with the packet: whoever uses
 * them has to see that they lie inside of it.
 *
 * @throws {PacketError} If the bytes are too few, or the GSO type is none of those that such a device asks for.
 * @throws {TypeError} If `frame` is not a `Uint8Array`.
 */
export function parseVnetHeader(frame: Uint8Array): VnetHeader {
  return new VnetHeader(frame);
}

/**
 * Writes a header into `target`, at `offset`; the packet belongs behind it. Without fields it asks for nothing.
 *
 * Nothing is written if anything is wrong.
 *
 * @returns The header's length: 10.
 * @throws {TypeError | RangeError} If a field is wrong, or `target` too short.
 */
export function writeVnetHeader(target: Uint8Array, fields: VnetHeaderFields = {}, offset = 0): number {
  const { gsoType = "none" } = fields;
  const type = Object.hasOwn(gsoNumbers, gsoType) ? gsoNumbers[gsoType] : wrongGsoType(gsoType);
  const needsChecksum = requireBoolean("needsChecksum", fields.needsChecksum ?? false);
  const dataValid = requireBoolean("dataValid", fields.dataValid ?? false);
  const ecn = requireBoolean("ecn", fields.ecn ?? false);
  if (ecn && !isTcp(gsoType)) throw wrongValue("gsoType", gsoType, '"tcp4" or "tcp6" with "ecn"');
  const headerLength = requireInteger("headerLength", fields.headerLength ?? 0, 0, 0xffff);
  const gsoSize = requireInteger("gsoSize", fields.gsoSize ?? 0, 0, 0xffff);
  const checksumStart = requireInteger("checksumStart", fields.checksumStart ?? 0, 0, 0xffff);
  const checksumOffset = requireInteger("checksumOffset", fields.checksumOffset ?? 0, 0, 0xffff);
  requireRoom(target, requireInteger("offset", offset, 0, 2 ** 32) + VNET_HEADER_LENGTH);

  target[offset + FLAGS] = (needsChecksum ? NEEDS_CSUM : 0) | (dataValid ? DATA_VALID : 0);
  target[offset + GSO_TYPE] = type | (ecn ? GSO_ECN : 0);
  writeUint16(target, offset + HEADER_LENGTH, headerLength);
  writeUint16(target, offset + GSO_SIZE, gsoSize);
  writeUint16(target, offset + CHECKSUM_START, checksumStart);
  writeUint16(target, offset + CHECKSUM_OFFSET, checksumOffset);
  return VNET_HEADER_LENGTH;
}

function wrongGsoType(value: unknown): never {
  const wanted = '"none", "tcp4", "tcp6" or "udp"';
  throw typeof value === "string" ? wrongValue("gsoType", value, wanted) : wrongType("gsoType", value, wanted);
}

function isTcp(gsoType: GsoType): boolean {
  return gsoType === "tcp4" || gsoType === "tcp6";
}

// In the machine's byte order, as the kernel has them: little-endian on x86-64 and arm64.

function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
}

function writeUint16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
}
