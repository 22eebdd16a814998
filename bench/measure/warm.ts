import type { Setting } from "./kind.ts";

/**
 * Returns the seconds of traffic before anything is counted. Until then the engine's compiler takes up to a tenth of
 * the CPU time, and a later TCP connection is faster with C, too. A run of less than a second is a hint, and waits no
 * longer for it.
 */
export const warmSecondsOf = ({ seconds }: Pick<Setting, "seconds">): number => (seconds < 1 ? seconds : 8);
