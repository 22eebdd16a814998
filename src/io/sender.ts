import type { TunTapError } from "../errors.ts";
import { EAGAIN, EBADF } from "../sys/constants.ts";
import { allAsBytes, asBytes, gathered, KnownViews, lengthOf, lengths, offsets } from "./batch.ts";
import type { BatchWriter } from "./batch-writer.ts";
import type { FrameBlock } from "./frame-block.ts";
import { Batch, bytesOf, FrameList, type FrameSet } from "./frame-set.ts";
import { ReorderedFrames } from "./reordered.ts";
import type { FrameSource } from "./types.ts";
import { WaitQueue } from "./wait-queue.ts";

/** Knows what refusals mean on one kind of fd. The sender above it does not know about interfaces. */
export interface RefusalPolicy<Cause extends string> {
  /** The causes by which refused frames are counted. */
  readonly causes: readonly Cause[];
  /** Ends the channel if `errno` means that nothing can be sent any more, and returns the error then. */
  endedBy(errno: number): TunTapError | undefined;
  /** Returns the cause of the refusal of one frame. Called once for each errno other than EAGAIN. */
  causeOf(errno: number): Cause;
  /** Returns whether every other frame would be refused, too: the rest of the batch is not tried then. */
  isForAll(cause: Cause): boolean;
  /** Makes the error for a frame that was refused; `frameIndex` is its place in its batch. */
  errorOf(errno: number, frame: Uint8Array, frameIndex?: number): TunTapError;
}

/** Called by the sender. */
export interface SenderOwner {
  /** Asks for a wake-up when the kernel takes frames again. */
  onWant(): void;
}

/** The counters of a sender. */
export interface SentCounters<Cause extends string> {
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly refused: number;
  readonly refusedBy: { readonly [C in Cause]: number };
}

/** Gives frames to the kernel, in order. */
export class Sender<Cause extends string> {
  #fd: number;
  readonly #writer: BatchWriter;
  readonly #policy: RefusalPolicy<Cause>;
  readonly #owner: SenderOwner;
  readonly #waiters = new WaitQueue<void>();
  readonly #known = new KnownViews();
  /** Called with the frames of a batch that the kernel has taken: the first ones, without those whose places are in `refused`. */
  onFrames: ((frames: readonly Uint8Array[], refused: readonly number[]) => void) | undefined;
  /** Called once for each batch with refused frames, with the error of the first one. */
  onRefused: ((error: TunTapError) => void) | undefined;
  #blocked = false;
  #frames = 0;
  #bytes = 0;
  readonly #refused: Record<Cause, number>;

  constructor(fd: number, writer: BatchWriter, policy: RefusalPolicy<Cause>, owner: SenderOwner) {
    this.#fd = fd;
    this.#writer = writer;
    this.#policy = policy;
    this.#owner = owner;
    this.#refused = Object.fromEntries(policy.causes.map((cause) => [cause, 0])) as Record<Cause, number>;
  }

  counters(): SentCounters<Cause> {
    const refused = this.#policy.causes.reduce((sum, cause) => sum + this.#refused[cause], 0);
    return { framesSent: this.#frames, bytesSent: this.#bytes, refused, refusedBy: { ...this.#refused } };
  }

  /** Tells whether the kernel took no more frames, and has not been seen to take them again. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /**
   * Sends one frame alone.
   *
   * @returns false if the kernel does not take it now
   * @throws {TunTapError} if it never will
   */
  send(frame: FrameSource): boolean {
    const bytes = asBytes(frame);
    const length = lengthOf(bytes);
    if (this.#resume() < 0) return this.#block();
    const result = this.#writer.write(this.#fd, bytes, length);
    if (result < 0) {
      if (result === -EAGAIN) return this.#block();
      const ended = this.#policy.endedBy(result);
      if (ended !== undefined) throw ended;
      this.#refused[this.#policy.causeOf(result)]++;
      throw this.#policy.errorOf(result, bytes);
    }
    this.#frames++;
    this.#bytes += length;
    this.onFrames?.([bytes], refusedNone);
    return true;
  }

  /**
   * Sends frames until the kernel takes no more for now. A frame that it refuses for good is counted, and costs no
   * other one.
   *
   * @returns how many of the first ones have been dealt with
   * @throws {TunTapError} if the channel has ended
   */
  sendMany(frames: readonly FrameSource[]): number {
    // All frames are converted first: nothing may throw while the writer refers to their bytes, and none may be
    // collected.
    return this.#sendAll(new FrameList(allAsBytes(frames), this.#known));
  }

  /**
   * Sends frames as {@link sendMany} does, in another order: `order` has their places. Those that the kernel does not
   * take, before one that it has taken, are kept by the writer.
   */
  sendReordered(frames: readonly FrameSource[], order: Int32Array): number {
    const given = allAsBytes(frames);
    if (given.length !== order.length) throw new RangeError("The list of frames has changed while it was read");
    return this.#sendAll(new ReorderedFrames(given, order, this.#known));
  }

  /** Sends the frames of a block as {@link sendMany} does, without views of them if all goes well. */
  sendBlock(block: FrameBlock): number {
    return block.isWhole ? this.#sendAll(block) : this.sendMany(block.frames());
  }

  #sendAll(frames: FrameSet): number {
    const batch = new Batch(frames);
    // An empty batch makes no system call, so it would not find out that the fd is closed.
    const closed = this.#fd < 0 ? this.#policy.endedBy(-EBADF) : undefined;
    if (closed !== undefined) throw closed;
    let result = this.#resume() || this.#write(batch);
    while (result < 0 && result !== -EAGAIN) {
      const ended = this.#policy.endedBy(result);
      if (ended !== undefined) {
        this.#settle(batch, false);
        this.#account(batch);
        throw ended;
      }
      this.#refuse(batch, result);
      result = this.#write(batch);
    }
    const ended = this.#takeRefusals(batch);
    if (ended === undefined && result < 0) this.#block();
    this.#settle(batch, ended === undefined);
    this.#account(batch);
    if (ended !== undefined) throw ended;
    return batch.done;
  }

  /** Writes the rest of a batch. Returns 0, or the `-errno` of the frame at `done`. */
  #write(batch: Batch): number {
    const { given } = batch;
    const writer = this.#writer;
    let pushed = batch.done;
    let result = 0;
    while (pushed < given.count && result >= 0) {
      const count = this.#gather(given, pushed);
      const { bytes } = gathered;
      // The fd as it is now: a getter of a frame may have closed it.
      const taken = writer.push(this.#fd, given.base, offsets, lengths, count, pushed);
      if (taken < count) result = lengths[taken] as number;
      pushed += taken;
      batch.bytes += bytes;
    }
    if (result >= 0) result = writer.flush(this.#fd);
    batch.done = result < 0 ? pushed - writer.pending : pushed;
    // Before anybody else's code runs: their memory may be read into again then.
    if (result < 0) given.frames();
    return Math.min(result, 0);
  }

  /** Gathers frames. If that throws, because a view is none, the writer must not keep referring to those before it. */
  #gather(given: FrameSet, from: number): number {
    try {
      return given.gather(from);
    } catch (error) {
      this.#writer.flush(this.#fd);
      throw error;
    }
  }

  #refuse(batch: Batch, errno: number): void {
    const cause = this.#policy.causeOf(errno);
    const count = this.#policy.isForAll(cause) ? batch.given.count - batch.done : 1;
    this.#refused[cause] += count;
    for (let i = 0; i < count; i++) batch.refuse(batch.done++, errno);
  }

