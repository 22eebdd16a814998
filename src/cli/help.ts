/** Texts of `--help`. Pure. */

import type { Command, Commands, Option } from "./command.ts";
import { wrap } from "./report.ts";

const COLUMNS = 80;

/** Returns the help of the program itself. */
export function programHelp(commands: Commands): string {
  const rows = Object.entries(commands).map(([name, { summary }]): Row => [name, summary]);
  return `Usage: bun-tuntap COMMAND [OPTIONS]

Commands:
${table(rows)}

Options:
${table([
  ["-h, --help", "print this, or behind a command, its own help"],
  ["-v, --version", "print the version"],
])}

Exit status: 0 on success, 1 on failure, 2 for wrong arguments.`;
}

/** Returns the help of a subcommand. */
export function commandHelp(name: string, { operands, about, options }: Command): string {
  const rows = Object.entries(options).map(([option, settings]): Row => [flags(option, settings), settings.about]);
  const usage = `Usage: bun-tuntap ${name} [OPTIONS]${operands === "" ? "" : ` ${operands}`}`;
  return `${wrap(usage, COLUMNS).join("\n       ")}

${about
  .split("\n")
  .map((paragraph) => wrap(paragraph, COLUMNS).join("\n"))
  .join("\n")}

Options:
${table([...rows, ["-h, --help", "print this"]])}`;
}

type Row = readonly [left: string, right: string];

function flags(name: string, { short, value }: Option): string {
  return `${short === undefined ? "    " : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const indent = " ".repeat(width + 2);
  return rows
    .map(([left, right]) => `  ${left.padEnd(width)}${wrap(right, COLUMNS - width - 2).join(`\n${indent}`)}`)
    .join("\n");
}
