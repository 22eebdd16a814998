import { reactor } from "../io/reactor.ts";

/**
 * Resolves to what `look` finds once `fd` is ready for `events` (EPOLL*); undefined means
 * nothing yet. Keeps the process alive. The fd can be closed when this has
 * settled.
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
  // At once, and not when somebody has heard of it: nobody would take what another look found.
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
