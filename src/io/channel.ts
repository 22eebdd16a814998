import type { TunTapError } from "../errors.ts";
import { lazy } from "../lazy.ts";
import { tryOrUndefined } from "../rollback.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { runAll } from "./ending.ts";
import { abortedError, closedError } from "./failures.ts";
import type { FrameBlock } from "./frame-block.ts";
import type { FrameObservers } from "./observers.ts";
import { reactor, type Watch, type Watcher } from "./reactor.ts";
import { type Reader, Receiver, type Take } from "./receiver.ts";
import { type RefusalPolicy, Sender } from "./sender.ts";

/** The parts of a channel. */
export interface ChannelParts<R extends Reader, B> {
  readonly fd: number;
  /** Tells whether the end closes the fd. */
  readonly closeFd: boolean;
  readonly reader: R;
  /** The way to take what is pushed to a handler. */
  readonly batch: Take<R, B>;
  /** The way to take frames that are passed on without a look at them. */
  readonly block: Take<R, FrameBlock>;
  readonly writer: BatchWriter;
  /** The EPOLL* events to wait for at all times, beside EPOLLERR and EPOLLHUP. */
  readonly events?: number;
}

/** A channel of any kind. */
export type AnyChannel = Channel<Reader, unknown, string>;

/** The channels of devices and sockets, for other modules of this library. */
const channels = new WeakMap<object, AnyChannel>();

/** Makes the channel of a device or socket known to {@link channelOf}, once its opening is complete, and returns it. */
export function showChannel(owner: object, channel: object): AnyChannel {
  const open = channel as AnyChannel;
  open.opened();
  channels.set(owner, open);
  return open;
}

/** Returns the channel of a device or socket; undefined if `value` is neither. */
export function channelOf(value: object): AnyChannel | undefined {
  return channels.get(value);
}

/**
 * An open fd that frames pass through, in both directions: its place in the event loop, its receiver, sender and
 * observers, and its one end. It refers to the object that users hold only through handlers and waiting calls: an
 * object that was dropped can be collected, and its channel is closed then.
 *
 * Devices and UDP sockets each extend it by the protected methods. This constructor calls none of them.
 */
export abstract class Channel<R extends Reader, B, Cause extends string> implements Watcher, RefusalPolicy<Cause> {
  readonly receiver: Receiver<R, B>;
  readonly sender: Sender<Cause>;
  readonly block: Take<R, FrameBlock>;
  readonly #reader: R;
  readonly #watch: Watch;
  readonly #closeFd: boolean;
  #release = (fd: number): void => void native().fd_close(fd);
  #released: Promise<void> | undefined;
  readonly #baseEvents: number;
  #fd: number;
  #events: number;
  #isOpen = false;
  #isEnding = false;
  #reason: TunTapError | undefined;
  #observers: FrameObservers | undefined;
  readonly #closeListeners = new Set<(reason: TunTapError | undefined) => void>();
  /** Called when the kernel takes frames again. Must not throw. */
  onDrain: () => void = () => {};

  constructor({ fd, closeFd, reader, batch, block, writer, events = 0 }: ChannelParts<R, B>, causes: readonly Cause[]) {
    this.causes = causes;
    this.block = block;
    this.#fd = fd;
    this.#closeFd = closeFd;
    this.#reader = reader;
    this.#baseEvents = events;
    this.#events = events;
    reader.onFailed = (errno) => this.close(this.readFailed(errno));
    this.receiver = new Receiver(reader, batch, {
      onWant: () => this.#listen((this.#events & EPOLLIN) !== 0 || this.receiver.wanted),
      onThrown: (cause) => this.#watch.failed(cause),
    });
    this.sender = new Sender(fd, writer, this, { onWant: () => this.updateInterest() });
    this.#watch = reactor().watch(fd, events, this);
    if (closeFd) native().fd_own(fd);
  }

  /** The word for it in errors: "device" or "socket". */
  protected abstract readonly noun: string;
  /** Returns why the channel ends, for the `-errno` of a read. */
  protected abstract readFailed(errno: number): TunTapError;
  /** Checks whether the fd is still of use, and closes the channel if not. */
  protected abstract checkAlive(): void;
  /** Called when the fd may be written to, or when something else may have changed that writing depends on. */
  protected onWritable(): void {}
  /** Tells whether to wait for {@link onWritable} although nothing waits to be sent. */
  protected get wantsWritable(): boolean {
    return false;
  }
  /** Shows sent frames to the observers. */
  protected tellSent(observers: FrameObservers, frames: readonly Uint8Array[], _refused: readonly number[]): void {
    observers.tell(frames, "sent");
  }
  /** Called before the channel ends: its fd is open, and all calls work. */
  protected onEnding(_reason: TunTapError | undefined): void {}
  /** Called when the fd is closed. */
  protected onEnded(): void {}

  readonly causes: readonly Cause[];
  abstract endedBy(errno: number): TunTapError | undefined;
  abstract causeOf(errno: number): Cause;
  abstract isForAll(cause: Cause): boolean;
  abstract errorOf(errno: number, frame: Uint8Array, frameIndex?: number): TunTapError;

