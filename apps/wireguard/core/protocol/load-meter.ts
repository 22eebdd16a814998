/** Milliseconds for which a host counts as loaded after the limit was last passed. */
const LINGER_MS = 1000;

/** Tells whether so many handshake messages come in that their senders must prove their address first. */
export class LoadMeter {
  readonly #limit: number;
  #windowStart = 0;
  #count = 0;
  #loadedUntil = 0;

  /** @param limit Handshake messages a second. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts one more message. */
  isLoaded(now: number): boolean {
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#count = 0;
    }
    if (++this.#count > this.#limit) this.#loadedUntil = now + LINGER_MS;
    return now < this.#loadedUntil;
  }
}
