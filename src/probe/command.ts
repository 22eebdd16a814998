/** `bun-tuntap`, the command: from arguments to what is printed. */

import { render } from "./render.ts";
import type { ProbeReport } from "./report.ts";

/** Inputs of the command beside its arguments. */
export interface CommandSurroundings {
  readonly version: string;
  readonly probe: () => ProbeReport;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
  /** The width of the terminal; undefined if there is none. */
  readonly columns: number | undefined;
}

/** Output and exit code of the command. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 0: done, and a TUN can be opened; 1: it cannot; 2: wrong arguments. */
  readonly exitCode: 0 | 1 | 2;
}

/** Text that `--help` prints. */
export const usage = `Usage: bun-tuntap <command> [options]

Commands:
  doctor         say what this machine, kernel and user can do with TUN/TAP
                 interfaces, and what to do about what is missing

Options:
  --json         doctor: print the report as JSON
  -h, --help     print this
  -v, --version  print the version

Exit status: 0 if a TUN can be opened, 1 if not, 2 for wrong arguments.
`;

/** Runs the command `bun-tuntap`, and returns its output. */
export function run(args: readonly string[], surroundings: CommandSurroundings): CommandResult {
  const { values, command, mistake } = parse(args);
  if (mistake !== undefined) return { stdout: "", stderr: `bun-tuntap: ${mistake}\n\n${usage}`, exitCode: 2 };
  if (values.help) return printed(usage);
  if (values.version) return printed(`${surroundings.version}\n`);
  return command === undefined ? printed(usage) : doctor(values.json ?? false, surroundings);
}

function printed(stdout: string): CommandResult {
  return { stdout, stderr: "", exitCode: 0 };
}

function doctor(json: boolean, { probe, environment, isTerminal, columns }: CommandSurroundings): CommandResult {
  const report = probe();
  const colour = wantsColour(environment, isTerminal);
  const stdout = json
    ? `${JSON.stringify(report, null, 2)}\n`
    : render(report, { colour, columns: pageWidth(columns) });
  return { stdout, stderr: "", exitCode: report.ok ? 0 : 1 };
}

/** Long lines are hard to read; without a terminal, as in a CI log, 80 columns are what everybody has. */
function pageWidth(columns: number | undefined): number {
  return Math.min(Math.max(columns ?? 80, 40), 100);
}

/** FORCE_COLOR before NO_COLOR before the terminal, as Node has it; an empty NO_COLOR says nothing (no-color.org). */
export function wantsColour(environment: CommandSurroundings["environment"], isTerminal: boolean): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = environment;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (refused) return false;
  return isTerminal && terminal !== "dumb";
}

interface Arguments {
  readonly values: { readonly json?: boolean; readonly help?: boolean; readonly version?: boolean };
  readonly command?: "doctor" | undefined;
  readonly mistake?: string;
}

const options = {
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

function parse(args: readonly string[]): Arguments {
  const { parseArgs } = process.getBuiltinModule("node:util");
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [command, surplus] = positionals;
    if (command !== undefined && command !== "doctor") return { values, mistake: `unknown command "${command}"` };
    if (surplus !== undefined) return { values, mistake: `unexpected argument "${surplus}"` };
    const alone = values.json && command === undefined && !values.help && !values.version;
    return alone ? { values, mistake: "--json belongs to doctor" } : { values, command };
  } catch (error) {
    // parseArgs() names the option, and then goes on about "--".
    return { values: {}, mistake: (error as Error).message.replace(/\. .*/s, "") };
  }
}
