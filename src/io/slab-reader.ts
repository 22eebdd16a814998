import { EAGAIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import type { DeviceCounters } from "./types.ts";

/** Where frames begin in a slab: a view that begins inside its buffer is known to have one (see `gather` in sender.ts). */
const SLAB_START = 8;
/** Frames are read one behind the other into slabs of this size, which are handed out as views. */
const SLAB_BYTES = 256 * 1024;
/** Of frames of up to 64 KiB, or of what they are split into: room for some of them. */
const BIG_SLAB_BYTES = 1024 * 1024;
const BIG_FRAME = 32 * 1024;

/** The longest frame that any MTU allows (65,535 and headers), with room to spare. */
const SPILL_BYTES = 65_536 + 64;

/** Where a frame runs to that is longer than what is left of a slab; used within one read only. */
let spill: Uint8Array | undefined;
/** The lengths of the frames of one read. */
let lengths: Int32Array | undefined;

/** Frames that one read returns at most: the budget that keeps timers on time under a flood. */
const BATCH_FRAMES = 512;
/** The same of what super-packets are split into, each of which costs a third: what is cut off can be merged with nothing. */
const SPLIT_BATCH_FRAMES = 2048;

/**
 * Reads frames from a TUN fd as views of slabs. Without `reuse` a byte of a
 * slab is written once, so a frame can be kept as long as one likes (and keeps
 * its slab). With it there is one slab, and each read begins at its start.
 */
export class FrameReader {
  /** Frames that one read returns at most. */
  readonly batchMax: number;
  readonly #fd: number;
  readonly #reuse: boolean;
  readonly #slabBytes: number;
  readonly #splitter: Splitter | undefined;
  readonly #failed: (errno: number) => void;
  #frameMax: number;
  #slab: Uint8Array = empty;
  #offset = SLAB_START;
  /** With reuse, the views of the last reads, and the list that they were handed out in. */
  readonly #views: (Uint8Array | undefined)[] = [];
  readonly #list: Uint8Array[] = [];
  #full = false;
  #frames = 0;
  #bytes = 0;
  #truncated = 0;

  /** @param failed Is told the negative errno of a read that fails for good. */
  constructor({ fd, frameMax, reuseBuffers, split }: ReaderOptions, failed: (errno: number) => void) {
    this.#fd = fd;
    this.#frameMax = frameMax;
    this.#reuse = reuseBuffers;
    this.batchMax = split === undefined ? BATCH_FRAMES : SPLIT_BATCH_FRAMES;
    // Reused, a small one stays in the processor's cache; big is for what is split, of which a read takes more, and for big frames that are kept.
    const isBig = reuseBuffers ? split !== undefined : split === undefined && frameMax > BIG_FRAME;
    this.#slabBytes = isBig ? BIG_SLAB_BYTES : SLAB_BYTES;
    this.#splitter = split === undefined ? undefined : new Splitter(split === "tap");
    this.#failed = failed;
  }

  counters(): Pick<DeviceCounters, "framesReceived" | "bytesReceived" | "truncated" | "malformed"> {
    return {
      framesReceived: this.#frames,
      bytesReceived: this.#bytes,
      truncated: this.#truncated,
      malformed: this.#splitter?.malformed ?? 0,
    };
  }

  /** Whether there are frames that have been read from the kernel and not been taken: it wakes nobody for these. */
  get buffered(): boolean {
    return this.#splitter?.held === true;
  }

  /** Whether the last read may have ended for lack of room, and more be waiting. */
  get crowded(): boolean {
    return this.buffered || this.#slabBytes - this.#offset < this.#frameMax;
  }

  /** The next frame, or null if none is waiting. */
  readFrame(): Uint8Array | null {
    return this.#read(1) === 1 ? this.#take(0) : null;
  }

  /** All frames that are waiting, `limit` (at most {@link batchMax}) of them; null if none is. */
  readBatch(limit: number): Uint8Array[] | null {
    let count = this.#read(limit);
    if (count <= 0) return null;
    const frames = this.#reuse ? this.#list : [];
    frames.length = 0;
    for (;;) {
      for (let i = 0; i < count; i++) frames.push(this.#take(i));
      // A read ends early when the slab is full or none is waiting; with reuse, a second slab would overwrite the first.
      if (frames.length >= limit || this.#reuse || (this.#fits() && !this.buffered)) return frames;
      count = this.#read(limit - frames.length);
      if (count <= 0) return frames;
    }
  }

  #read(limit: number): number {
    lengths ??= new Int32Array(SPLIT_BATCH_FRAMES);
    spill ??= new Uint8Array(SPILL_BYTES);
    if (this.#reuse) this.#offset = SLAB_START;
    // byteLength is 0 if somebody transferred the buffer of a frame away.
    if (!this.#fits() || this.#slab.byteLength === 0) this.#newSlab();
    let count = this.#readInto(this.#slab, limit);
    if (count === 0) {
      // What is held is longer than what was left of the slab.
      this.#newSlab();
      count = this.#readInto(this.#slab, limit);
    }
    // What is held although there was room for more frames found no room in this slab.
    this.#full = this.buffered && count < limit;
    if (count < 0 && count !== -EAGAIN) this.#failed(count);
    return count;
  }

  #readInto(slab: Uint8Array, limit: number): number {
    const into = lengths as Int32Array;
    const end = this.#slabBytes;
    const { tun_read } = native();
    return this.#splitter === undefined
      ? tun_read(this.#fd, slab, this.#offset, end, this.#frameMax, spill as Uint8Array, SPILL_BYTES, into, limit)
      : this.#splitter.read(this.#fd, slab, this.#offset, end, into, limit);
  }

  #fits(): boolean {
    return this.#slabBytes - this.#offset >= this.#frameMax && this.#slab !== empty && (this.#reuse || !this.#full);
  }

  #newSlab(): void {
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(this.#slabBytes);
    this.#slab = new Uint8Array(buffer, byteOffset, this.#slabBytes);
    this.#offset = SLAB_START;
    this.#full = false;
    this.#views.length = 0;
  }

  /** The next frame of those read, number `i` of its read. */
  #take(i: number): Uint8Array {
    const length = (lengths as Int32Array)[i] as number;
    this.#frames++;
    this.#bytes += length;
    if (length > this.#frameMax) this.#frameMax = length;
    const start = this.#offset;
    const room = this.#slabBytes - start;
    this.#offset = start + ((length + 7) & ~7);
    if (length <= room) return this.#view(i, this.#slab.byteOffset + start, length);
    // No frame is as long as that: the kernel has cut it.
    if (length >= room + SPILL_BYTES) this.#truncated++;
    const whole = new Uint8Array(length);
    whole.set(this.#slab.subarray(start));
    whole.set((spill as Uint8Array).subarray(0, length - room), room);
    return whole;
  }

  /** With reuse the one of the last time, if it is the same: traffic repeats itself. */
  #view(i: number, start: number, length: number): Uint8Array {
    if (!this.#reuse) return new Uint8Array(this.#slab.buffer, start, length);
    let view = this.#views[i];
    if (view?.byteOffset !== start || view.byteLength !== length) {
      view = new Uint8Array(this.#slab.buffer, start, length);
      this.#views[i] = view;
    }
    return view;
  }
}

export interface ReaderOptions {
  readonly fd: number;
  /**
   * The longest frame to expect, in bytes. A longer one (the MTU was raised
   * meanwhile) arrives whole all the same, and raises this.
   */
  readonly frameMax: number;
  readonly reuseBuffers: boolean;
  /** The fd has virtio headers: take them away, and split super-packets. */
  readonly split?: "tun" | "tap" | undefined;
}

/** Reads an fd with virtio headers; holds what is left of the last super-packet (native/vnet.c). */
class Splitter {
  readonly #state = new Uint8Array(native().rx_size());
  readonly #shared = new Int32Array(this.#state.buffer, 0, 2);
  readonly #link: number;

  constructor(ethernet: boolean) {
    this.#link = ethernet ? 1 : 0;
  }

  get held(): boolean {
    return this.#shared[0] !== 0;
  }

  /** Frames that were lost, as their headers did not agree with their bytes. */
  get malformed(): number {
    return this.#shared[1] as number;
  }

  read(fd: number, slab: Uint8Array, offset: number, end: number, lengths: Int32Array, limit: number): number {
    return native().vnet_read(fd, slab, offset, end, this.#state, this.#link, lengths, limit);
  }
}

const empty = new Uint8Array(0);
