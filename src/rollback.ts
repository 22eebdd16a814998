/** All or nothing: each step leaves how it is undone, and a failure undoes those before it, last first. */

export type Undo = (() => void)[];

/** Runs `steps`; if they throw, what they have left in `undo` is done. */
export function withRollback<T>(steps: (undo: Undo) => T): T {
  const undo: Undo = [];
  try {
    return steps(undo);
  } catch (error) {
    for (const step of undo.reverse()) tryOrUndefined(step);
    throw error;
  }
}

/** What `step` gives, or undefined if it throws: what cannot be undone, or found out, must not hide why it had to be. */
export function tryOrUndefined<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}
