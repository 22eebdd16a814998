/** Which counters have been seen: a sliding bitmap, as of RFC 6479, which shifts no bits. */

/** How far a datagram may be late. */
export const WINDOW = 2048;

/** Twice the window, so that the words that are cleared ahead never hold what is still in it. */
const WORDS = (2 * WINDOW) / 32;

/** What there is to say of a counter: it is ahead of all others, late but new, seen before, or too old to know. */
export type Verdict = "newest" | "late" | "replayed" | "too old";

export class ReplayWindow {
  readonly #bitmap = new Uint32Array(WORDS);
  #newest = -1;

  /** The highest counter so far, or -1. */
  get newest(): number {
    return this.#newest;
  }

  /** Judges a counter, and marks it as seen. Only for one that is authentic, or else anybody could move the window. */
  accept(counter: number): Verdict {
    if (counter > this.#newest) {
      this.#advance(counter);
      this.#mark(counter);
      return "newest";
    }
    if (counter <= this.#newest - WINDOW) return "too old";
    return this.#mark(counter) ? "late" : "replayed";
  }

  /** Clears the words between the newest counter and the new one. */
  #advance(counter: number): void {
    const from = Math.floor(this.#newest / 32);
    const to = Math.floor(counter / 32);
    const count = Math.min(to - from, WORDS);
    for (let i = 0; i < count; i++) this.#bitmap[(to - i) % WORDS] = 0;
    this.#newest = counter;
  }

  /** False if it was marked before. */
  #mark(counter: number): boolean {
    const word = Math.floor(counter / 32) % WORDS;
    const bit = 1 << (counter % 32);
    const bits = this.#bitmap[word] as number;
    this.#bitmap[word] = bits | bit;
    return (bits & bit) === 0;
  }
}
