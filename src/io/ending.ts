/** How things end: each step, whatever the others do. */

import { TunTapError } from "../errors.ts";

/**
 * Runs all `steps` in order. A system call that fails on the way out is
 * nothing that anybody could act on; what else is thrown is a defect, and
 * becomes an uncaught exception once all have run.
 */
export function runAll(...steps: readonly (() => void)[]): void {
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof TunTapError)) throwUncaught(error);
    }
  }
}

/** Makes `error` an uncaught exception, but not in the middle of what is going on. The user sees the line that threw it. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => reportError(error));
}
