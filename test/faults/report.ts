/** The table of injected failures, as Markdown. */
import { top } from "../support/programs.ts";
import type { Verdict } from "./cases.ts";
import type { Outcome } from "./driver.ts";

/** One row a call and errno. */
export function report(outcomes: readonly Outcome[], seconds: number): string {
  const verdicts = outcomes.flatMap((outcome) => outcome.verdicts);
  const reached = verdicts.filter(({ failed }) => failed > 0);
  const broken = outcomes.flatMap(({ waker, verdicts }) =>
    verdicts.filter(({ complaints }) => complaints.length > 0).map((verdict) => ({ waker, verdict })),
  );
  const crashes = outcomes.flatMap(({ scenario, waker, crashes }) =>
    crashes.map((crash) => `${scenario} (${waker}): ${crash}`),
  );
  const scenarios = new Set(outcomes.map(({ scenario }) => scenario)).size;
  const mapped = outcomes.reduce((sum, { mappings }) => sum + mappings, 0);
  return [
    "# Every system call fails in turn",
    "",
    `\`sudo bun test/faults/run.ts\`, ${new Date().toISOString().slice(0, 10)}, Bun ${Bun.version}, ${kernel()}: ` +
      `${scenarios} scenarios, ${verdicts.length} runs, in ${reached.length} of which a call failed, ` +
      `${Math.round(seconds)} s. ${broken.length} runs left something, hung or threw what it should not; ` +
      `${crashes.length} processes died. The processes that ran all cases of a scenario had ${mapped} mappings more afterwards, all together.`,
    "",
    "Each call of each kind fails: the first five with each errno, those behind them with one errno in turn. Once: that call alone fails. Lasting: it and all that follow of its kind. An error is a `TunTapError` of that code, or the device's `closeReason`.",
    "",
    "| Call | Errno | | Failures | Went on | Errors |",
    "| --- | --- | --- | --: | --: | --- |",
    ...rows(reached),
    "",
    ...section("Complaints", broken.map(complaintOf)),
    ...section("Processes that died", crashes),
  ].join("\n");
}

/** Writes a report into the repository, as Biome formats Markdown. */
export async function writeReport(path: string, text: string): Promise<void> {
  await Bun.write(path, text);
  Bun.spawnSync([`${top}/node_modules/.bin/biome`, "format", "--write", path], { cwd: top });
}

function kernel(): string {
  return `Linux ${Bun.spawnSync(["uname", "-r"]).stdout.toString().trim()}`;
}

function rows(verdicts: readonly Verdict[]): string[] {
  const groups = Map.groupBy(
    verdicts,
    ({ call, errno, sticky }) => `\`${call}\` | ${errno} | ${sticky ? "lasting" : "once"}`,
  );
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, group]) => {
      const wentOn = group.filter(({ outcome }) => outcome === "went on").length;
      const errors = Map.groupBy(
        group.filter(({ outcome }) => outcome !== "went on"),
        ({ outcome }) => outcome,
      );
      const told = [...errors]
        .sort(([, a], [, b]) => b.length - a.length)
        .map(([code, all]) => `${all.length} ${code}`);
      return `| ${key} | ${group.length} | ${wentOn} | ${told.join(", ")} |`;
    });
}

function complaintOf({ waker, verdict }: { waker: string; verdict: Verdict }): string {
  const { scenario, call, nth, errno, sticky, outcome, complaints } = verdict;
  return `${scenario} (${waker}), ${call} ${nth} ${errno}${sticky ? " lasting" : ""}: ${outcome}; ${complaints.join("; ")}`;
}

function section(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`## ${title}`, "", ...lines.map((line) => `- ${line.replaceAll("\n", " ")}`), ""];
}
