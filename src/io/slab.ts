/** Slabs: memory into which frames are read, and of which they are views. */

import { FrameBlock, type Places, placesFor } from "./frame-block.ts";

/** The place of the first frame. A view that does not begin at 0 certainly has a buffer (see `gather` in batch.ts). */
const SLAB_START = 8;
/** Slab size for plain frames. */
export const SLAB_BYTES: number = 256 * 1024;
/** Slab size for super-packets: holds several frames of up to 64 KiB, or the packets that they are split into. */
export const BIG_SLAB_BYTES: number = 1024 * 1024;

/** Fills a slab from an fd. Each way to read is one of these, in a file of its own. */
export interface Filler {
  /** The most frames in one batch: the budget that keeps timers on time under a flood. */
  readonly batchMax: number;
  /** The alignment of frames in the slab, a power of two. */
  readonly alignment: number;
  /** Tells whether frames were read from the kernel that found no room in the slab. The next {@link fill} begins with it. */
  readonly held: boolean;
  /** Memory for the end of a frame that is longer than the room in the slab, for ways to read that allow for it. */
  readonly spill?: Uint8Array;
  /**
   * Reads up to `limit` frames into `slab`, from `offset` to `end`, and their
   * lengths into `lengths`. Stops when fewer than `frameMax` bytes are left.
   * Returns how many frames; 0 if what is held is longer than the room; `-errno`
   * if there is none.
   */
  fill(slab: Uint8Array, offset: number, end: number, frameMax: number, lengths: Int32Array, limit: number): number;
  /** Called once the fd is closed. What is held can still be taken. */
  end(): void;
}

/** Settings of a supply of slabs. */
export interface SlabOptions {
  readonly bytes: number;
  /**
   * The longest frame to expect, in bytes. A longer one (the MTU was raised
   * meanwhile) arrives whole all the same if there is a spill, and raises this.
   */
  readonly frameMax: number;
  /**
   * Uses one slab for ever, from its start at each fill. Otherwise each byte is written once, and a frame can be kept.
   */
  readonly reuse: boolean;
}

/** The lengths of the frames of one fill. They are taken before the next fill, so all slabs of a thread share them. */
let lengths: Int32Array | undefined;
const LENGTHS_MAX = 4096;

/** The slab into which frames are read next, and the views of the frames that were read. */
export class Slab {
  readonly #filler: Filler;
  readonly #spill: Uint8Array | undefined;
  readonly #padding: number;
  readonly #reuse: boolean;
  readonly #bytes: number;
  #frameMax: number;
  #memory: Uint8Array = empty;
  #offset = SLAB_START;
  #lengths: Int32Array = noLengths;
  /** The views of the last fills, and where they lie; for reuse alone. */
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #starts: Int32Array = noLengths;
  readonly #sizes: Int32Array = noLengths;
  #full = false;
  /** The place at which the last fill began. */
  #start = SLAB_START;
  /** Tells whether anybody has a view of what the last fill read. */
  #seen = true;
  /** Places of the last block. */
  #places: Places | undefined;
  #framesTaken = 0;
  #bytesTaken = 0;
  #truncated = 0;

  constructor(filler: Filler, { bytes, frameMax, reuse }: SlabOptions) {
    this.#filler = filler;
    this.#spill = filler.spill;
    this.#padding = filler.alignment - 1;
    this.#bytes = bytes;
    this.#frameMax = frameMax;
    this.#reuse = reuse;
    if (!reuse) return;
    this.#starts = new Int32Array(filler.batchMax);
    this.#sizes = new Int32Array(filler.batchMax);
  }

  get framesTaken(): number {
    return this.#framesTaken;
  }

  get bytesTaken(): number {
    return this.#bytesTaken;
  }

  /** Frames that were longer than any frame can be, so that the kernel has cut them. */
  get truncated(): number {
    return this.#truncated;
  }

  /** Tells whether the last fill may have ended for lack of room, with more waiting. */
  get crowded(): boolean {
    return this.#filler.held || this.#bytes - this.#offset < this.#frameMax;
  }

  /** Tells whether the next fill goes behind what was read, and not into a new slab. */
  get hasRoom(): boolean {
    return this.#bytes - this.#offset >= this.#frameMax && this.#memory !== empty && (this.#reuse || !this.#full);
  }

