/** Values of impairments as people write them on a command line: "5%", "50ms", "10mbit". */

import type { LinkImpairments } from "./types.ts";

type Reader = (text: string) => number | undefined;

const time: Reader = (text) => scaled(text, { us: 0.001, ms: 1, s: 1000, "": 1 });
const share: Reader = (text) => scaled(text, { "%": 0.01, "": 1 });
const whole: Reader = (text) => scaled(text, { "": 1 });

const readers: Readonly<Record<ValueName, Reader>> = {
  delay: time,
  jitter: time,
  loss: share,
  duplicate: share,
  reorder: share,
  corrupt: share,
  rate: (text) => scaled(text, { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9, "": 1 }),
  queue: (text) => scaled(text, { b: 1, k: 1024, kb: 1024, m: 1024 ** 2, mb: 1024 ** 2, "": 1 }),
  mtu: whole,
  seed: whole,
};

/** Names of the values that {@link parseValues} knows. */
export type ValueName = Exclude<keyof LinkImpairments, "forward" | "back"> | "seed";

/**
 * Reads values in the units of `lab.link()`. Whether they are in range is for that to check.
 *
 * @throws {RangeError} that names the value
 */
export function parseValues(texts: { readonly [name in ValueName]?: string }): { [name in ValueName]?: number } {
  const found: { [name in ValueName]?: number } = {};
  for (const [name, text] of Object.entries(texts) as [ValueName, string][]) {
    const value = readers[name](text.toLowerCase());
    if (value === undefined) throw new RangeError(`--${name} has the value "${text}", which is none`);
    found[name] = value;
  }
  return found;
}

function scaled(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?)([a-z%]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  // 0.1 % is 0.001, and not 0.0010000000000000002.
  return digits === undefined || factor === undefined ? undefined : Number((Number(digits) * factor).toPrecision(12));
}
