/** The latest frames, in bounded memory. */

import type { Direction } from "../../src/index.ts";

const FRAMES = 4000;
const BYTES = 4 * 1024 * 1024;

/** A frame that passed the device, and when. */
export interface Kept {
  frame: Uint8Array;
  direction: Direction;
  /** Milliseconds since 1970. */
  time: number;
}

/** Keeps copies of the latest frames; older ones make room. */
export class Ring {
  readonly #kept = new Set<Kept>();
  #bytes = 0;

  /** Adds a copy of `frame`, which is valid during this call only. */
  push(frame: Uint8Array, direction: Direction, time: number): void {
    this.#kept.add({ frame: frame.slice(), direction, time });
    this.#bytes += frame.length;
    for (const oldest of this.#kept) {
      if (this.#kept.size <= FRAMES && this.#bytes <= BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= oldest.frame.length;
    }
  }

  /** Iterates over the frames, the oldest first. */
  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#kept.values();
  }
}
