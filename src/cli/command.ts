/** A subcommand: the arguments that it takes, its help, and its work. */

import { closest } from "../checks.ts";
import type { Output } from "./output.ts";

/** An option as `util.parseArgs` takes it, with what its help says. */
export interface Option {
  readonly type: "boolean" | "string";
  readonly short?: string;
  readonly multiple?: boolean;
  /** The value's name in the help: `"FILE"`. */
  readonly value?: string;
  readonly about: string;
  /** Values that a shell offers. Default: none. */
  readonly completes?: Completion;
}

/** Words that a shell offers: files, TUN and TAP interfaces, or those of a list. */
export type Completion = "files" | "interfaces" | readonly string[];

/** Options by their names. */
export type Options = Readonly<Record<string, Option>>;

/** Values of the options that were given. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]?: O[Name]["type"] extends "boolean"
    ? boolean
    : O[Name]["multiple"] extends true
      ? string[]
      : string;
};

/** The surroundings of a subcommand. */
export interface Context {
  readonly output: Output;
  /** Aborted by SIGINT, SIGTERM and SIGHUP, and when nobody reads the output any more. */
  readonly stop: AbortSignal;
  /** All subcommands. */
  readonly commands: Commands;
}

/** A line of the table of subcommands. */
export interface Entry {
  /** Half a line for the list of subcommands. */
  readonly summary: string;
  /** Loads the module of the subcommand. */
  load(): Promise<Command>;
}

/** Subcommands by name, in the order of the help. */
export type Commands = Readonly<Record<string, Entry>>;

/** The work of a subcommand. @returns the exit code; none means 0 */
export type Work = (context: Context) => Promise<number> | Promise<void>;

/** A subcommand. */
export interface Command<O extends Options = Options> {
  /** Operands in the help: `"FILE [WORD…]"`, or empty. */
  readonly operands: string;
  /** Sentences for the help. */
  readonly about: string;
  readonly options: O;
  /** The fewest and the most operands. */
  readonly count: readonly [min: number, max: number];
  /** Words that a shell offers for operands. */
  readonly completes?: Completion;
  /** Reads the arguments, and returns the task. Throws for wrong arguments. */
  prepare(values: Values<O>, operands: readonly string[]): Work;
}

/** The option of every subcommand whose results programs may read. */
export const json: { readonly type: "boolean"; readonly about: string } = { type: "boolean", about: "print JSON" };

/** Defines a subcommand; the values that it prepares have the types of its options. */
export function defineCommand<const O extends Options>(command: Command<O>): Command {
  return command as unknown as Command;
}

/** Reads the arguments of a subcommand. @throws {RangeError} about a mistake of the user's */
export function prepare(command: Command, args: readonly string[]): Work {
  const { values, positionals } = parse(command, args);
  const [min, max] = command.count;
  if (positionals.length < min) throw new RangeError(`needs ${command.operands}`);
  if (positionals.length > max) throw new RangeError(`unexpected argument "${positionals[max]}"`);
  return command.prepare(values, positionals);
}

type Parsed = { readonly values: Values<Options>; readonly positionals: readonly string[] };

function parse({ options }: Command, args: readonly string[]): Parsed {
  const { parseArgs } = process.getBuiltinModule("node:util");
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true }) as Parsed;
  } catch (error) {
    // parseArgs() names the option, and then goes on about "--".
    const message = (error as Error).message.replace(/\. .*/s, "");
    const [, name] = /^Unknown option '--?([^']+)'/.exec(message) ?? [];
    throw new RangeError(message + suggestion(name, Object.keys(options), "--"));
  }
}

/** Returns text such as `; did you mean "doctor"?`, which is empty if no known word is near. */
export function suggestion(given: string | undefined, known: readonly string[], prefix = ""): string {
  const meant = given === undefined ? undefined : closest(given, known);
  return meant === undefined ? "" : `; did you mean "${prefix}${meant}"?`;
}
