import { TunTapError } from "../errors.ts";
import { WaitQueue } from "./wait-queue.ts";

/** The consumer of a channel, which has one at a time. */
export interface Consumer {
  /** Its name in the error of a second consumer, such as "the data handler". */
  readonly description: string;
  /** Tells whether it is the consumer only while a call waits, not until it is released. */
  readonly perCall?: boolean;
}

/** Reads batches from an fd. The receiver above it does not know what they contain. */
export interface Reader {
  /** The most frames in one batch, and the budget of one wake-up. */
  readonly batchMax: number;
  /** Tells whether frames have been read and not been taken. The kernel sends no wake-up for them. */
  readonly buffered: boolean;
  /** Tells whether the last read may have ended for lack of room, with more waiting in the kernel. */
  readonly crowded: boolean;
  /** Called with the negative errno of a read that failed for good and had nothing to return. */
  onFailed: (errno: number) => void;
  /** Called once the fd is closed. It reads no more, but buffered frames can still be taken. */
  end(): void;
}

/** A way to take from a reader: one frame, a batch, or a run of datagrams of one sender. */
export interface Take<R extends Reader, T> {
  /** Takes at most `budget` frames; returns null if none is waiting. */
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
  /** Called with an exception outside of a wake-up. */
  onThrown(cause: unknown): void;
}

/**
 * The one receive loop of a channel. It reads only for a consumer that asks, so the kernel's queue is the buffer, and
 * the kernel counts what overflows.
 *
 * Observers run between reading and delivering, and may do anything: close, abort, receive. So a waiting call leaves
 * the queue before they run, and a batch that they see is delivered even if they end the channel.
 */
export class Receiver<R extends Reader, B> {
  readonly #reader: R;
  readonly #batch: Take<R, B>;
  readonly #owner: ReceiverOwner;
  #consumer: Consumer | undefined;
  #push: ((batch: unknown) => void) | undefined;
  /** The way to take what is delivered to {@link #push}. */
  #pushed: Take<R, unknown>;
  /** The calls that wait, each with its way to take. Null ends one. */
  readonly #waiters: WaitQueue<unknown, Take<R, unknown>> = new WaitQueue();
  /** The batch that observers are being shown, and that is delivered next. */
  #shown: unknown;
  /** Called with frames before they are delivered. */
  onFrames: ((frames: readonly Uint8Array[]) => void) | undefined;
  /** Frames that may still be taken before the event loop gets its turn. */
  #budget: number;
  #ended = false;
  /** Tells whether frames that were read before the end can still be taken. */
  #givesLeftOver = false;
  #returning = false;

  /** @param batch The way to take what {@link pushTo} delivers. */
  constructor(reader: R, batch: Take<R, B>, owner: ReceiverOwner) {
    this.#reader = reader;
    this.#batch = batch;
    this.#pushed = batch;
    this.#owner = owner;
    this.#budget = reader.batchMax;
  }

  /** Tells whether anybody is waiting for frames. */
  get wanted(): boolean {
    return !this.#ended && (this.#push !== undefined || this.#waiters.length > 0);
  }

  /**
   * Delivers every batch to `handler`, from now on until the end, a pause or a release. `handler` must not throw.
   *
   * @param take another way to take them
   */
  pushTo<T = B>(consumer: Consumer, handler: (batch: T) => void, take?: Take<R, T>): void {
    this.claim(consumer);
    this.#push = handler as (batch: unknown) => void;
    this.#pushed = take ?? this.#batch;
    this.#owner.onWant();
    this.#comeBack();
  }

  /** Pauses delivery until the consumer calls {@link pushTo} again; it stays the only consumer. */
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

  /** Ends the waits of the consumer, and lets another one receive. */
  release(consumer: Consumer): void {
    if (this.#consumer !== consumer) return;
    this.#consumer = undefined;
    this.#push = undefined;
    this.#waiters.resolveAll(null);
  }

  /** Takes at once; returns null if nothing is waiting, or earlier calls wait. */
  takeNow<T>(consumer: Consumer, take: Take<R, T>): T | null {
    if (this.#ended) return this.#takeLeftOver(take);
    this.claim(consumer);
    const value = this.#waiters.length > 0 ? null : take.take(this.#reader, this.#reader.batchMax);
    this.#releaseIfIdle();
    if (value !== null) this.onFrames?.(take.framesOf(value));
    return value;
  }

  /**
   * Waits for the next frame or batch, in the order of the calls. Resolves to null once the channel has ended and its
   * buffered frames are taken, or the consumer was released.
   *
   * @param holder is kept alive meanwhile
   * @throws {TunTapError} `ERR_TUNTAP_BUSY`
   * @throws `signal.reason`; frames stay in the kernel then
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

  /** Called when frames are waiting: delivers as many as the budget of one wake-up allows. */
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
    const take = this.#pushed;
    const batch = this.#takeWithinBudget(take);
    if (batch === null) return false;
    if (this.onFrames !== undefined) {
      this.#shown = batch;
      this.onFrames(take.framesOf(batch));
      // If an observer ended the channel, its end has delivered the batch.
      if (this.#shown === undefined) return false;
      this.#shown = undefined;
    }
    this.#push?.(batch);
    return true;
  }

  /** Comes back for frames that were read and not delivered: the kernel sends no wake-up for them. */
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
   * Delivers the frames that have been read, before the channel ends.
   *
   * @param all Whether to deliver the frames that the reader still holds, too: not if the user closes.
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

  /** Called when the channel has ended: ends every wait. */
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

  /** Takes frames that were read before the end. */
  #takeLeftOver<T>(take: Take<R, T>): T | null {
    if (!this.#givesLeftOver || !this.#reader.buffered) return null;
    const value = take.take(this.#reader, this.#reader.batchMax);
    if (value !== null) this.onFrames?.(take.framesOf(value));
    return value;
  }
}
