import { reactor } from "../io/reactor.ts";

/**
 * Waits until `fd` is ready for `events` (EPOLL*) and `look` returns a value, and resolves to that. Undefined means
 * that it waits on. Keeps the process alive. The fd can be closed once this has settled.
 *
 * @throws what `look` throws, `signal.reason`, {@link TunTapError} if wake-ups end
 */
export async function waitFor<T>(
  fd: number,
  events: number,
  signal: AbortSignal | undefined,
  look: (events: number) => T | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // Stops at once, not when the promise is handled: a second call of `look` would take something that nobody
  // receives.
  const end = (): void => {
    watch.end();
    signal?.removeEventListener("abort", abort);
  };
  const fail = (reason: unknown): void => {
    end();
    reject(reason);
  };
  const abort = (): void => fail(signal?.reason);
  const watch = reactor().watch(fd, events, {
    onEvents(happened) {
      try {
        const found = look(happened);
        if (found === undefined) return;
        end();
        resolve(found);
      } catch (error) {
        fail(error);
      }
    },
    onQuiet: () => {},
    onFailure: fail,
  });
  signal?.addEventListener("abort", abort);
  return promise;
}
