/** The command line. */
import { parseArgs } from "node:util";
import type { Case } from "./case.ts";
import { cases } from "./cases.ts";
import type { Contender } from "./contender.ts";

export interface Options {
  readonly rounds: number;
  /** The length of each measurement. */
  readonly seconds: number;
  /** The length of the long flood whose memory is looked at. */
  readonly packets: number;
  readonly cases: readonly Case[];
  readonly self: boolean;
}

const full = { rounds: 5, seconds: 2, packets: 10_000_000 };
const quick = { rounds: 1, seconds: 0.5, packets: 200_000 };

export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      self: { type: "boolean", default: false },
    },
  });
  const defaults = values.quick ? quick : full;
  return {
    rounds: number("--rounds", values.rounds, defaults.rounds, 1, 100),
    seconds: number("--seconds", values.seconds, defaults.seconds, 0.5, 60),
    packets: defaults.packets,
    cases: values.only === undefined ? usual(values.quick) : values.only.split(",").flatMap(named),
    self: values.self,
  };
}

function number(option: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (value >= least && value <= most) return value;
  throw new RangeError(`Option ${option} is "${text}": expected a number from ${least} to ${most}`);
}

function usual(isQuick: boolean): Case[] {
  const all = cases.filter(({ trial }) => !trial);
  return isQuick ? all.filter(({ slow }) => !slow).map(shortened) : all;
}

/** Without those that show no mode of ours for the first time, and that nobody is held against. */
function shortened(of: Case): Case {
  const isNeeded = (one: Contender): boolean =>
    one.program === "ours" ? !one.options.includes("--keep") : of.contenders.some(({ against }) => against === one);
  return { ...of, contenders: of.contenders.filter(isNeeded) };
}

/** The case of that name, or all whose names begin so. */
function named(text: string): Case[] {
  const exact = cases.filter(({ name }) => name === text);
  const found = exact.length > 0 ? exact : cases.filter(({ name }) => name.startsWith(text));
  if (found.length > 0) return found;
  throw new RangeError(
    `Option --only has "${text}": expected one or more of ${cases.map(({ name }) => name).join(", ")}`,
  );
}
