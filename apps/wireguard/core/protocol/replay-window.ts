import { REJECT_AFTER_MESSAGES_HIGH, REJECT_AFTER_MESSAGES_LOW } from "./constants.ts";

/** Counters that are remembered behind the greatest one, as in the kernel's implementation. */
export const WINDOW_BITS = 8192;
const RING_WORDS = WINDOW_BITS / 32;
/** One word of the ring is being overwritten while the greatest counter moves through it (RFC 6479 section 2). */
export const WINDOW_SIZE: number = WINDOW_BITS - 32;
const TWO_32 = 2 ** 32;

/**
 * The anti-replay window of RFC 6479, for counters of 64 bits in two halves. A difference of two counters is exact as
 * a double where it is small, and where it is not only its sign and that it is large count.
 */
export class ReplayWindow {
  readonly #ring = new Uint32Array(RING_WORDS);
  #high = 0;
  #low = 0;
  #isEmpty = true;

  /**
   * Takes the counter of an authentic message. Returns false if it was seen before, is too old, or is beyond the
   * last one that a key may be used with.
   */
  accept(high: number, low: number): boolean {
    if (high === REJECT_AFTER_MESSAGES_HIGH && low >= REJECT_AFTER_MESSAGES_LOW) return false;
    const ahead = this.#isEmpty ? 1 : (high - this.#high) * TWO_32 + (low - this.#low);
    const word = (low >>> 5) % RING_WORDS;
    if (ahead > 0) {
      this.#advance(high, low);
    } else if (-ahead >= WINDOW_SIZE) {
      return false;
    }
    const bit = 1 << (low & 31);
    if (((this.#ring[word] as number) & bit) !== 0) return false;
    this.#ring[word] = (this.#ring[word] as number) | bit;
    return true;
  }

  /** Clears the words between the greatest counter and the new one. */
  #advance(high: number, low: number): void {
    const words = this.#isEmpty ? RING_WORDS : (high - this.#high) * 2 ** 27 + ((low >>> 5) - (this.#low >>> 5));
    if (words >= RING_WORDS) this.#ring.fill(0);
    else for (let i = 1, at = this.#low >>> 5; i <= words; i++) this.#ring[(at + i) % RING_WORDS] = 0;
    this.#high = high;
    this.#low = low;
    this.#isEmpty = false;
  }
}
