/** The frame of every program here: command line in, exit code out, an orderly end on signals. */
import type { TunTapError } from "../errors.ts";

/** A failure that its message explains: printed without a stack trace, exit code 1. */
export class ProgramError extends Error {}

/** A program, in the parts that {@link runProgram} calls. */
export interface Program<Command> {
  /** Stands before each message on standard error. Default: none. */
  readonly name?: string;
  /** Text that `--help` prints. */
  readonly help: string;
  /** Reads the arguments. What it throws is a mistake of the user's: exit code 2. */
  parse(args: string[]): Command | Promise<Command>;
  /**
   * Does the work, until `stop` is aborted at the latest: by SIGINT, SIGTERM or SIGHUP.
   *
   * @returns the exit code; none means 0
   */
  run(command: Command, stop: AbortSignal): Promise<number> | Promise<void>;
}

/** The signals that end a program. The second one of a kind ends it at once, as without a handler. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs a program, and sets the exit code of this process. */
export async function runProgram<Command>(
  program: Program<Command>,
  args: readonly string[] = process.argv.slice(2),
): Promise<void> {
  process.exitCode = await exitCodeOf(program, args);
}

async function exitCodeOf<Command>(
  { name, help, parse, run }: Program<Command>,
  args: readonly string[],
): Promise<number> {
  const say = (text: string): void => void process.stderr.write(`${name === undefined ? "" : `${name}: `}${text}\n`);
  if (asksForHelp(args)) {
    const error = await print(`${help}\n`);
    if (error === undefined || isReaderGone(error)) return 0;
    say(error.message);
    return 1;
  }
  let command: Command;
  try {
    command = await parse([...args]);
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}\nSee --help for the options`);
    return 2;
  }
  try {
    return (await run(command, stopSignal())) ?? 0;
  } catch (error) {
    if (!isExplained(error)) throw error;
    say(error.message);
    return 1;
  }
}

/** Writes to standard output. Resolves when that has been done, to the error if it could not be. */
function print(text: string): Promise<Error | undefined> {
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  process.stdout.on("error", resolve);
  process.stdout.write(text, (error) => resolve(error ?? undefined));
  return promise;
}

/** Tells whether output was refused because nobody reads it any more, such as `head`: that is no failure. */
export function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "EPIPE";
}

/** Arguments behind "--" belong to somebody else. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  return own.includes("--help") || own.includes("-h");
}

function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of SIGNALS) process.once(name, () => stop.abort(name));
  return stop.signal;
}

/** Tells whether a message says it all: a wrong value, a refusal of the kernel (`TunTapError`) or of Bun's sockets. */
function isExplained(error: unknown): error is Error {
  const { code } = Object(error) as Partial<TunTapError>;
  return error instanceof Error && (error instanceof ProgramError || error instanceof RangeError || code !== undefined);
}

/** Resolves when the signal is aborted. */
export async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
}
