/** The latest frames, in no more room than is set aside for them. */
import type { Direction } from "./watch";

const FRAMES = 4000;
const BYTES = 4 * 1024 * 1024;

export interface Kept {
  frame: Uint8Array;
  direction: Direction;
  /** Milliseconds since 1970. */
  time: number;
}

export class Ring {
  #kept: Kept[] = [];
  #first = 0;
  #bytes = 0;

  /** Copies `frame`: it is valid only for now. */
  push(frame: Uint8Array, direction: Direction, time: number): void {
    this.#kept.push({ frame: frame.slice(), direction, time });
    this.#bytes += frame.length;
    while (this.#kept.length - this.#first > FRAMES || this.#bytes > BYTES) {
      this.#bytes -= (this.#kept[this.#first] as Kept).frame.length;
      this.#first++;
    }
    // Rarely: an array moves all its elements if it loses the first one.
    if (this.#first >= FRAMES) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#kept.slice(this.#first).values();
  }
}
