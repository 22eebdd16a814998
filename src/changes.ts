import type { LinkChange } from "./link-types.ts";
import type { Listener, Monitor } from "./monitor.ts";

/**
 * The changes that a monitor tells from now on, kept until they are asked for.
 *
 * @param device is kept alive while somebody waits for the next one
 * @throws `signal.reason`, once what came before it has been taken
 */
export function changesOf(
  monitor: Monitor,
  device: object,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<LinkChange> {
  signal?.throwIfAborted();
  const told: LinkChange[] = [];
  const waiters: (PromiseWithResolvers<IteratorResult<LinkChange>> & { device: object })[] = [];
  let ended = false;
  let failure: { reason: unknown } | undefined;
  const done: IteratorReturnResult<undefined> = { done: true, value: undefined };

  const stop = (): void => {
    ended = true;
    monitor.remove(listener);
    signal?.removeEventListener("abort", abort);
  };
  const listener: Listener = {
    change(change) {
      const waiter = waiters.shift();
      if (waiter === undefined) told.push(change);
      else waiter.resolve({ done: false, value: change });
    },
    end() {
      stop();
      for (const { resolve } of waiters.splice(0)) resolve(done);
    },
  };
  const abort = (): void => {
    stop();
    const waiting = waiters.splice(0);
    // The first to ask is told why; the iteration is over then.
    if (waiting.length === 0) failure = { reason: signal?.reason };
    for (const { reject } of waiting) reject(signal?.reason);
  };
  monitor.add(listener);
  signal?.addEventListener("abort", abort, { once: true });

  return {
    next() {
      const change = told.shift();
      if (change !== undefined) return Promise.resolve({ done: false, value: change });
      const failed = failure;
      failure = undefined;
      if (failed !== undefined) return Promise.reject(failed.reason);
      if (ended) return Promise.resolve(done);
      const waiter = { ...Promise.withResolvers<IteratorResult<LinkChange>>(), device };
      waiters.push(waiter);
      return waiter.promise;
    },
    async return() {
      told.length = 0;
      listener.end();
      return done;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
