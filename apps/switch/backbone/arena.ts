/**
 * Memory for messages that live until the end of a turn of the event loop: the client library has copied them by then.
 * New memory for each of them costs more than the copy, as the kernel has to clear its pages.
 */

const SIZE = 512 * 1024;

/** Hands out memory of one turn. */
export class Arena {
  readonly #memory: Buffer = Buffer.allocUnsafeSlow(SIZE);
  #used = 0;

  /** Returns memory that is valid until the next {@link reset}. */
  take(length: number): Buffer {
    const start = this.#used;
    if (start + length > SIZE) return Buffer.allocUnsafeSlow(length);
    this.#used = start + length;
    return this.#memory.subarray(start, this.#used);
  }

  /** Takes back all that was handed out. To be called in a turn of its own. */
  reset(): void {
    this.#used = 0;
  }
}
