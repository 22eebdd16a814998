import { TunTapError } from "../errors.ts";
import type { Consumer, Reader, Receiver, Take } from "./receiver.ts";

/**
 * Iterates over the frames or batches that a channel receives, until it ends.
 *
 * @param holder is kept alive while somebody waits for the next one
 * @param oneAtATime Refuses a second `next()` while one is pending: with reused buffers both would get the bytes of
 * the later one.
 */
export function iterate<R extends Reader, B, T>(
  receiver: Receiver<R, B>,
  consumer: Consumer,
  take: Take<R, T>,
  holder: object,
  oneAtATime: boolean,
): AsyncIterableIterator<T> {
  let done = false;
  let pending = 0;
  const finish = (): IteratorReturnResult<undefined> => {
    done = true;
    receiver.release(consumer);
    return { done: true, value: undefined };
  };
  const next = async (): Promise<IteratorResult<T>> => {
    const value = done ? null : await receiver.next(consumer, take, holder);
    return value === null ? finish() : { done: false, value };
  };
  return {
    next: async () => {
      if (oneAtATime && pending > 0) throw nextIsPending();
      pending++;
      try {
        return await next();
      } finally {
        pending--;
      }
    },
    return: async () => finish(),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

function nextIsPending(): TunTapError {
  return new TunTapError("ERR_TUNTAP_BUSY", "next() is pending already, and `reuseBuffers` is on", {
    hint: "await one before the next, or leave `reuseBuffers` out",
  });
}