  /**
   * Reads up to `limit` frames. Each has to be taken, in order, before the
   * next fill.
   *
   * @returns how many, or `-errno`
   */
  fill(limit: number): number {
    lengths ??= new Int32Array(LENGTHS_MAX);
    this.#lengths = lengths;
    if (this.#reuse) this.#offset = SLAB_START;
    else if (!this.#seen) this.#rewind();
    this.#seen = false;
    // byteLength is 0 if the user transferred the buffer of a frame.
    if (!this.hasRoom || this.#memory.byteLength === 0) this.#renew();
    let count = this.#fillFrom(lengths, limit);
    if (count === 0) {
      // The held frame is longer than the rest of the slab.
      this.#renew();
      count = this.#fillFrom(lengths, limit);
    }
    // Frames are held although the limit allows more: they found no room in this slab.
    this.#full = this.#filler.held && count < limit;
    return count;
  }

  /** Gives the place of what was read last free again, because nobody has a view of it. */
  #rewind(): void {
    this.#offset = this.#start;
    this.#full = false;
  }

  #fillFrom(into: Int32Array, limit: number): number {
    this.#start = this.#offset;
    return this.#filler.fill(this.#memory, this.#offset, this.#bytes, this.#frameMax, into, limit);
  }

  #renew(): void {
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(this.#bytes);
    this.#memory = new Uint8Array(buffer, byteOffset, this.#bytes);
    this.#offset = SLAB_START;
    this.#full = false;
    this.#views.length = 0;
    this.#starts.fill(0);
  }

  /** Skips `bytes` that belong to no frame, such as the gap before the next message of one system call. */
  skip(bytes: number): void {
    this.#offset += bytes;
  }

  /** Returns the next frame of the last fill, number `i` of it. */
  take(i: number): Uint8Array {
    const length = this.#lengths[i] as number;
    this.#framesTaken++;
    this.#bytesTaken += length;
    if (length > this.#frameMax) this.#frameMax = length;
    const start = this.#offset;
    const room = this.#bytes - start;
    this.#offset = start + ((length + this.#padding) & ~this.#padding);
    if (length <= room) return this.#view(i, start, length);
    return this.#join(start, room, length);
  }

  /**
   * Adds the `count` frames of the last fill to `frames`. With reuse most of them are the views of the last time, and
   * taking each by itself would cost three times as much.
   */
  takeAll(count: number, frames: Uint8Array[]): void {
    const views = this.#views;
    const starts = this.#starts;
    const sizes = this.#sizes;
    const all = this.#lengths;
    const padding = this.#padding;
    let start = this.#offset;
    let bytes = 0;
    let i = 0;
    if (this.#reuse) {
      for (; i < count; i++) {
        const length = all[i] as number;
        if (starts[i] !== start || sizes[i] !== length) break;
        frames.push(views[i] as Uint8Array);
        bytes += length;
        start += (length + padding) & ~padding;
      }
      this.#framesTaken += i;
      this.#bytesTaken += bytes;
      this.#offset = start;
    }
    for (; i < count; i++) frames.push(this.take(i));
  }

  /** Returns the frames of the last fill, which were `count`, in place of {@link take}. */
  takeBlock(count: number): FrameBlock {
    this.#places ??= placesFor(LENGTHS_MAX);
    const { offsets, lengths: kept } = this.#places;
    const read = this.#lengths;
    const padding = this.#padding;
    let end = this.#offset;
    let bytes = 0;
    let longest = this.#frameMax;
    for (let i = 0; i < count; i++) {
      const length = read[i] as number;
      if (length > longest) longest = length;
      offsets[i] = end;
      kept[i] = length;
      bytes += length;
      end += (length + padding) & ~padding;
    }
    const last = count - 1;
    if ((offsets[last] as number) + (kept[last] as number) > this.#bytes) {
      return new FrameBlock(
        count,
        Array.from({ length: count }, (_, i) => this.take(i)),
      );
    }
    this.#offset = end;
    this.#framesTaken += count;
    this.#bytesTaken += bytes;
    this.#frameMax = longest;
    const view = (i: number): Uint8Array => this.#view(i, offsets[i] as number, kept[i] as number);
    return new FrameBlock(count, { memory: this.#memory, places: this.#places, view });
  }

  /** Returns a frame that runs on into the spill. */
  #join(start: number, room: number, length: number): Uint8Array {
    const spill = this.#spill as Uint8Array;
    // No frame is that long: the kernel has cut it.
    if (length >= room + spill.byteLength) this.#truncated++;
    const whole = new Uint8Array(length);
    whole.set(this.#memory.subarray(start));
    whole.set(spill.subarray(0, length - room), room);
    return whole;
  }

  /** Returns a view. With reuse it is the one of the last time, if that is the same: traffic repeats itself. */
  #view(i: number, start: number, length: number): Uint8Array {
    this.#seen = true;
    if (this.#reuse && this.#starts[i] === start && this.#sizes[i] === length) return this.#views[i] as Uint8Array;
    const view = new Uint8Array(this.#memory.buffer, this.#memory.byteOffset + start, length);
    if (!this.#reuse) return view;
    this.#views[i] = view;
    this.#starts[i] = start;
    this.#sizes[i] = length;
    return view;
  }
}

const empty = new Uint8Array(0);
const noLengths = new Int32Array(0);
