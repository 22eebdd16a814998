/** Checks of values that users give. Each throws a TypeError or RangeError that names the option, the value given and the value wanted. */

/** A check of one option; `context` is what the whole table of checks is told, such as the kind of device. */
export type Check<C = undefined> = (value: unknown, option: string, context: C) => void;

/** Checks a boolean option. */
export const boolean: Check<unknown> = (value, option) => {
  if (typeof value !== "boolean") throw wrong(option, "true or false", value);
};
/** Checks an option that is a non-empty text without NUL. */
export const text: Check<unknown> = (value, option) => {
  if (typeof value !== "string" || !/^[^\0]+$/.test(value))
    throw wrong(option, "a non-empty string without NUL", value);
};
/** Checks an option that is a function. */
export const handler: Check<unknown> = (value, option) => {
  if (typeof value !== "function") throw wrong(option, "a function", value);
};

/** Checks an option that is an `AbortSignal`. */
export const signal: Check<unknown> = (value, option) => {
  if (!(value instanceof AbortSignal)) throw wrong(option, "an AbortSignal", value);
};

/** @throws {TypeError | RangeError} if it cannot be a file descriptor: bun:ffi would cut it to 32 bits without a word */
export function checkFd(fd: unknown, name = "fd"): void {
  if (typeof fd !== "number" || !Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) {
    throw new TypeError(`"${name}" must be a file descriptor, a whole number from 0, got ${Bun.inspect(fd)}`);
  }
}

/** Checks an argument that is an observer: it has a function `member`, and perhaps a function `close`. */
export function checkObserver(observer: unknown, member: string): void {
  if (typeof observer === "object" && observer !== null) {
    const { [member]: told, close } = observer as Record<string, unknown>;
    if (typeof told === "function" && (close === undefined || typeof close === "function")) return;
  }
  throw new TypeError(
    `"observer" must be an object with a function "${member}", and perhaps "close", got ${Bun.inspect(observer)}`,
  );
}

/**
 * Refuses a member of `value` that is not among `known`: a misspelt one that
 * is ignored in silence is found much later. Inherited members count, because
 * options may be an instance of a class with handlers as methods.
 *
 * @param refusal says what is wrong with a member, before those that are known
 * @throws {TypeError}
 */
export function checkKnown(value: object, known: readonly string[], refusal: (member: string) => string): void {
  for (const member in value) {
    if (known.includes(member)) continue;
    const meant = closest(member, known);
    const said = meant === undefined ? ": known" : `, did you mean "${meant}"? Known`;
    throw new TypeError(`${refusal(member)}${said} are ${known.join(", ")}`);
  }
}

/** Returns the one of `known` that `word` was probably meant to be; undefined if none is near. */
export function closest(word: string, known: readonly string[]): string | undefined {
  // Longer words hold more mistakes; of a short one every other short one is near.
  const limit = Math.min(3, Math.floor(word.length / 3));
  const ranked = known
    .filter(({ length }) => Math.abs(length - word.length) <= limit)
    .map((name) => ({ name, distance: distance(word.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = ranked;
  return nearest !== undefined && nearest.distance <= limit ? nearest.name : undefined;
}

/** Counts the letters to add, take away, change, or swap with their neighbour between two words (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    const [above, beyond] = [rows[i - 1] as number[], rows[i - 2]];
    for (let j = 1; j <= b.length; j++) {
      const changed = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min((above[j] as number) + 1, (row[j - 1] as number) + 1, changed);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, ((beyond as number[])[j - 2] as number) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return (rows[a.length] as number[])[b.length] as number;
}

/**
 * Checks each option of `options` by the check of its name in `checks`. An option that is undefined counts as not given.
 *
 * @throws {TypeError} for an option that has no check
 */
export function checkOptions<C>(options: unknown, checks: Readonly<Record<string, Check<C>>>, context: C): void {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  for (const option in options) {
    if (Object.hasOwn(checks, option)) continue;
    checkKnown(options, Object.keys(checks).sort(), (unknown) => `Unknown option "${unknown}"`);
  }
  for (const option in options) {
    const value = (options as Record<string, unknown>)[option];
    if (value !== undefined) checks[option]?.(value, option, context);
  }
}

/** Throws if `value` is no boolean. */
export function checkBoolean(value: boolean, option: string): void {
  boolean(value, option, undefined);
}

/** Throws if `value` is no integer within the limits. */
export function integer(value: unknown, option: string, min: number, max: number): void {
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(option, "a whole number", value);
  if (value < min || value > max) throw new RangeError(`Option "${option}" must be ${min} to ${max}, got ${value}`);
}

/** Makes the error for an option of a wrong type. */
export function wrong(option: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`Option "${option}" must be ${wanted}, got ${Bun.inspect(value)}`);
}
