import { TunTapError } from "../errors.ts";
import type { FrameReader } from "./slab-reader.ts";

/** Whoever receives from a device; there is one at a time. */
export interface Consumer {
  /** As the error of a second consumer names it: "the data handler". */
  readonly description: string;
  /** Receives while a call is waiting only, not until it is released. */
  readonly perCall?: boolean;
}

/** A frame or a batch. */
export type Taken = Uint8Array | Uint8Array[];

/** Takes what is waiting in the kernel, or null if nothing is. */
export type Take<T extends Taken> = (reader: FrameReader, budget: number) => T | null;

export const takeFrame: Take<Uint8Array> = (reader) => reader.readFrame();
export const takeBatch: Take<Uint8Array[]> = (reader, budget) => reader.readBatch(budget);

interface Waiter {
  /** Keeps the device from being collected while somebody waits for it. */
  readonly device: object;
  /** Delivers, if something is waiting in the kernel. */
  deliver(): boolean;
  end(): void;
}

/**
 * The one receive loop of a device. It reads only what a consumer asked for,
 * so the kernel's queue is the buffer, and what overflows is counted there.
 */
export class Receiver {
  readonly #reader: FrameReader;
  /** Asks for a wake-up when frames are waiting. */
  readonly #want: () => void;
  #consumer: Consumer | undefined;
  #push: ((frames: Uint8Array[]) => void) | undefined;
  readonly #waiters: Waiter[] = [];
  /** Is shown what is delivered, before it is. */
  onFrames: ((frames: readonly Uint8Array[]) => void) | undefined;
  /** Frames that may still be taken before the event loop gets its turn. */
  #budget: number;
  #ended = false;
  #returning = false;

  constructor(reader: FrameReader, want: () => void) {
    this.#reader = reader;
    this.#budget = reader.batchMax;
    this.#want = want;
  }

  /** Whether anybody is waiting for frames. */
  get wanted(): boolean {
    return !this.#ended && (this.#push !== undefined || this.#waiters.length > 0);
  }

  /** Delivers every batch to `handler`, from now on and for ever. */
  pushTo(consumer: Consumer, handler: (frames: Uint8Array[]) => void): void {
    this.claim(consumer);
    this.#push = handler;
    this.#want();
  }

  /** @throws {TunTapError} `ERR_TUNTAP_BUSY` if there is another consumer. */
  claim(consumer: Consumer): void {
    const other = this.#consumer;
    if (other !== undefined && other !== consumer) {
      throw new TunTapError(
        "ERR_TUNTAP_BUSY",
        `${consumer.description} cannot receive while ${other.description} does`,
        { hint: "a device has one consumer at a time: end the first, or let it hand the frames on" },
      );
    }
    this.#consumer = consumer;
  }

  /** Ends what the consumer is waiting for, and lets another one receive. */
  release(consumer: Consumer): void {
    if (this.#consumer !== consumer) return;
    this.#consumer = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.end();
  }

  /** What is waiting in the kernel, now; null if nothing is, or others wait for it. */
  takeNow<T extends Taken>(consumer: Consumer, take: Take<T>): T | null {
    this.claim(consumer);
    const value = this.#ended || this.#waiters.length > 0 ? null : take(this.#reader, this.#reader.batchMax);
    if (this.onFrames !== undefined && value !== null) this.onFrames(framesOf(value));
    this.#releaseIfIdle();
    return value;
  }

  /**
   * What comes next, in the order of the calls; null once the device is
   * closed or the consumer released.
   *
   * @param device is kept alive meanwhile
   * @throws {TunTapError} `ERR_TUNTAP_BUSY`
   * @throws `signal.reason`; what would have been delivered stays in the kernel
   */
  next<T extends Taken>(consumer: Consumer, take: Take<T>, device: object, signal?: AbortSignal): Promise<T | null> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended) return Promise.resolve(null);
    this.claim(consumer);
    if (this.#waiters.length === 0 && this.#budget > 0) {
      const value = this.#takeWithinBudget(take);
      // The read may have found the device gone.
      if (value !== null || this.#ended) {
        this.#releaseIfIdle();
        return Promise.resolve(value);
      }
    }
    return this.#wait(take, device, signal);
  }

  #wait<T extends Taken>(take: Take<T>, device: object, signal: AbortSignal | undefined): Promise<T | null> {
    const { promise, resolve, reject } = Promise.withResolvers<T | null>();
    const settle = (value: T | null): void => {
      signal?.removeEventListener("abort", abort);
      resolve(value);
    };
    const waiter: Waiter = {
      device,
      deliver: () => {
        const value = this.#takeWithinBudget(take);
        if (value !== null) settle(value);
        return value !== null;
      },
      end: () => settle(null),
    };
    const abort = (): void => {
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      this.#releaseIfIdle();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#waiters.push(waiter);
    this.#want();
    this.#comeBack();
    return promise;
  }

  /** Frames are waiting: deliver them, as many as the budget of one wake-up allows. */
  onReadable(): void {
    this.#budget = this.#reader.batchMax;
    if (this.#push !== undefined) {
      do {
        const frames = this.#takeWithinBudget(takeBatch);
        if (frames === null) break;
        this.#push(frames);
      } while (this.#push !== undefined && this.#budget > 0 && this.#reader.crowded);
    } else {
      while (this.#budget > 0 && this.#waiters[0]?.deliver()) this.#waiters.shift();
      this.#releaseIfIdle();
    }
    this.#comeBack();
  }

  /** For what has been read and is not delivered the kernel wakes nobody. */
  #comeBack(): void {
    if (!this.#reader.buffered || this.#returning || !this.wanted) return;
    this.#returning = true;
    setImmediate(() => {
      this.#returning = false;
      if (this.wanted) this.onReadable();
    });
  }

  /** The device has closed: every wait ends. */
  end(): void {
    this.#ended = true;
    this.#push = undefined;
    this.#consumer = undefined;
    for (const waiter of this.#waiters.splice(0)) waiter.end();
  }

  #releaseIfIdle(): void {
    if (this.#consumer?.perCall && this.#waiters.length === 0) this.#consumer = undefined;
  }

  #takeWithinBudget<T extends Taken>(take: Take<T>): T | null {
    const value = take(this.#reader, this.#budget);
    if (value === null) return null;
    this.#budget -= Array.isArray(value) ? value.length : 1;
    this.onFrames?.(framesOf(value));
    return value;
  }
}

function framesOf(taken: Taken): readonly Uint8Array[] {
  return Array.isArray(taken) ? taken : [taken];
}
