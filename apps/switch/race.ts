/** Attempts that start one after the other and run side by side (RFC 8305 section 5, "Happy Eyeballs"). */

/** An attempt that failed, with the place in the list of attempts. */
export interface Failure {
  readonly index: number;
  readonly reason: unknown;
}

/** The result of a race: the first attempt that succeeded, or none, and the failures until then. */
export type Outcome<T> =
  | { readonly won: T; readonly index: number; readonly failures: readonly Failure[] }
  | { readonly won?: undefined; readonly failures: readonly Failure[] };

/**
 * Starts an attempt each `headStartMs`, and one as soon as another fails, until one succeeds. The others are
 * told to stop by their signal; what they resolve to nevertheless is given to `late`.
 *
 * @param signal Ends all attempts; the outcome has no winner then
 */
export async function race<T>(
  attempts: readonly ((signal: AbortSignal) => Promise<T>)[],
  headStartMs: number,
  signal: AbortSignal,
  late: (result: T) => void,
): Promise<Outcome<T>> {
  const { promise, resolve } = Promise.withResolvers<Outcome<T>>();
  const failures: Failure[] = [];
  const others = new AbortController();
  const all = AbortSignal.any([signal, others.signal]);
  let started = 0;
  let over = false;
  let timer: Timer | undefined;
  const settle = (outcome: Outcome<T>): void => {
    over = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    resolve(outcome);
    others.abort();
  };
  const stop = (): void => settle({ failures });
  const start = (): void => {
    clearTimeout(timer);
    const index = started++;
    const attempt = attempts[index];
    if (attempt === undefined) return;
    timer = setTimeout(start, headStartMs);
    attempt(all).then(
      (won) => (over ? late(won) : settle({ won, index, failures })),
      (reason: unknown) => {
        if (over) return;
        failures.push({ index, reason });
        if (failures.length === attempts.length) settle({ failures });
        else start();
      },
    );
  };
  if (signal.aborted || attempts.length === 0) return { failures };
  signal.addEventListener("abort", stop);
  start();
  return await promise;
}
