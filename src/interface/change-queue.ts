import type { Listener, Monitor } from "./monitor.ts";
import type { LinkChange } from "./types.ts";

type Result = IteratorResult<LinkChange>;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * The changes that a monitor tells from now on, kept until they are asked for.
 *
 * @param device is kept alive while somebody waits for the next one
 * @throws `signal.reason`, once what came before it has been taken
 */
export function changesOf(
  monitor: Monitor,
  device: object,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<LinkChange> {
  signal?.throwIfAborted();
  const inbox = new Inbox(monitor, signal);
  return {
    next: () => inbox.next(device),
    async return() {
      inbox.leave();
      return done;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** A class, and not closures: those of one function share what they hold, and this must not hold the device. */
class Inbox implements Listener {
  readonly #monitor: Monitor;
  readonly #signal: AbortSignal | undefined;
  readonly #told: LinkChange[] = [];
  readonly #waiters: (PromiseWithResolvers<Result> & { readonly device: object })[] = [];
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(monitor: Monitor, signal: AbortSignal | undefined) {
    this.#monitor = monitor;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
    monitor.add(this);
  }

  async next(device: object): Promise<Result> {
    const change = this.#told.shift();
    if (change !== undefined) return { done: false, value: change };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.reason;
    if (this.#ended) return done;
    const waiter = { ...Promise.withResolvers<Result>(), device };
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  change(change: LinkChange): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#told.push(change);
    else waiter.resolve({ done: false, value: change });
  }

  end(): void {
    this.#stop();
    for (const { resolve } of this.#waiters.splice(0)) resolve(done);
  }

  /** Nobody will ask any more. */
  leave(): void {
    this.#told.length = 0;
    this.end();
  }

  #stop(): void {
    this.#ended = true;
    this.#monitor.remove(this);
    this.#signal?.removeEventListener("abort", this.#abort);
  }

  readonly #abort = (): void => {
    this.#stop();
    const reason = this.#signal?.reason;
    // The first to ask is told why; the iteration is over then.
    if (this.#waiters.length === 0) this.#failure = { reason };
    for (const { reject } of this.#waiters.splice(0)) reject(reason);
  };
}
