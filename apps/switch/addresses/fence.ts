/** A write that comes after all that were taken before it; many that wait share one. */

/** Shares writes that only say that others are over. */
export class Fence {
  readonly #write: () => Promise<number>;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<number> | undefined;

  /** @param write Writes anything; resolves to its revision */
  constructor(write: () => Promise<number>) {
    this.#write = write;
  }

  /** Resolves to the revision of a write that begins after this call. */
  async pass(): Promise<number> {
    this.#next ??= this.#afterRunning();
    return await this.#next;
  }

  async #afterRunning(): Promise<number> {
    await this.#running;
    this.#next = undefined;
    const own = this.#write();
    this.#running = own.catch(() => {});
    return await own;
  }
}
