/** `bun-tuntap`, the program: finds the subcommand, and runs it. */

import { type Command, defineCommand, prepare, suggestion, type Work } from "./command.ts";
import { commands } from "./commands.ts";
import { commandHelp, programHelp } from "./help.ts";
import { Output } from "./output.ts";
import { isReaderGone, type Program, runProgram } from "./program.ts";

/** Runs the program with the arguments of this process, and sets its exit code. */
export async function main(version: string): Promise<void> {
  const args = process.argv.slice(2);
  const at = args.findIndex((arg) => !arg.startsWith("-"));
  const name = args[at];
  const entry = name === undefined || !Object.hasOwn(commands, name) ? undefined : commands[name];
  if (name === undefined || entry === undefined) return runProgram(program(name, version), args);
  // Options may stand before the subcommand, too.
  return runProgram(subcommand(name, await entry.load()), args.toSpliced(at, 1));
}

function subcommand(name: string, command: Command): Program<Work> {
  return {
    name: `bun-tuntap ${name}`,
    help: commandHelp(name, command),
    parse: (args) => prepare(command, args),
    run: work,
  };
}

async function work(todo: Work, stop: AbortSignal): Promise<number> {
  const output = new Output({ stdout: process.stdout, stderr: process.stderr, environment: process.env });
  const { closed } = output;
  let code: number;
  try {
    code = (await todo({ output, stop: AbortSignal.any([stop, closed]), commands })) ?? 0;
  } finally {
    await output.end();
  }
  // The disk is full: results are missing.
  if (closed.aborted && !isReaderGone(closed.reason)) throw closed.reason;
  return code;
}

/** The program without a subcommand, or with one that is unknown. */
function program(name: string | undefined, version: string): Program<Work> {
  const help = programHelp(commands);
  const none = defineCommand({
    operands: "",
    about: "",
    options: { version: { type: "boolean", short: "v", about: "print the version" } },
    count: [0, 0],
    prepare:
      (values) =>
      async ({ output }) =>
        void output.line(values.version ? version : help),
  });
  const parse = (args: string[]): Work => {
    if (name === undefined) return prepare(none, args);
    throw new RangeError(`unknown command "${name}"${suggestion(name, Object.keys(commands))}`);
  };
  return { name: "bun-tuntap", help, parse, run: work };
}
