/** Runs child.ts over and over, until all cases of a scenario have been tried. */
import type { Case, Verdict } from "./cases.ts";
import type { Progress, Task } from "./child.ts";
import type { Scenario } from "./scenario.ts";

export type Waker = "aio" | "thread";

/** What came of all cases of one scenario. */
export interface Outcome {
  readonly scenario: string;
  readonly waker: Waker;
  readonly verdicts: Verdict[];
  /** Processes that died or hung, and why no case could be run. */
  readonly crashes: string[];
  /** The mappings that the processes had more at their end than before the first case. */
  mappings: number;
}

/** Longer than a case may take that the child itself finds hanging. */
const SILENCE_MS = 60_000;

/** The cases to run. */
export interface Choice {
  /** 2 for every second case, and so on. Default 1. */
  readonly step?: number;
  /** The number of the first. Default 0. */
  readonly from?: number;
  readonly only?: Task["only"];
}

/** Runs the cases of the scenario. */
export async function runScenario(scenario: Scenario, waker: Waker, choice: Choice = {}): Promise<Outcome> {
  const outcome: Outcome = { scenario: scenario.name, waker, verdicts: [], crashes: [], mappings: 0 };
  await (scenario.isFirst ? runFirst(outcome, choice.step ?? 1) : runAll(outcome, choice));
  return outcome;
}

async function runAll(outcome: Outcome, { step = 1, from: first = 0, only }: Choice): Promise<void> {
  const { scenario, waker } = outcome;
  // All else is the same whatever wakes the thread.
  const isOfWaitingAlone = waker === "thread";
  for (let from = first, total = Number.POSITIVE_INFINITY; from < total; ) {
    const before = from;
    let mapped: number | undefined;
    let at: number | undefined;
    const complaint = await runChild(waker, { scenario, from, step, isOfWaitingAlone, only }, (progress) => {
      total = progress.total ?? total;
      at = progress.at ?? at;
      if (progress.verdict !== undefined) outcome.verdicts.push(progress.verdict);
      if (progress.verdict !== undefined) [at, from] = [undefined, from + step];
      if (progress.done) outcome.mappings += (progress.mappings ?? 0) - (mapped ?? 0);
      mapped ??= progress.mappings;
      // How many calls a scenario makes may differ from run to run.
      if (progress.done) from = Number.POSITIVE_INFINITY;
    });
    if (complaint === undefined && from > before) continue;
    outcome.crashes.push(`at case ${at ?? from}: ${complaint ?? "it said nothing"}`);
    if (at === undefined) return;
    from = at + step;
  }
}

async function runFirst(outcome: Outcome, step: number): Promise<void> {
  const { scenario, waker } = outcome;
  let found: Progress["first"];
  const complaint = await runChild(waker, { scenario, from: 0, step, isOfWaitingAlone: true }, (progress) => {
    found = progress.first;
  });
  const { cases, expected } = found ?? { cases: [] as Case[], expected: [] };
  if (complaint !== undefined) outcome.crashes.push(complaint);
  for (let at = 0; at < cases.length; at += step) {
    const given = cases[at] as Case;
    const died = await runChild(
      waker,
      { scenario, from: 0, step, isOfWaitingAlone: true, first: { given, expected } },
      ({ verdict }) => {
        if (verdict !== undefined) outcome.verdicts.push(verdict);
      },
    );
    if (died !== undefined)
      outcome.crashes.push(`at case ${at} (${given.kind.name} ${given.nth} ${given.errno}): ${died}`);
  }
}

/** Runs child.ts to its end, or kills it if it says nothing for long; returns why it did not end as it should. */
async function runChild(waker: Waker, task: Task, hear: (progress: Progress) => void): Promise<string | undefined> {
  const preload = `${import.meta.dir}/preload.ts`;
  const command = [process.execPath, "--preload", preload, `${import.meta.dir}/child.ts`, JSON.stringify(task)];
  const child = Bun.spawn(command, {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, BUN_TUNTAP_WAKER: waker },
  });
  let silent = false;
  const kill = (): void => {
    silent = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(kill, SILENCE_MS);
  const stderr = child.stderr.text();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(timer);
    timer = setTimeout(kill, SILENCE_MS);
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) hear(JSON.parse(line) as Progress);
  }
  clearTimeout(timer);
  const code = await child.exited;
  if (silent) return `the process hung: ${await stderr}`;
  return code === 0 || code === 3 ? undefined : `the process ended with ${child.signalCode ?? code}: ${await stderr}`;
}
