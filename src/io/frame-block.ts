import { GATHER_MAX, gathered, lengths, offsets } from "./batch.ts";
import type { FrameSet } from "./frame-set.ts";

/** The places and lengths of the frames of a block. Each reader has one of these, for its last block. */
export interface Places {
  /** Counted from the first byte of the memory. */
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;
}

/** Makes room for the places of `count` frames. */
export function placesFor(count: number): Places {
  return { offsets: new Int32Array(count), lengths: new Int32Array(count) };
}

/** The memory of a block. */
export interface BlockMemory {
  readonly memory: Uint8Array;
  readonly places: Places;
  /** Makes the view of frame number `i`. */
  view(i: number): Uint8Array;
}

/**
 * The frames of one read as places in memory, for code that passes them on without a look at them: a view of each would
 * cost more than all else that is done for it. It is valid until the next read.
 */
export class FrameBlock implements FrameSet {
  readonly count: number;
  readonly #in: BlockMemory | undefined;
  #frames: readonly Uint8Array[] | undefined;

  /** @param from The memory, or the frames themselves, where they are not in one piece of memory. */
  constructor(count: number, from: BlockMemory | readonly Uint8Array[]) {
    this.count = count;
    if ("memory" in from) this.#in = from;
    else this.#frames = from;
  }

  /** Tells whether the frames are in one piece of memory, so that it can be sent as it is. */
  get isWhole(): boolean {
    // byteLength is 0 if an observer has transferred the buffer of a frame.
    return this.#in !== undefined && this.#in.memory.byteLength > 0;
  }

  frames(): readonly Uint8Array[] {
    this.#frames ??= this.#makeFrames();
    return this.#frames;
  }

  get base(): Uint8Array {
    return (this.#in as BlockMemory).memory;
  }

  gather(from: number): number {
    const { places } = this.#in as BlockMemory;
    const count = Math.min(this.count - from, GATHER_MAX);
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const length = places.lengths[from + i] as number;
      offsets[i] = places.offsets[from + i] as number;
      lengths[i] = length;
      bytes += length;
    }
    gathered.bytes = bytes;
    return count;
  }

  #makeFrames(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let i = 0; i < this.count; i++) frames.push((this.#in as BlockMemory).view(i));
    return frames;
  }
}
