/** The calls of a scenario that fail, and what came of it: what child.ts and run.ts tell each other. */
import { type Errno, plausibleErrnos } from "./errnos.ts";
import type { Kind } from "./injection.ts";

/** One failure to be tried. */
export interface Case {
  readonly kind: Kind;
  readonly nth: number;
  readonly errno: Errno;
  readonly sticky: boolean;
}

/** The outcome of a case. */
export interface Verdict {
  readonly scenario: string;
  readonly call: string;
  readonly nth: number;
  readonly errno: Errno;
  readonly sticky: boolean;
  /** The calls that have failed; 0 if the scenario took another way this time. */
  readonly failed: number;
  /** "went on", or the code of the error, or "ended: " and the code. */
  readonly outcome: string;
  readonly complaints: readonly string[];
}

/** The calls of a kind that fail with each errno; those behind them take turns, for they are the same calls again. */
const WITH_ALL = 5;

/** All cases of a scenario that made these calls: each call of each kind fails, once, and some with all that follow. */
export function casesOf(calls: readonly { kind: Kind; count: number }[]): Case[] {
  return calls.flatMap(({ kind, count }) =>
    Array.from({ length: count }, (_, i) => i + 1).flatMap((nth) => {
      const all = plausibleErrnos(kind.name);
      const errnos = all.filter((_, i) => nth <= WITH_ALL || nth % all.length === i);
      const once = errnos.map((errno): Case => ({ kind, nth, errno, sticky: false }));
      // What a signal interrupts, or would have to wait, does not fail for ever.
      const lasting = all.slice(0, 1).filter((errno) => errno !== "EINTR" && errno !== "EAGAIN");
      if (nth > WITH_ALL && nth % WITH_ALL !== 0) return once;
      return [...once, ...lasting.map((errno): Case => ({ kind, nth, errno, sticky: true }))];
    }),
  );
}