  get reader(): R {
    return this.#reader;
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** The reason why it ended, or is ending; undefined after the user's `close()`. */
  get reason(): TunTapError | undefined {
    return this.#reason;
  }

  /** @throws {TunTapError} `ERR_TUNTAP_CLOSED` */
  assertOpen(): void {
    if (this.closed) throw this.closedError();
  }

  /** Returns the error that calls throw once it is closed. */
  closedError(): TunTapError {
    return closedError(this.#reason, this.noun);
  }

  /** The observers of the frames that pass. */
  get observers(): FrameObservers {
    if (this.#observers === undefined) {
      const { FrameObservers } = lazy((): typeof import("./observers.ts") => require("./observers.ts"));
      const observers = new FrameObservers((on) => {
        this.receiver.onFrames = on ? (frames) => observers.tell(frames, "received") : undefined;
        this.sender.onFrames = on ? (frames, refused) => this.tellSent(observers, frames, refused) : undefined;
      });
      this.#observers = observers;
    }
    return this.#observers;
  }

  /** Called when opening is complete: from then on failures end the channel, and are not thrown. */
  opened(): void {
    this.#isOpen = true;
  }

  /** Sets whether the process stays alive for it. */
  setReferenced(on: boolean): void {
    if (!this.closed) this.#watch.setReferenced(on);
  }

  /** Calls `listener` once, when the whole channel has ended; it must not throw. Returns a function that removes it. */
  onClose(listener: (reason: TunTapError | undefined) => void): () => void {
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** Reverses the constructor, for an open that fails. The fd stays with the caller, and no handler is called. */
  discard(): void {
    if (this.closed) return;
    native().fd_disown(this.#fd);
    this.#isEnding = true;
    this.#fd = -1;
    this.#watch.end();
    this.receiver.end();
  }

  /**
   * Ends everything, once. Frames that were read are delivered first, while all calls still work; frames in the
   * kernel's queue are lost with the fd. Each step runs even if another one throws.
   *
   * @param reason undefined if the user asks for it
   */
  close(reason?: TunTapError, byUser: boolean = reason === undefined): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#reason = reason;
    runAll(
      () => this.receiver.finish(!byUser),
      () => this.onEnding(reason),
      () => this.#closeNow(),
      () => this.receiver.end(),
      () => this.sender.end(() => this.closedError()),
      () => this.onEnded(),
      () => this.#observers?.end(),
      ...[...this.#closeListeners].map((listener) => () => listener(reason)),
    );
  }

  /** Ends everything because the signal was aborted, with its reason. */
  abort(reason: unknown): void {
    this.close(abortedError(reason, this.noun), true);
  }

  /**
   * Ends everything as the user's close() does, but lets a thread close the fd, unless another call ends the channel
   * already. Resolves once it is closed.
   */
  closeInThread(): Promise<void> {
    if (!this.#isEnding) {
      // The module cannot be loaded where no fd is left. The fd is closed at once then.
      const closer = tryOrUndefined(() => lazy((): typeof import("./closer.ts") => require("./closer.ts")));
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#released = promise;
      if (closer !== undefined) this.#release = (fd) => resolve(closer.closeInThread(fd));
      this.close();
      // For an fd that no thread closes; does nothing for the others.
      resolve();
    }
    return this.#released ?? Promise.resolve();
  }

  #closeNow(): void {
    const fd = this.#fd;
    // From here on nothing uses the number: the next open(2) may return it.
    this.#fd = -1;
    runAll(
      () => this.#watch.end(),
      () => {
        // It fails if somebody else closed the fd already.
        if (this.#closeFd) this.#release(fd);
      },
    );
  }

  onEvents(events: number): void {
    const wanted = this.receiver.wanted;
    // Readable first: what arrived before the end is delivered before it.
    if (wanted && (events & EPOLLIN) !== 0) this.receiver.onReadable();
    if ((events & EPOLLOUT) !== 0 && !this.closed) {
      this.onWritable();
      if (this.sender.blocked) {
        this.sender.onWritable();
        // What was kept may have found that the fd is of no use any more.
        if (!this.sender.blocked && !this.closed) this.onDrain();
      }
    }
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0 && !this.closed) this.checkAlive();
    // A consumer that waited is likely to wait again: EPOLLIN goes when it finds none waiting.
    this.#listen(wanted);
  }

  onQuiet(): void {
    this.checkAlive();
    this.onWritable();
  }

  onFailure(error: TunTapError): void {
    this.close(error);
  }

  /** Waits for other events if {@link wantsWritable} has changed. */
  updateInterest(): void {
    this.#listen((this.#events & EPOLLIN) !== 0);
  }

  #listen(readable: boolean): void {
    if (this.closed) return;
    const writable = this.sender.blocked || this.wantsWritable;
    this.#events = this.#baseEvents | (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    try {
      this.#watch.setEvents(this.#events);
    } catch (error) {
      // While the channel opens, opening fails. Later the channel ends, for it would wait in silence: somebody else closed its fd.
      if (!this.#isOpen) throw error;
      this.#watch.failed(error);
    }
  }
}
