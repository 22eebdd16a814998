import type { Setting } from "./kind.ts";

/**
 * Returns the seconds of traffic before anything is counted: until then the engine's compiler takes up to a tenth of
 * the CPU time. C has none. A run of less than a second is a hint, and waits no longer for it.
 */
export function warmSecondsOf({ contender, seconds }: Pick<Setting, "contender" | "seconds">): number {
  if (seconds < 1) return seconds;
  return contender.program === "c" ? 1 : 8;
}
