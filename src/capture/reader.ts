import type { CaptureInterface } from "./blocks.ts";
import { CaptureError } from "./error.ts";
import {
  BYTE_ORDER_MAGIC,
  type CaptureDirection,
  ENHANCED_PACKET,
  EPB_DROPCOUNT,
  EPB_FLAGS,
  IF_NAME,
  IF_TSOFFSET,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  OLD_MAGICS,
  OLD_PACKET,
  OPTION_END,
  padded,
  SECTION_HEADER,
  SIMPLE_PACKET,
} from "./format.ts";
import { concat } from "./runtime.ts";

/** A frame as it was captured. */
export interface CapturedFrame {
  /** The interface that it passed. */
  readonly interface: CaptureInterface;
  /** Nanoseconds since 1970; undefined in a simple packet block, which has no time. */
  readonly timestampNs?: bigint;
  /** Direction as seen from the host whose interface it is, where the file tells. */
  readonly direction?: CaptureDirection;
  /** The bytes that were kept: a view of those that were read. */
  readonly frame: Uint8Array;
  /** Bytes that it had when it passed. */
  readonly originalLength: number;
  /** Frames that were lost between the one before and this, where the file tells. */
  readonly dropped?: number;
}

/** A longer block is no packet, but a length that is wrong. */
const BLOCK_MAX = 16 * 1024 * 1024;
const NS_PER_SECOND = 1_000_000_000n;
/** The number of lost frames in an old packet block that does not tell it. */
const LOST_UNKNOWN = 0xffff;

interface Source {
  readonly interface: CaptureInterface;
  /** Units of time in a second. */
  readonly resolution: bigint;
  readonly offsetNs: bigint;
}

const utf8 = new TextDecoder();

/** Reads block by block what comes piece by piece. */
export class BlockReader {
  /** The pieces of a block that is not complete. */
  #pieces: Uint8Array[] = [];
  /** The bytes in them. */
  #held = 0;
  /** The bytes with which there is something to do. */
  #needed = 0;
  /** The place in the file at which they begin. */
  #offset = 0;
  #isLittle = true;
  #isInSection = false;
  #sources: Source[] = [];

