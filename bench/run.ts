/**
 * bun run bench [--rounds N] [--seconds S] [--quick] [--only throughput,flood,rtt,startup] [--self]
 *
 * Measures this library against the same programs in C, turn by turn, and writes
 * the table to bench/results/latest.md. Root; gcc and iperf3. Everything happens
 * in network namespaces of its own, and nothing is left behind.
 *
 *   --rounds N    how often each pair is measured (7)
 *   --seconds S   how long each measurement takes (4)
 *   --quick       3 rounds of 1 second: under a minute, and no more than a hint
 *   --only LIST   some sections only
 *   --self        C against itself: how far a ratio strays from 1 by noise alone; writes no file
 */
import { mkdirSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  type Contender,
  measureFlood,
  measureRtt,
  measureStartup,
  measureThroughput,
  type Sample,
  type Tools,
} from "./measure.ts";
import { interrupt, stopAll } from "./processes.ts";
import { doubts, formatMarkdown, formatText, type Results, type Section, sections, tableRows } from "./report.ts";
import { checkMachine, compile, describeRun, makeTemporaryDirectory } from "./setup.ts";

const STARTUP_PROCESSES = 10;

interface Options {
  rounds: number;
  seconds: number;
  only: Section[];
  self: boolean;
}

type Measure = (contender: Contender, tools: Tools, seconds: number) => Promise<Sample>;
const measures: Record<Exclude<Section, "startup">, Measure> = {
  throughput: measureThroughput,
  flood: measureFlood,
  rtt: measureRtt,
};

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
      only: { type: "string", default: sections.join() },
      self: { type: "boolean", default: false },
    },
  });
  return {
    rounds: wholeNumber("--rounds", values.rounds ?? (values.quick ? "3" : "7"), 100),
    seconds: wholeNumber("--seconds", values.seconds ?? (values.quick ? "1" : "4"), 60),
    only: values.only.split(",").map(toSection),
    self: values.self,
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new RangeError(`Option ${option} is "${text}": expected a whole number from 1 to ${most}`);
}

function toSection(text: string): Section {
  const section = sections.find((known) => known === text);
  if (section === undefined) throw new RangeError(`Option --only has "${text}": expected ${sections.join(", ")}`);
  return section;
}

/** Measures, and leaves no process of the rig behind, whether it went well or not. */
async function cleanly(measurement: Promise<Sample>): Promise<Sample> {
  try {
    return await measurement;
  } finally {
    await stopAll();
  }
}

async function measureAll({ rounds, seconds, only, self }: Options, directory: string): Promise<Results> {
  const { c, ours, tools } = await compile(directory);
  const results: Results = { throughput: [], flood: [], rtt: [], startup: [] };
  const comparable = sections.filter((section) => section !== "startup").filter((section) => only.includes(section));
  for (let round = 1; round <= rounds; round++) {
    for (const section of comparable) {
      console.error(`round ${round} of ${rounds}: ${section}`);
      const measure = measures[section];
      const sampleC = await cleanly(measure(c, tools, seconds));
      const sampleOurs = await cleanly(measure(self ? c : ours, tools, seconds));
      results[section].push({ c: sampleC, ours: sampleOurs });
    }
  }
  if (only.includes("startup") && !self) {
    for (let i = 0; i < STARTUP_PROCESSES; i++) {
      results.startup.push({ c: undefined, ours: await cleanly(measureStartup()) });
    }
  }
  return results;
}

async function report(results: Results, args: readonly string[], self: boolean): Promise<void> {
  const about = describeRun(["bun run bench", ...args].join(" "));
  const rows = tableRows(results);
  const warnings = doubts(results).map((doubt) => `- ${doubt}`);
  console.log([about, "", formatText(rows), ...warnings].join("\n"));
  if (self) return;
  const path = `${import.meta.dir}/results`;
  mkdirSync(path, { recursive: true });
  const note =
    "Medians over the rounds; the ratio is the median of each round's ratio. What is measured: `bench/measure.ts`.";
  const text = [
    "# Against C",
    about,
    note,
    formatMarkdown(rows),
    ...(warnings.length === 0 ? [] : [warnings.join("\n")]),
  ];
  await Bun.write(`${path}/latest.md`, `${text.join("\n\n")}\n`);
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const options = parseOptions(args);
  checkMachine(options.only);
  const directory = makeTemporaryDirectory();
  const removeDirectory = (): void => rmSync(directory, { recursive: true, force: true });
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      void interrupt().then(() => {
        removeDirectory();
        process.exit(code);
      });
    });
  }
  try {
    await report(await measureAll(options, directory), args, options.self);
  } finally {
    await stopAll();
    removeDirectory();
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
