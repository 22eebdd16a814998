/** Checks of what users give. Each message names the value, shows it, and says what was wanted. */

import { show } from "./runtime.ts";

/** Makes the error for a value of a wrong type. */
export function wrongType(name: string, value: unknown, wanted: string): TypeError {
  return new TypeError(`"${name}" is ${show(value)}, wanted ${wanted}`);
}

/** Throws unless `value` is an integer within the limits. */
export function requireInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const kind = typeof value === "number" ? RangeError : TypeError;
  throw new kind(`"${name}" is ${show(value)}, wanted an integer from ${min} to ${max}`);
}

/** Throws unless `value` is an object. */
export function requireObject(name: string, value: unknown): void {
  if (typeof value !== "object" || value === null) throw wrongType(name, value, "an object");
}

/** Refuses members of `options` that are not among `known`: a misspelt one would be ignored in silence. */
export function requireKnown(options: object, known: readonly string[]): void {
  for (const option in options) {
    if (!known.includes(option)) throw new TypeError(`Unknown option "${option}": known are ${known.join(", ")}`);
  }
}
