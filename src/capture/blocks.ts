// The blocks of a pcapng section, written in this machine's byte order (little-endian on all that Bun runs on).
import {
  BYTE_ORDER_MAGIC,
  type CaptureDirection,
  directionBits,
  ENHANCED_PACKET,
  EPB_DROPCOUNT,
  EPB_FLAGS,
  IF_NAME,
  IF_TSRESOL,
  INTERFACE_DESCRIPTION,
  INTERFACE_STATISTICS,
  ISB_ENDTIME,
  ISB_IFDROP,
  ISB_IFRECV,
  ISB_STARTTIME,
  NANOSECONDS,
  OPTION_END,
  padded,
  SECTION_HEADER,
  SHB_USERAPPL,
} from "./format.ts";
import { concat } from "./runtime.ts";

/** The interface of a capture; a file has one. */
export interface CaptureInterface {
  /** The name of the interface; empty if the file has none. */
  readonly name: string;
  /** A `LinkType`, or any other number of tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** Bytes that are kept of a frame at most; 0: all. */
  readonly snapLength: number;
}

const utf8 = new TextEncoder();
const U32 = 2 ** 32;

/** Bytes of type and length, which stands before and behind. */
const FRAMING = 12;
const PACKET_HEADER = 28;
/** Bytes of the option epb_flags and of the end of the options. */
const PACKET_OPTIONS = 12;
const DROP_COUNT = 12;

/** Returns the most bytes that {@link BlockWriter.packet} writes for a frame of which `captured` bytes are kept. */
export function packetRoom(captured: number): number {
  return PACKET_HEADER + padded(captured) + PACKET_OPTIONS + DROP_COUNT + 4;
}

/** A section header and an interface description: what a file begins with. */
export function fileHeader({ name, linkType, snapLength }: CaptureInterface): Uint8Array {
  const section = block(
    SECTION_HEADER,
    (view) => {
      view.setUint32(0, BYTE_ORDER_MAGIC, true);
      view.setUint16(4, 1, true);
      // Version 1.0; how long the section is gets known when it ends: not told.
      view.setBigInt64(8, -1n, true);
      return 16;
    },
    [[SHB_USERAPPL, utf8.encode("bun-tuntap")]],
  );
  const description = block(
    INTERFACE_DESCRIPTION,
    (view) => {
      view.setUint16(0, linkType, true);
      view.setUint32(4, snapLength, true);
      return 8;
    },
    [
      [IF_NAME, utf8.encode(name)],
      [IF_TSRESOL, Uint8Array.of(NANOSECONDS)],
    ],
  );
  return concat([section, description]);
}

/** Totals of an interface, for the end of a file. */
export interface InterfaceTotals {
  readonly startedNs: bigint;
  readonly endedNs: bigint;
  /** Frames that were there to be captured. */
  readonly seen: bigint;
  /** Frames that found no room, which `seen` counts too. */
  readonly dropped: bigint;
}

/** Makes the block with the totals of the interface, for the end of a file. */
export function statisticsBlock({ startedNs, endedNs, seen, dropped }: InterfaceTotals): Uint8Array {
  return block(
    INTERFACE_STATISTICS,
    (view) => {
      setTime(view, 4, endedNs);
      return 12;
    },
    [
      [ISB_STARTTIME, time(startedNs)],
      [ISB_ENDTIME, time(endedNs)],
      [ISB_IFRECV, u64(seen)],
      [ISB_IFDROP, u64(dropped)],
    ],
  );
}

/** Writes packet blocks one behind the other into a buffer. */
export class BlockWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Bytes that are written. */
  length = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  /** Bytes as they are, for which there has to be room. */
  copy(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /**
   * One packet of interface 0.
   *
   * @param captured how many bytes of `frame`, beginning at `start`, are kept
   * @param dropped how many were lost between the last one and this
   */
  packet(
    frame: Uint8Array,
    start: number,
    captured: number,
    time: Timestamp,
    direction: CaptureDirection | undefined,
    dropped: number,
  ): void {
    const view = this.#view;
    const bytes = this.#bytes;
    const at = this.length;
    view.setUint32(at, ENHANCED_PACKET, true);
    view.setUint32(at + 8, 0, true);
    view.setUint32(at + 12, time.high, true);
    view.setUint32(at + 16, time.low, true);
    view.setUint32(at + 20, captured, true);
    view.setUint32(at + 24, frame.length - start, true);
    let end = at + PACKET_HEADER;
    bytes.set(start === 0 && captured === frame.length ? frame : frame.subarray(start, start + captured), end);
    end += captured;
    while ((end & 3) !== (at & 3)) bytes[end++] = 0;
    if (direction !== undefined) {
      view.setUint32(end, EPB_FLAGS | (4 << 16), true);
      view.setUint32(end + 4, directionBits[direction], true);
      end += 8;
    }
    if (dropped > 0) {
      view.setUint32(end, EPB_DROPCOUNT | (8 << 16), true);
      view.setUint32(end + 4, dropped % U32, true);
      view.setUint32(end + 8, Math.floor(dropped / U32), true);
      end += DROP_COUNT;
    }
    view.setUint32(end, OPTION_END, true);
    const length = end + 8 - at;
    view.setUint32(at + 4, length, true);
    view.setUint32(end + 4, length, true);
    this.length = end + 8;
  }
}

/** Nanoseconds since 1970 in two halves, as blocks have it. */
export interface Timestamp {
  readonly high: number;
  readonly low: number;
}

/** Splits nanoseconds into the two halves that a block has. */
export function timestamp(ns: bigint): Timestamp {
  return { high: Number(BigInt.asUintN(64, ns) >> 32n), low: Number(ns & 0xffff_ffffn) };
}

type Option = readonly [code: number, value: Uint8Array];

function block(type: number, body: (view: DataView) => number, options: readonly Option[]): Uint8Array {
  const size = FRAMING + 64 + options.reduce((sum, [, { length }]) => sum + 4 + padded(length), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let end = 8 + body(new DataView(bytes.buffer, 8));
  for (const [code, value] of options) {
    view.setUint16(end, code, true);
    view.setUint16(end + 2, value.length, true);
    bytes.set(value, end + 4);
    end += 4 + padded(value.length);
  }
  // The end of the options: zeros.
  end += 4;
  view.setUint32(0, type, true);
  view.setUint32(4, end + 4, true);
  view.setUint32(end, end + 4, true);
  return bytes.subarray(0, end + 4);
}

function setTime(view: DataView, at: number, ns: bigint): void {
  const { high, low } = timestamp(ns);
  view.setUint32(at, high, true);
  view.setUint32(at + 4, low, true);
}

function time(ns: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  setTime(new DataView(bytes.buffer), 0, ns);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
