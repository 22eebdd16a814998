import { TunTapError } from "../errors.ts";
import { WaitQueue } from "./wait-queue.ts";

/** The party that receives; a channel has one at a time. */
export interface Consumer {
  /** The words in which the error of a second consumer names it: "the data handler". */
  readonly description: string;
  /** Receives while a call is waiting only, not until it is released. */
  readonly perCall?: boolean;
}

/** Reads what an fd has, in batches. The receiver above it knows nothing of what is in them. */
export interface Reader {
  /** Frames that one batch has at most, and the budget of one wake-up. */
  readonly batchMax: number;
  /** Whether something has been read from the kernel and not been taken: the kernel wakes nobody for this. */
  readonly buffered: boolean;
  /** Whether the last read may have ended for lack of room, with more waiting in the kernel. */
  readonly crowded: boolean;
  /** Called with the negative errno of a read that failed for good and had nothing to return. */
  onFailed: (errno: number) => void;
  /** Called once the fd is closed: reads no more from it, but may still give what is buffered. */
  end(): void;
}

/** A way to take something from a reader: a frame, a batch, a run of datagrams of one sender. */
export interface Take<R extends Reader, T> {
  /** Takes what is waiting, at most `budget` frames of it, or returns null if nothing is. */
  take(reader: R, budget: number): T | null;
  /** Counts the frames in it, for the budget. */
  countOf(taken: T): number;
  /** Lists the frames in it, for observers. */
  framesOf(taken: T): readonly Uint8Array[];
}

/** Called by the receiver. */
export interface ReceiverOwner {
  /** Asks for a wake-up when frames are waiting. */
  onWant(): void;
  /** Something threw outside of a wake-up. */
  onThrown(cause: unknown): void;
}

/**
 * The one receive loop of a channel. It reads only what a consumer asked for,
 * so the kernel's queue is the buffer, and what overflows is counted there.
 *
 * Observers run between reading and delivering, and may do anything: close,
 * abort, receive. So a waiter leaves the queue before they run, and a batch
 * that they see is delivered even if they end the channel.
 */
export class Receiver<R extends Reader, B> {
  readonly #reader: R;
  readonly #batch: Take<R, B>;
  readonly #owner: ReceiverOwner;
  #consumer: Consumer | undefined;
  #push: ((batch: B) => void) | undefined;
  /** The calls that wait, each with its way to take. Null ends one. */
  readonly #waiters: WaitQueue<unknown, Take<R, unknown>> = new WaitQueue();
  /** The batch that observers are looking at, and that is delivered next. */
  #shown: B | undefined;
  /** Called with what is delivered, before it is. */
  onFrames: ((frames: readonly Uint8Array[]) => void) | undefined;
  /** Frames that may still be taken before the event loop gets its turn. */
  #budget: number;
  #ended = false;
  /** Whether what was read before the end can still be taken. */
  #givesLeftOver = false;
  #returning = false;

  /** @param batch The way to take what {@link pushTo} delivers. */
  constructor(reader: R, batch: Take<R, B>, owner: ReceiverOwner) {
    this.#reader = reader;
    this.#batch = batch;
    this.#owner = owner;
    this.#budget = reader.batchMax;
  }

  /** Whether anybody is waiting for frames. */
  get wanted(): boolean {
    return !this.#ended && (this.#push !== undefined || this.#waiters.length > 0);
  }

  /** Delivers every batch to `handler`, from now on until the end, a pause or a release. `handler` must not throw. */
  pushTo(consumer: Consumer, handler: (batch: B) => void): void {
    this.claim(consumer);
    this.#push = handler;
    this.#owner.onWant();
    this.#comeBack();
  }

