import type { FrameBlock } from "../io/frame-block.ts";
import type { Consumer } from "../io/receiver.ts";
import type { FrameSource } from "../io/types.ts";
import type { End } from "./end.ts";
import type { RelayedCounters } from "./types.ts";

type Transform = (frames: Uint8Array[]) => readonly FrameSource[];

/** Options of one direction. */
export interface DirectionOptions {
  readonly transform: Transform | undefined;
  readonly full: "pause" | "drop";
  /** Called with what the transform threw. */
  onThrown(cause: unknown): void;
}

/** One direction of a relay. */
export class Direction {
  /** Each direction is a consumer of its own, so that a second relay of one device is refused. */
  readonly #consumer: Consumer = { description: "a relay" };
  readonly #from: End;
  readonly #to: End;
  readonly #options: DirectionOptions;
  #ended = false;
  /** Frames that wait for room at the other end. */
  #waiting: readonly FrameSource[] = [];
  #frames = 0;
  #dropped = 0;

  constructor(from: End, to: End, options: DirectionOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
  }

  /** @throws {TunTapError} `ERR_TUNTAP_BUSY` if somebody else receives from the end. */
  start(): void {
    const { receiver, block } = this.#from.channel;
    const { transform } = this.#options;
    if (transform === undefined) receiver.pushTo(this.#consumer, this.#pass, block);
    else receiver.pushTo(this.#consumer, (batch) => this.#take(batch, transform));
  }

  end(): void {
    this.#ended = true;
    this.#dropped += this.#waiting.length;
    this.#waiting = [];
    this.#from.channel.receiver.release(this.#consumer);
  }

  counters(): RelayedCounters {
    return { frames: this.#frames, dropped: this.#dropped, strangers: this.#from.strangers() };
  }

  /** Sends a block as it is. */
  readonly #pass = (block: FrameBlock): void => {
    if (!this.#from.accepts(block)) return;
    try {
      const done = this.#to.sendBlock(block);
      this.#frames += done;
      if (done < block.count) this.#keep(block.frames(), done);
    } catch (cause) {
      this.#lose(block.count, cause);
    }
  };

  /** Sends what the transform makes of a batch. */
  #take(batch: unknown, transform: Transform): void {
    const frames = this.#from.framesOf(batch);
    if (frames.length === 0) return;
    let made: readonly FrameSource[];
    try {
      made = transform(frames);
    } catch (cause) {
      this.#dropped += frames.length;
      this.#options.onThrown(cause);
      return;
    }
    try {
      this.#send(made);
    } catch (cause) {
      this.#lose(frames.length, cause);
    }
  }

  /** Counts frames that could not be sent. If the other end has closed, the relay is about to end. */
  #lose(frames: number, cause: unknown): void {
    this.#dropped += frames;
    if (!this.#to.channel.closed) this.#options.onThrown(cause);
  }

  #send(frames: readonly FrameSource[]): void {
    const done = this.#to.send(frames);
    this.#frames += done;
    if (done < frames.length) this.#keep(frames, done);
  }

  /** Keeps the frames from number `done` on, until there is room for them, or drops them. */
  #keep(frames: readonly FrameSource[], done: number): void {
    if (this.#options.full === "drop" || this.#ended) {
      this.#dropped += frames.length - done;
      return;
    }
    // With reused buffers they stay as they are, because nothing is read before they are sent.
    this.#waiting = frames.slice(done);
    this.#from.channel.receiver.pause(this.#consumer);
    // It rejects when the other end closes, and then the relay ends.
    this.#to.channel.sender.whenWritable().then(this.#goOn, () => {});
  }

  readonly #goOn = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#ended) return;
    try {
      this.#send(waiting);
    } catch {
      // The other end has closed meanwhile.
      this.#dropped += waiting.length;
      return;
    }
    if (this.#waiting.length === 0) this.start();
  };
}