  /** The frames that `bytes` complete. Keeps what is left of them. */
  *push(bytes: Uint8Array): Generator<CapturedFrame> {
    if (this.#held === 0) this.#pieces = [bytes];
    else this.#pieces.push(bytes);
    this.#held += bytes.length;
    // Joined once, and not with each piece: a long block in short pieces would take the square of its length.
    if (this.#held < this.#needed) return;
    const all = this.#pieces.length === 1 ? bytes : concat(this.#pieces);
    let at = 0;
    try {
      for (;;) {
        const length = this.#blockLength(all.subarray(at));
        this.#needed = length;
        if (length === 0 || all.length - at < length) return;
        const frame = this.#block(all.subarray(at, at + length));
        at += length;
        this.#offset += length;
        if (frame !== undefined) yield frame;
      }
    } finally {
      this.#pieces = [all.subarray(at)];
      this.#held = all.length - at;
    }
  }

  /** @throws {CaptureError} If it ends within a block, or where it begins. */
  end(): void {
    if (this.#held > 0) throw this.#wrong(this.#held, "the file ends within a block");
    if (!this.#isInSection) throw this.#wrong(0, "there is nothing in it");
  }

  /** 0 if more bytes are needed to tell. */
  #blockLength(bytes: Uint8Array): number {
    if (bytes.length >= 4) this.#checkStart(bytes);
    if (bytes.length < 12) return 0;
    const view = viewOf(bytes);
    if (view.getUint32(0, true) === SECTION_HEADER) {
      // Only here the byte order may change, and the length before it says nothing without it.
      const isLittle = view.getUint32(8, true) === BYTE_ORDER_MAGIC;
      if (!isLittle && view.getUint32(8) !== BYTE_ORDER_MAGIC) throw this.#wrong(8, "no byte-order magic");
      this.#isLittle = isLittle;
    }
    const length = view.getUint32(4, this.#isLittle);
    if (length >= 12 && length % 4 === 0 && length <= BLOCK_MAX) return length;
    throw this.#wrong(4, `a block of ${length} bytes, wanted a multiple of 4 from 12 to ${BLOCK_MAX}`);
  }

  #checkStart(bytes: Uint8Array): void {
    const magic = viewOf(bytes).getUint32(0);
    if (this.#isInSection || magic === SECTION_HEADER) return;
    throw OLD_MAGICS.has(magic)
      ? this.#wrong(0, "this is the older pcap format: convert it with `editcap -F pcapng in.pcap out.pcapng`")
      : this.#wrong(0, "no pcapng section begins here");
  }

  #block(bytes: Uint8Array): CapturedFrame | undefined {
    const view = viewOf(bytes);
    const type = view.getUint32(0, this.#isLittle);
    const behind = view.getUint32(bytes.length - 4, this.#isLittle);
    if (behind !== bytes.length) {
      throw this.#wrong(bytes.length - 4, `a length of ${behind} behind a block of ${bytes.length} bytes`);
    }
    const body = bytes.subarray(8, -4);
    switch (type) {
      case SECTION_HEADER:
        this.#need(body, 16);
        if (view.getUint16(12, this.#isLittle) !== 1) throw this.#wrong(12, "not version 1 of pcapng");
        this.#isInSection = true;
        this.#sources = [];
        return undefined;
      case INTERFACE_DESCRIPTION:
        this.#sources.push(this.#source(body));
        return undefined;
      case ENHANCED_PACKET:
        return this.#packet(body);
      case OLD_PACKET:
        return this.#oldPacket(body);
      case SIMPLE_PACKET:
        return this.#simple(body);
      default:
        return undefined;
    }
  }

  #source(body: Uint8Array): Source {
    this.#need(body, 8);
    const view = viewOf(body);
    let [name, resolution, offsetNs] = ["", 1_000_000n, 0n];
    for (const [code, value] of this.#options(body, 8)) {
      if (code === IF_NAME) name = utf8.decode(value);
      if (code === IF_TSRESOL && value.length === 1) resolution = resolutionOf(value[0] as number);
      if (code === IF_TSOFFSET && value.length === 8) {
        offsetNs = viewOf(value).getBigInt64(0, this.#isLittle) * NS_PER_SECOND;
      }
    }
    const linkType = view.getUint16(0, this.#isLittle);
    return { interface: { name, linkType, snapLength: view.getUint32(4, this.#isLittle) }, resolution, offsetNs };
  }

  /** It differs only in the first 32 bits, which hold the interface and how many frames were lost before it. */
  #oldPacket(body: Uint8Array): CapturedFrame {
    this.#need(body, 20);
    const view = viewOf(body);
    const lost = view.getUint16(2, this.#isLittle);
    const frame = this.#packet(body, view.getUint16(0, this.#isLittle));
    return lost === LOST_UNKNOWN ? frame : { ...frame, dropped: lost };
  }

  #packet(body: Uint8Array, from?: number): CapturedFrame {
    this.#need(body, 20);
    const view = viewOf(body);
    const u32 = (at: number): number => view.getUint32(at, this.#isLittle);
    const source = this.#sourceOf(from ?? u32(0));
    const captured = u32(12);
    this.#need(body, 20 + padded(captured));
    const units = (BigInt(u32(4)) << 32n) | BigInt(u32(8));
    let direction: CaptureDirection | undefined;
    let dropped: number | undefined;
    for (const [code, value] of this.#options(body, 20 + padded(captured))) {
      if (code === EPB_FLAGS && value.length === 4) {
        direction = directions[viewOf(value).getUint32(0, this.#isLittle) & 3];
      }
      if (code === EPB_DROPCOUNT && value.length === 8) {
        dropped = Number(viewOf(value).getBigUint64(0, this.#isLittle));
      }
    }
    return {
      interface: source.interface,
      timestampNs: (units * NS_PER_SECOND) / source.resolution + source.offsetNs,
      ...(direction !== undefined && { direction }),
      frame: body.subarray(20, 20 + captured),
      originalLength: u32(16),
      ...(dropped !== undefined && { dropped }),
    };
  }

  #simple(body: Uint8Array): CapturedFrame {
    this.#need(body, 4);
    const { interface: from } = this.#sourceOf(0);
    const originalLength = viewOf(body).getUint32(0, this.#isLittle);
    const captured = Math.min(originalLength, from.snapLength || originalLength);
    this.#need(body, 4 + padded(captured));
    return { interface: from, frame: body.subarray(4, 4 + captured), originalLength };
  }

  #sourceOf(id: number): Source {
    const source = this.#sources[id];
    if (source === undefined) throw this.#wrong(8, `a packet of interface ${id}, of which there is no description`);
    return source;
  }

  *#options(body: Uint8Array, from: number): Generator<[code: number, value: Uint8Array]> {
    const view = viewOf(body);
    for (let at = from; at + 4 <= body.length; ) {
      const code = view.getUint16(at, this.#isLittle);
      const length = view.getUint16(at + 2, this.#isLittle);
      if (code === OPTION_END) return;
      if (at + 4 + length > body.length) throw this.#wrong(8 + at, "an option that is longer than its block");
      yield [code, body.subarray(at + 4, at + 4 + length)];
      at += 4 + padded(length);
    }
  }

  #need(body: Uint8Array, length: number): void {
    if (body.length < length)
      throw this.#wrong(4, `a block with ${body.length} bytes in it, wanted at least ${length}`);
  }

  /** @param at within the block that is being read */
  #wrong(at: number, message: string): CaptureError {
    return new CaptureError(this.#offset + at, message);
  }
}

const directions: readonly (CaptureDirection | undefined)[] = [undefined, "inbound", "outbound", undefined];

/** if_tsresol: a negative power of 10, or of 2 if the highest bit is set. */
function resolutionOf(value: number): bigint {
  return value & 0x80 ? 1n << BigInt(value & 0x7f) : 10n ** BigInt(value);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
