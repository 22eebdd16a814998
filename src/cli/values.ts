/** Values of options and operands: text in, checked values out. Each names the option that is wrong. */

/** Limits of a whole number. */
export interface IntegerLimits {
  readonly min: number;
  readonly max: number;
}

/** Reads a whole number. @throws {RangeError} If the text is none, or beyond the limits */
export function parseInteger(option: string, text: string, { min, max }: IntegerLimits): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new RangeError(`--${option} must be a whole number from ${min} to ${max}, got "${text}"`);
}

const ID_MAX = 0xffff_fffe;

/** The file that has the ids of an option's names: passwd(5), group(5). */
const files = { owner: "/etc/passwd", group: "/etc/group" } as const;

/** Reads a user or a group, by number or by its name in `/etc/passwd` or `/etc/group`. @throws {RangeError} If there is none */
export function parseId(option: keyof typeof files, text: string): number {
  if (/^\d+$/.test(text)) return parseInteger(option, text, { min: 0, max: ID_MAX });
  const { readFileSync } = process.getBuiltinModule("node:fs");
  const lines = readFileSync(files[option], "utf8").split("\n");
  const [, , id] = lines.map((line) => line.split(":")).find(([name]) => name === text) ?? [];
  if (id !== undefined) return Number(id);
  throw new RangeError(`--${option} must be a name in ${files[option]} or a number, got "${text}"`);
}
