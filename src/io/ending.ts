/** Ends things step by step: each step runs even if another one throws. */

import { TunTapError } from "../errors.ts";

/**
 * Runs all `steps` in order. A failing system call is ignored, for nobody could act on it. Any other exception is a
 * defect, and becomes an uncaught exception once all steps have run.
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

/** Makes `error` an uncaught exception once the current work is done. The user sees the line that threw it. */
export function throwUncaught(error: unknown): void {
  queueMicrotask(() => reportError(error));
}
