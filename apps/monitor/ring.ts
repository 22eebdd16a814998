/** The latest frames, in no more room than is set aside for them. */

/** From the program's view of the wire: "in" comes from the kernel, "out" goes to it. */
export type Direction = "in" | "out";

const FRAMES = 4000;
const BYTES = 4 * 1024 * 1024;

export interface Kept {
  frame: Uint8Array;
  direction: Direction;
  /** Milliseconds since 1970. */
  time: number;
}

export class Ring {
  readonly #kept = new Set<Kept>();
  #bytes = 0;

  /** Copies `frame`: it is valid only for now. */
  push(frame: Uint8Array, direction: Direction, time: number): void {
    this.#kept.add({ frame: frame.slice(), direction, time });
    this.#bytes += frame.length;
    for (const oldest of this.#kept) {
      if (this.#kept.size <= FRAMES && this.#bytes <= BYTES) break;
      this.#kept.delete(oldest);
      this.#bytes -= oldest.frame.length;
    }
  }

  /** The oldest first. */
  [Symbol.iterator](): IterableIterator<Kept> {
    return this.#kept.values();
  }
}
