/** All or nothing: each step leaves how it is undone, and a failure undoes those before it, last first. */

/** Steps that undo what has been done, in the order in which it was done. */
export type Undo = (() => void)[];

/** Runs `steps`; if they throw, runs what they have left in `undo`, last first. */
export function withRollback<T>(steps: (undo: Undo) => T): T {
  const undo: Undo = [];
  try {
    return steps(undo);
  } catch (error) {
    for (const step of undo.reverse()) tryOrUndefined(step);
    throw error;
  }
}

/** Runs `step`, and returns undefined if it throws: a failed rollback or look must not hide the error that led to it. */
export function tryOrUndefined<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}
