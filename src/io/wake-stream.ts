/**
 * The two ways to read the eventfd that wakes Bun's event loop: keeping the process alive, or not.
 *
 * Both stop reading in a microtask. Where nothing of Bun's event loop is on the stack, as in the first turn of a test of
 * `bun test`, cancelling a stream runs all microtasks before it returns: the caller's promises would go on in the
 * middle of a call that opens or closes a device.
 */

type Stop = () => void;
/** Reads the stream and calls `turn` for each wake-up. Neither function may throw. */
export type Way = (stream: ReadableStream<Uint8Array>, turn: () => void, fail: (cause: unknown) => void) => Stop;
/** A stream that is being read. */
interface Listening {
  readonly way: Way;
  readonly stop: Stop;
}

/** Reads the eventfd by one stream at a time. */
export class WakeStream {
  readonly #eventfd: number;
  readonly #turn: () => void;
  readonly #fail: (cause: unknown) => void;
  #listening: Listening | undefined;

  /** @param fail Called when nothing is read any more. */
  constructor(eventfd: number, turn: () => void, fail: (cause: unknown) => void) {
    this.#eventfd = eventfd;
    this.#turn = turn;
    this.#fail = fail;
  }

  /** Tells whether wake-ups arrive. */
  get isOn(): boolean {
    return this.#listening !== undefined;
  }

  /**
   * Reads in another way, or no more.
   *
   * @returns whether a stream was begun; the one before may have swallowed a wake-up
   * @throws {Error} `EMFILE` if there is no fd for another stream; the one before stays
   */
  listen(way: Way | undefined): boolean {
    const before = this.#listening;
    if (before?.way === way) return false;
    this.#listening = way && this.#begin(way);
    before?.stop();
    return way !== undefined;
  }

  #begin(way: Way): Listening {
    const turn = (): void => {
      // A stream that was stopped may still have had a wake-up under way.
      if (this.#listening === listening) this.#turn();
    };
    const fail = (cause: unknown): void => {
      if (this.#listening !== listening) return;
      this.#listening = undefined;
      this.#fail(cause);
    };
    const listening: Listening = { way, stop: way(Bun.file(this.#eventfd).stream(), turn, fail) };
    return listening;
  }
}

/** A pending read holds Bun's event loop; cancelling the reader releases it. */
export const held: Way = (stream, turn, fail) => {
  const reader = stream.getReader();
  let stopped = false;
  const loop = async (): Promise<void> => {
    for (;;) {
      const { done } = await reader.read();
      if (stopped) return;
      if (done) return fail(undefined);
      turn();
    }
  };
  loop().catch((cause) => {
    if (!stopped) fail(cause);
  });
  return () => {
    stopped = true;
    // It rejects if the stream has failed, which has been reported.
    queueMicrotask(() => void reader.cancel().catch(() => {}));
  };
};

/**
 * Node's Readable is the only reader with a working unref() (after
 * releaseLock() a new reader stops holding the loop by mistake,
 * oven-sh/bun#41578). It costs more a wake-up, so only unref'd devices use it.
 */
export const unheld: Way = (stream, turn, fail) => {
  const { Readable } = process.getBuiltinModule("node:stream");
  const readable = Readable.fromWeb(stream as Parameters<typeof Readable.fromWeb>[0]) as NodeReadable;
  // Its count starts at 0: without the first ref() the unref() does nothing.
  readable.ref();
  readable.unref();
  readable.on("data", turn);
  readable.on("error", fail);
  return () => {
    readable.off("error", fail);
    readable.on("error", () => {});
    queueMicrotask(() => readable.destroy());
  };
};

type NodeReadable = InstanceType<ReturnType<typeof process.getBuiltinModule<"node:stream">>["Readable"]> & {
  ref(): void;
  unref(): void;
};
