// Checks of what the caller gives. Every message names the field, the value and what was wanted.

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value === null || value === undefined || typeof value === "number") return `${value}`;
  return `of type ${typeof value}`;
}

/** Makes the error for an argument of a wrong type. */
export function wrongType(name: string, value: unknown, wanted: string): TypeError {
  return new TypeError(`"${name}" is ${show(value)}, wanted ${wanted}`);
}

/** Makes the error for an argument whose value is wrong. */
export function wrongValue(name: string, value: unknown, wanted: string): RangeError {
  return new RangeError(`"${name}" is ${show(value)}, wanted ${wanted}`);
}

/** Returns `value` if it is an integer within the limits; throws otherwise. */
export function requireInteger(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  const wanted = `an integer from ${min} to ${max}`;
  throw typeof value === "number" ? wrongValue(name, value, wanted) : wrongType(name, value, wanted);
}

/** Returns `value` if it is a boolean; throws otherwise. */
export function requireBoolean(name: string, value: boolean): boolean {
  if (typeof value === "boolean") return value;
  throw wrongType(name, value, "true or false");
}

/** Returns `value` if it is a `Uint8Array`; throws otherwise. */
export function requireBytes(name: string, value: Uint8Array): Uint8Array {
  // Anything else has no `length`, or another one, and would slip through the checks of lengths.
  if (value instanceof Uint8Array) return value;
  throw wrongType(name, value, "a Uint8Array");
}

/** Throws if `target` has no room for `lengthBytes`. */
export function requireRoom(target: Uint8Array, lengthBytes: number): void {
  if (requireBytes("target", target).length >= lengthBytes) return;
  throw wrongValue("target", target, `at least ${lengthBytes}`);
}
