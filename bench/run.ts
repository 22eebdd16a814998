/**
 * bun run bench [--rounds N] [--seconds S] [--quick] [--only NAMES] [--self]
 *
 * Measures this library against the same programs in C, turn by turn, and writes
 * bench/results/latest.md and latest.svg. bench/NOTES.md says how to read them.
 * Root; gcc, iperf3 and strace. Everything happens in network namespaces of its
 * own, and nothing is left behind.
 *
 *   --rounds N    how often each contender is measured (5)
 *   --seconds S   how long each measurement takes (2)
 *   --quick       one short round of the cases that show every mode: about two minutes, and no more than a hint
 *   --only NAMES  some cases only, by their names or the beginnings of them: tcp,flood,rtt
 *   --self        C against itself: how far a ratio strays from 1 by noise alone; writes no file
 */
import { mkdirSync, rmSync } from "node:fs";
import type { Case } from "./case.ts";
import { chart } from "./chart.ts";
import type { Contender, Programs } from "./contender.ts";
import type { Sample } from "./measure/kind.ts";
import { type Options, parseOptions } from "./options.ts";
import { interrupt, stopAll } from "./processes.ts";
import { caseTable, comparisons, doubts, headlineTable } from "./report.ts";
import { checkMachine, compile, describeRun, makeTemporaryDirectory } from "./setup.ts";
import type { CaseResults, Round } from "./statistics.ts";

async function measureAll(options: Options, directory: string): Promise<CaseResults[]> {
  const programs = await compile(directory, options.cases);
  const results: CaseResults[] = options.cases.map((of) => ({ of, rounds: [] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { of, rounds } of results) {
      if (of.once && round > 0) continue;
      console.error(`round ${round + 1} of ${options.rounds}: ${of.name}`);
      rounds.push(await measureRound(of, round, programs, options));
    }
  }
  return results;
}

/** Everybody once; each round begins with another one. */
async function measureRound(of: Case, round: number, programs: Programs, options: Options): Promise<Round> {
  const samples: Round = {};
  for (let i = 0; i < of.contenders.length; i++) {
    const contender = of.contenders[(i + round) % of.contenders.length] as Contender;
    const active = (options.self && contender.against) || contender;
    const { seconds, packets } = options;
    const network = { ...of.network, ...contender.network };
    samples[contender.name] = await cleanly(
      of.kind.measure({ contender: active, network, programs, seconds, packets }),
    );
  }
  return samples;
}

/** Measures, and leaves no process of the rig behind, whether it went well or not. */
async function cleanly(measurement: Promise<Sample>): Promise<Sample> {
  try {
    return await measurement;
  } finally {
    await stopAll();
  }
}

async function report(results: readonly CaseResults[], args: readonly string[], self: boolean): Promise<void> {
  const text = [
    "# Against C",
    describeRun(["bun run bench", ...args].join(" ")),
    "Medians over the rounds; a ratio is the median of each round's ratio. Ours reads into the same buffer again and again (`reuseBuffers`), as C does, but where frames are kept. `bench/NOTES.md` says what is measured, and how to read it.",
    headlineTable(results),
    "![The same as a chart](latest.svg)",
    ...results.flatMap((result) => [`## ${result.of.title}`, caseTable(result), comparisons(result.of)]),
    doubts(results)
      .map((doubt) => `- ${doubt}`)
      .join("\n"),
  ].filter((paragraph) => paragraph !== "");
  console.log(text.join("\n\n"));
  if (self) return;
  const path = `${import.meta.dir}/results`;
  mkdirSync(path, { recursive: true });
  await Bun.write(`${path}/latest.md`, `${text.join("\n\n")}\n`);
  await Bun.write(`${path}/latest.svg`, chart(results));
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const options = parseOptions(args);
  checkMachine(options.cases);
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
