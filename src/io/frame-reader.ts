import { lazy } from "../lazy.ts";
import { EAGAIN } from "../sys/constants.ts";
import type { FrameBlock } from "./frame-block.ts";
import { PlainFiller } from "./plain-reader.ts";
import type { Reader, Take } from "./receiver.ts";
import { BIG_SLAB_BYTES, SLAB_BYTES, Slab } from "./slab.ts";
import type { SplitFiller } from "./split-reader.ts";
import type { DeviceCounters } from "./types.ts";

const BIG_FRAME = 32 * 1024;

// Loaded on first use: most devices have no offload.
const splitReader = (): typeof import("./split-reader.ts") => lazy(() => require("./split-reader.ts"));

/** Settings of a reader of frames. */
export interface FrameReaderOptions {
  readonly fd: number;
  /** The longest frame to expect, in bytes. A longer one arrives whole all the same. */
  readonly frameMax: number;
  readonly reuseBuffers: boolean;
  /** Tells whether the fd carries virtio headers: they are removed, and super-packets split. */
  readonly split?: "tun" | "tap" | undefined;
}

/** Reads frames from a TUN fd as views of slabs. */
export class FrameReader implements Reader {
  readonly batchMax: number;
  readonly #filler: PlainFiller | SplitFiller;
  readonly #slab: Slab;
  readonly #reuse: boolean;
  /** The list of frames that is returned each time, with reused buffers. */
  readonly #list: Uint8Array[] = [];
  onFailed: (errno: number) => void = () => {};

  constructor({ fd, frameMax, reuseBuffers, split }: FrameReaderOptions) {
    this.#filler = split === undefined ? new PlainFiller(fd) : new (splitReader().SplitFiller)(fd, split === "tap");
    this.batchMax = this.#filler.batchMax;
    this.#reuse = reuseBuffers;
    // A small slab that is reused stays in the processor's cache. Split super-packets need a big one, for one read
    // gives more bytes, and so do big frames that are kept.
    const isBig = reuseBuffers ? split !== undefined : split === undefined && frameMax > BIG_FRAME;
    this.#slab = new Slab(this.#filler, {
      bytes: isBig ? BIG_SLAB_BYTES : SLAB_BYTES,
      frameMax,
      reuse: reuseBuffers,
    });
  }

  counters(): Pick<DeviceCounters, "framesReceived" | "bytesReceived" | "truncated" | "malformed"> {
    const { framesTaken, bytesTaken, truncated } = this.#slab;
    const malformed = "malformed" in this.#filler ? this.#filler.malformed : 0;
    return { framesReceived: framesTaken, bytesReceived: bytesTaken, truncated, malformed };
  }

  get buffered(): boolean {
    return this.#filler.held;
  }

  get crowded(): boolean {
    return this.#slab.crowded;
  }

  /** Returns the next frame, or null if none is waiting. */
  readFrame(): Uint8Array | null {
    const count = this.#slab.fill(1);
    return count === 1 ? this.#slab.take(0) : this.#none(count);
  }

  /** Returns the frames that are waiting, at most `limit` (up to {@link batchMax}) of them; null if none is. */
  readBatch(limit: number): Uint8Array[] | null {
    const slab = this.#slab;
    let count = slab.fill(limit);
    if (count <= 0) return this.#none(count);
    const frames = this.#reuse ? this.#list : [];
    frames.length = 0;
    for (;;) {
      slab.takeAll(count, frames);
      // A fill ends early when the slab is full or none is waiting; with reuse, a second one would overwrite the first.
      if (frames.length >= limit || this.#reuse || (slab.hasRoom && !this.buffered)) return frames;
      count = slab.fill(limit - frames.length);
      // A failed read fails again the next time, so the frames before it are delivered first.
      if (count <= 0) return frames;
    }
  }

  /** Returns the frames that are waiting as one block; null if none is. */
  readBlock(limit: number): FrameBlock | null {
    const count = this.#slab.fill(limit);
    return count > 0 ? this.#slab.takeBlock(count) : this.#none(count);
  }

  end(): void {
    this.#filler.end();
  }

  #none(result: number): null {
    if (result < 0 && result !== -EAGAIN) this.onFailed(result);
    return null;
  }
}

/** Takes one frame at a time. */
export const oneFrame: Take<FrameReader, Uint8Array> = {
  take: (reader) => reader.readFrame(),
  countOf: () => 1,
  framesOf: (frame) => [frame],
};

/** Takes a copy of one frame, because its buffer is used again. */
export const frameCopy: Take<FrameReader, Uint8Array> = {
  take: (reader) => reader.readFrame()?.slice() ?? null,
  countOf: oneFrame.countOf,
  framesOf: oneFrame.framesOf,
};

/** Takes all frames that are waiting. */
export const frameBatch: Take<FrameReader, Uint8Array[]> = {
  take: (reader, budget) => reader.readBatch(budget),
  countOf: (frames) => frames.length,
  framesOf: (frames) => frames,
};

/** Takes all frames that are waiting, without views of them. */
export const frameBlock: Take<FrameReader, FrameBlock> = {
  take: (reader, budget) => reader.readBlock(budget),
  countOf: ({ count }) => count,
  framesOf: (block) => block.frames(),
};
