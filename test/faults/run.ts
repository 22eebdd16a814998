/**
 * Every system call fails in turn: each scenario, with the n-th call of each
 * kind failing with each plausible errno. Takes some minutes; see
 * CONTRIBUTING.md.
 *
 *     bun test/faults/run.ts [--step N] [--only TEXT] [--waker aio|thread] [--jobs N] [--write]
 */
import { parseArgs } from "node:util";
import { type Outcome, runScenario, type Waker } from "./driver.ts";
import { report, writeReport } from "./report.ts";
import { scenarios, waking } from "./scenarios/index.ts";

const { values } = parseArgs({
  options: {
    step: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    waker: { type: "string" },
    jobs: { type: "string", default: "2" },
    write: { type: "boolean", default: false },
  },
});

const wakers: readonly Waker[] = values.waker === undefined ? ["aio", "thread"] : [values.waker as Waker];
const queue = wakers.flatMap((waker) =>
  (waker === "aio" ? scenarios : waking)
    .filter(({ name }) => name.includes(values.only))
    .map((scenario) => ({ scenario, waker })),
);

const started = performance.now();
const outcomes: Outcome[] = [];

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const from = performance.now();
    const outcome = await runScenario(next.scenario, next.waker, { step: Number(values.step) });
    outcomes.push(outcome);
    const complaints = outcome.verdicts.filter(({ complaints }) => complaints.length > 0).length;
    const seconds = Math.round(performance.now() - from) / 1000;
    console.error(
      `${next.waker} ${next.scenario.name}: ${outcome.verdicts.length} cases, ${complaints} complaints, ${outcome.crashes.length} crashes, ${seconds} s`,
    );
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));
const text = report(outcomes, (performance.now() - started) / 1000);
if (values.write) await writeReport(`${import.meta.dir}/results.md`, text);
console.log(text);
const isFine = outcomes.every(
  ({ crashes, verdicts }) => crashes.length === 0 && verdicts.every(({ complaints }) => complaints.length === 0),
);
process.exit(isFine ? 0 : 1);
