import { WaitQueue } from "../io/wait-queue.ts";
import type { Listener } from "./monitor.ts";
import type { LinkChange } from "./types.ts";

/** The part of a monitor that an iteration needs. */
export interface Teller {
  add(listener: Listener): void;
  remove(listener: Listener): void;
}

type Result = IteratorResult<LinkChange>;

/**
 * The most changes that wait for one iteration. The kernel's own queue holds fewer, so a reader that keeps up loses
 * none.
 */
const CAPACITY = 16_384;

const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Iterates over the changes that a monitor reports from now on, and keeps them until they are taken. Beyond {@link
 * CAPACITY} the oldest are dropped, and a change of the type `lost` stands for them.
 *
 * @param device is kept alive while somebody waits for the next one
 * @throws `signal.reason`, once what came before it has been taken
 */
export function changesOf(
  monitor: Teller,
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

/** The changes that wait for one iteration. A class, because closures of one function share what they hold, and this must not hold the device. */
class Inbox implements Listener {
  readonly #monitor: Teller;
  readonly #signal: AbortSignal | undefined;
  readonly #told: LinkChange[] = [];
  /** The number of dropped changes, which were older than those that wait. */
  #lost = 0;
  readonly #waiters = new WaitQueue<Result>();
  #ended = false;
  #failure: { readonly reason: unknown } | undefined;

  constructor(monitor: Teller, signal: AbortSignal | undefined) {
    this.#monitor = monitor;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort, { once: true });
    monitor.add(this);
  }

  async next(device: object): Promise<Result> {
    const change = this.#take();
    if (change !== undefined) return { done: false, value: change };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.reason;
    if (this.#ended) return done;
    return this.#waiters.wait(undefined, device);
  }

  change(change: LinkChange): void {
    const waiter = this.#waiters.first;
    waiter?.leave();
    if (waiter !== undefined) waiter.resolve({ done: false, value: change });
    else if (this.#told.push(change) > CAPACITY) {
      this.#told.shift();
      this.#lost++;
    }
  }

  #take(): LinkChange | undefined {
    if (this.#lost === 0) return this.#told.shift();
    const count = this.#lost;
    this.#lost = 0;
    return { type: "lost", count };
  }

  end(): void {
    this.#stop();
    this.#waiters.resolveAll(done);
  }

  /** Ends the iteration and drops the changes that wait: nobody will take them. */
  leave(): void {
    this.#told.length = 0;
    this.#lost = 0;
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
    // The next call throws the reason, and the iteration is over then.
    if (this.#waiters.length === 0) this.#failure = { reason };
    this.#waiters.rejectAll(() => reason);
  };
}
