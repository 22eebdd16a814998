/** One line for an object, as `console.log` shows it. Imports nothing, so that devices and sockets can load this file alone. */

/** The method that Bun, Node and Deno ask for the text of an object. Not on a class itself: its name is no global symbol. */
const inspect: unique symbol = Symbol.for("nodejs.util.inspect.custom");

/** An object that is shown by its fields. */
export interface Shown {
  toJSON(): object;
}

/**
 * Makes `console.log` show the objects of a class as `Name { key: value, … }`, on one line: the fields of `toJSON()`,
 * without what is null or undefined, and with errors as their messages.
 *
 * @param name The name that users know. Default: that of the class.
 */
export function showByFields(prototype: Shown, name?: string): void {
  Object.defineProperty(prototype, inspect, {
    configurable: true,
    writable: true,
    value(this: Shown): string {
      const shown = name ?? this.constructor.name;
      try {
        return `${shown} ${showObject(this.toJSON())}`;
      } catch {
        // A prototype has no bytes; and looking at something must not be what ends a program.
        return shown;
      }
    },
  });
}

function showObject(fields: object): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => `${key}: ${showValue(value)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

function showValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Error) return JSON.stringify(value.message);
  if (Array.isArray(value)) return `[${value.map(showValue).join(", ")}]`;
  return typeof value === "object" && value !== null ? showObject(value) : String(value);
}