  /** Delivers nothing to the consumer before it calls {@link pushTo} again; it stays the only one. */
  pause(consumer: Consumer): void {
    if (this.#consumer === consumer) this.#push = undefined;
  }

  /** @throws {TunTapError} `ERR_TUNTAP_BUSY` if there is another consumer. */
  claim(consumer: Consumer): void {
    const other = this.#consumer;
    if (other !== undefined && other !== consumer) {
      throw new TunTapError(
        "ERR_TUNTAP_BUSY",
        `${consumer.description} cannot receive while ${other.description} does`,
        { hint: "there is one consumer at a time: end the first, or let it hand the frames on" },
      );
    }
    this.#consumer = consumer;
  }

  /** Ends what the consumer is waiting for, and lets another one receive. */
  release(consumer: Consumer): void {
    if (this.#consumer !== consumer) return;
    this.#consumer = undefined;
    this.#push = undefined;
    this.#waiters.resolveAll(null);
  }

  /** Takes what is waiting, now; returns null if nothing is, or others wait for it. */
  takeNow<T>(consumer: Consumer, take: Take<R, T>): T | null {
    if (this.#ended) return this.#takeLeftOver(take);
    this.claim(consumer);
    const value = this.#waiters.length > 0 ? null : take.take(this.#reader, this.#reader.batchMax);
    this.#releaseIfIdle();
    if (value !== null) this.onFrames?.(take.framesOf(value));
    return value;
  }

  /**
   * Resolves to what comes next, in the order of the calls; to null once the
   * channel has ended and what it had read is taken, or the consumer was
   * released.
   *
   * @param holder is kept alive meanwhile
   * @throws {TunTapError} `ERR_TUNTAP_BUSY`
   * @throws `signal.reason`; what would have been delivered stays in the kernel
   */
  next<T>(consumer: Consumer, take: Take<R, T>, holder: object, signal?: AbortSignal): Promise<T | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended) return Promise.resolve(this.#takeLeftOver(take));
    this.claim(consumer);
    if (this.#waiters.length === 0 && this.#budget > 0) {
      const value = this.#takeWithinBudget(take);
      // The read may have found the channel at its end.
      if (value !== null || this.#ended) {
        this.#releaseIfIdle();
        if (value !== null) this.onFrames?.(take.framesOf(value));
        return Promise.resolve(value);
      }
    }
    return this.#wait(take, holder, signal);
  }

  #wait<T>(take: Take<R, T>, holder: object, signal: AbortSignal | undefined): Promise<T | null> {
    const next = this.#waiters.wait(take, holder, signal, () => this.#releaseIfIdle());
    this.#owner.onWant();
    this.#comeBack();
    return next as Promise<T | null>;
  }

  /** Delivers to the call that waits first; false if none waits, or nothing is there for it. */
  #deliverToFirst(): boolean {
    const waiter = this.#waiters.first;
    if (waiter === undefined) return false;
    const value = this.#takeWithinBudget(waiter.wanted);
    if (value === null) return false;
    waiter.leave();
    this.onFrames?.(waiter.wanted.framesOf(value));
    waiter.resolve(value);
    return true;
  }

  /** Frames are waiting: delivers them, as many as the budget of one wake-up allows. */
  onReadable(): void {
    this.#budget = this.#reader.batchMax;
    if (this.#push !== undefined) {
      while (this.#pushBatch() && this.#budget > 0 && this.#reader.crowded);
    } else {
      while (this.#budget > 0 && this.#deliverToFirst());
      this.#releaseIfIdle();
    }
    this.#comeBack();
  }

  /** Delivers one batch to the handler; false if there is none, or no handler any more. */
  #pushBatch(): boolean {
    if (this.#push === undefined) return false;
    const batch = this.#takeWithinBudget(this.#batch);
    if (batch === null) return false;
    if (this.onFrames !== undefined) {
      this.#shown = batch;
      this.onFrames(this.#batch.framesOf(batch));
      // An observer that ended the channel has had it delivered.
      if (this.#shown === undefined) return false;
      this.#shown = undefined;
    }
    this.#push?.(batch);
    return true;
  }

  /** Comes back for what has been read and is not delivered, for which the kernel wakes nobody. */
  #comeBack(): void {
    if (!this.#reader.buffered || this.#returning || !this.wanted) return;
    this.#returning = true;
    setImmediate(() => {
      this.#returning = false;
      try {
        if (this.wanted) this.onReadable();
      } catch (cause) {
        this.#owner.onThrown(cause);
      }
    });
  }

  /**
   * Delivers what has been read, before the channel ends.
   *
   * @param all Whether to deliver what the reader still holds, too: not if the user closes.
   */
  finish(all: boolean): void {
    this.#givesLeftOver = all;
    const shown = this.#shown;
    this.#shown = undefined;
    if (shown !== undefined) this.#push?.(shown);
    if (!all) return;
    for (let more = true; more && this.#reader.buffered && this.wanted; ) {
      this.#budget = this.#reader.batchMax;
      more = this.#push !== undefined ? this.#pushBatch() : this.#deliverToFirst();
    }
  }

  /** The channel has ended: every wait ends. */
  end(): void {
    this.#ended = true;
    this.#push = undefined;
    this.#consumer = undefined;
    this.#reader.end();
    this.#waiters.resolveAll(null);
  }

  #releaseIfIdle(): void {
    if (this.#consumer?.perCall && this.#waiters.length === 0) this.#consumer = undefined;
  }

  #takeWithinBudget<T>(take: Take<R, T>): T | null {
    const value = take.take(this.#reader, this.#budget);
    if (value !== null) this.#budget -= take.countOf(value);
    return value;
  }

  /** Takes what was read before the end. */
  #takeLeftOver<T>(take: Take<R, T>): T | null {
    if (!this.#givesLeftOver || !this.#reader.buffered) return null;
    const value = take.take(this.#reader, this.#reader.batchMax);
    if (value !== null) this.onFrames?.(take.framesOf(value));
    return value;
  }
}