  /** Counts the frames of a batch in the order in which they were given. Those that wait are kept, or never written. */
  #settle(batch: Batch, isOpen: boolean): void {
    const { given } = batch;
    const left = given.settle?.(batch);
    if (left === undefined || left.length === 0) return;
    if (isOpen) this.#writer.keep?.(given.frames(), left);
    else batch.refused = [...batch.refused, ...left].sort((a, b) => a - b);
  }

  /** Counts the frames that the writer reports as refused. Returns the error if the channel has ended. */
  #takeRefusals(batch?: Batch): TunTapError | undefined {
    const { takeRefusals } = this.#writer;
    let known: { errno: number; cause: Cause } | undefined;
    let ended: TunTapError | undefined;
    const refusals = takeRefusals?.call(this.#writer) ?? [];
    if (refusals.length > 0) batch?.given.frames();
    for (const { place, errno, bytes } of refusals) {
      if (ended === undefined && known?.errno !== errno) {
        ended = this.#policy.endedBy(errno);
        known = { errno, cause: this.#policy.causeOf(errno) };
      }
      if (batch === undefined) {
        // They were counted as sent when they were kept.
        this.#frames--;
        this.#bytes -= bytes;
      } else if (ended === undefined) batch.refuse(place, errno);
      else batch.refused.push(place);
      if (ended === undefined && known !== undefined) this.#refused[known.cause]++;
    }
    return ended;
  }

  /** Writes the frames that the writer keeps. Returns 0, or `-EAGAIN`. */
  #resume(): number {
    const writer = this.#writer;
    if (writer.resume === undefined || writer.kept === 0) return 0;
    const result = writer.resume(this.#fd);
    this.#takeRefusals();
    return result;
  }

  /** Counts the taken frames of a batch and shows them to observers; blocks the sender if some were not taken. */
  #account(batch: Batch): void {
    const error = this.onRefused === undefined ? undefined : this.#errorOf(batch);
    const taken = batch.isAllTaken && this.onFrames === undefined ? undefined : batch.taken();
    this.#frames += taken?.length ?? batch.given.count;
    this.#bytes += batch.isAllTaken ? batch.bytes : bytesOf(taken ?? []);
    if (taken !== undefined && taken.length > 0) this.onFrames?.(taken, batch.refused);
    if (error !== undefined) this.onRefused?.(error);
  }

  /** Makes the error for the first frame of a batch that was refused. */
  #errorOf({ given, first }: Batch): TunTapError | undefined {
    if (first === undefined) return undefined;
    return this.#policy.errorOf(first.errno, given.frames()[first.place] as Uint8Array, first.place);
  }

  /** Resolves when the kernel takes frames again; rejects when the channel ends. */
  whenWritable(): Promise<void> {
    if (!this.#blocked) return Promise.resolve();
    return this.#waiters.wait();
  }

  /**
   * Called when the kernel takes frames again. Writes the kept frames first, and stays blocked if it does not take
   * all of these.
   */
  onWritable(): void {
    if (this.#resume() < 0) {
      this.#block();
      return;
    }
    this.#blocked = false;
    this.#waiters.resolveAll();
  }

  /** Called when the channel has ended. */
  end(error: () => TunTapError): void {
    this.#fd = -1;
    this.#blocked = false;
    this.#waiters.rejectAll(error);
  }

  #block(): false {
    this.#blocked = true;
    this.#owner.onWant();
    return false;
  }
}

const refusedNone: readonly number[] = [];
