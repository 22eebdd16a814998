/** Counts what moving frames takes, beside the system calls. Slows it down: not for a run that is timed. */
import { native, offloadNative, udpNative } from "../../src/sys/native.ts";

export interface Crossings {
  /** Calls from JavaScript into the C shim. */
  calls: number;
  /** Promises that were waited for: one a wake-up by the kernel. */
  promises: number;
  /** Turns of the event loop that were asked for. */
  turns: number;
}

/** Starts to count, for ever; the numbers of the result grow. */
export function countCrossings(): Crossings {
  const counts: Crossings = { calls: 0, promises: 0, turns: 0 };
  for (const part of [native(), offloadNative(), udpNative()])
    for (const name of Object.keys(part)) count(part, name, () => counts.calls++);
  count(ReadableStreamDefaultReader.prototype, "read", () => counts.promises++);
  count(globalThis, "setImmediate", () => counts.turns++);
  return counts;
}

/** Has `note` be called whenever `holder[name]` is. */
function count(holder: object, name: string, note: () => void): void {
  const functions = holder as Record<string, (...args: unknown[]) => unknown>;
  const original = functions[name] as (...args: unknown[]) => unknown;
  functions[name] = function (this: unknown, ...args): unknown {
    note();
    return original.apply(this, args);
  };
}
