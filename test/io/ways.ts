/** The ways to receive, each as one consumer that tells what it gets. */
import type { OpenOptions, Tun } from "../../src/index.ts";

/** A consumer at work. */
export interface Consuming {
  /** Resolves when it gets no more. */
  readonly done: Promise<void>;
  /** Ends the iteration, stream or handler-less receiving; undefined where that cannot be done. */
  readonly end: (() => void) | undefined;
  /** Aborts a receive() that is waiting; undefined where there is none. */
  readonly abort: (() => void) | undefined;
}

/** A way to receive. */
export interface Way {
  readonly name: string;
  /** A handler receives until the device ends; nobody else can. */
  readonly isHandler: boolean;
  /** Options that it needs. `got` is called with what the consumer gets. */
  options(got: (frames: readonly Uint8Array[]) => void): OpenOptions<Tun>;
  /** Starts the consumer. It stops at the end of the device, if `got` throws, or if it is ended. */
  start(device: Tun, got: (frames: readonly Uint8Array[]) => void): Consuming;
}

async function loop<T>(next: () => Promise<T | undefined>, got: (value: T) => void): Promise<void> {
  for (let value = await next(); value !== undefined; value = await next()) got(value);
}

const nothing: Consuming = { done: Promise.resolve(), end: undefined, abort: undefined };

const data: Way = {
  name: "a data handler",
  isHandler: true,
  options: (got) => ({ data: (_, frames) => got(frames) }),
  start: () => nothing,
};

const forAwait: Way = {
  name: "for await",
  isHandler: false,
  options: () => ({}),
  start(device, got) {
    const iterator = device[Symbol.asyncIterator]();
    const end = (): void => void iterator.return?.();
    const done = loop(
      async () => (await iterator.next()).value as Uint8Array | undefined,
      (frame) => got([frame]),
    );
    return { done: done.finally(end), end, abort: undefined };
  },
};

const batches: Way = {
  name: "batches()",
  isHandler: false,
  options: () => ({}),
  start(device, got) {
    const iterator = device.batches()[Symbol.asyncIterator]();
    const end = (): void => void iterator.return?.();
    const done = loop(async () => (await iterator.next()).value as Uint8Array[] | undefined, got);
    return { done: done.finally(end), end, abort: undefined };
  },
};

const receive: Way = {
  name: "receive(), three at once",
  isHandler: false,
  options: () => ({}),
  start(device, got) {
    const stop = new AbortController();
    const isStop = (error: unknown): undefined => {
      if (error !== stop.signal.reason) throw error;
      return undefined;
    };
    const one = (options: { signal?: AbortSignal }): Promise<void> =>
      loop(
        async () => (await device.receive(options).catch(isStop)) ?? undefined,
        (frame) => got([frame]),
      );
    // The one in the middle can be aborted, the others go on.
    const all = [one({}), one({ signal: stop.signal }), one({})];
    return {
      done: Promise.all(all).then(() => undefined),
      end: undefined,
      abort: () => stop.abort(new Error("enough of one")),
    };
  },
};

const tryReceive: Way = {
  name: "tryReceive()",
  isHandler: false,
  options: () => ({}),
  start(device, got) {
    let ended = false;
    const done = (async () => {
      while (!ended && !device.closed) {
        const frame = device.tryReceive();
        if (frame !== null) got([frame]);
        else await Bun.sleep(1);
      }
    })();
    const end = (): void => {
      ended = true;
    };
    return { done, end, abort: undefined };
  },
};

const readable: Way = {
  name: "readable",
  isHandler: false,
  options: () => ({}),
  start(device, got) {
    const reader = device.readable.getReader();
    const end = (): void => void reader.cancel().catch(() => {});
    const done = loop(
      async () => (await reader.read()).value,
      (frame) => got([frame]),
    );
    return { done: done.finally(end), end, abort: undefined };
  },
};

/** With segmentation offload, where frames may have been read and not been delivered. */
function split(way: Way): Way {
  return { ...way, name: `${way.name} with offload`, options: (got) => ({ ...way.options(got), offload: true }) };
}

export const ways: readonly Way[] = [
  data,
  forAwait,
  batches,
  receive,
  tryReceive,
  readable,
  split(data),
  split(batches),
  split(receive),
];
