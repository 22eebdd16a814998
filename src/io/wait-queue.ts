/** One call that waits in a {@link WaitQueue}. */
export interface Waiting<T, W> {
  /** The wanted thing, as the caller described it. */
  readonly wanted: W;
  /** Takes the call out of the queue; {@link resolve} settles it. */
  leave(): void;
  resolve(value: T): void;
}

/** Calls that wait for something, in their order. Each waits by a promise. */
export class WaitQueue<T, W = void> {
  readonly #entries: Entry<T, W>[] = [];

  get length(): number {
    return this.#entries.length;
  }

  get first(): Waiting<T, W> | undefined {
    return this.#entries[0];
  }

  /**
   * Waits behind the others.
   *
   * @param holder is kept from being collected meanwhile
   * @param onAbort Called when the signal has taken the call out of the queue.
   * @throws `signal.reason`
   */
  wait(wanted: W, holder?: object, signal?: AbortSignal, onAbort?: () => void): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const leave = (): void => {
      signal?.removeEventListener("abort", abort);
      const place = this.#entries.indexOf(entry);
      if (place >= 0) this.#entries.splice(place, 1);
    };
    const abort = (): void => {
      leave();
      onAbort?.();
      reject(signal?.reason);
    };
    const entry: Entry<T, W> = { wanted, holder, leave, resolve, reject };
    signal?.addEventListener("abort", abort, { once: true });
    this.#entries.push(entry);
    return promise;
  }

  resolveAll(value: T): void {
    for (const entry of this.#all()) entry.resolve(value);
  }

  /** @param reason Makes the reason for each call. */
  rejectAll(reason: () => unknown): void {
    for (const entry of this.#all()) entry.reject(reason());
  }

  #all(): readonly Entry<T, W>[] {
    const all = this.#entries.splice(0);
    for (const entry of all) entry.leave();
    return all;
  }
}

interface Entry<T, W> extends Waiting<T, W> {
  readonly holder: object | undefined;
  reject(reason: unknown): void;
}
