/**
 * Sorts the JUnit reports of run.sh into a table, kernel by suite, with the reason of each skip and the name of each
 * failure: `table.ts FOLDER RELEASE...`. Writes FOLDER/table.md and prints it; exits with 1 if a test failed, or if a
 * suite did not finish.
 */
import { existsSync, readFileSync } from "node:fs";

/** One test of a report. */
export interface Case {
  readonly name: string;
  readonly result: "pass" | "fail" | "skip";
}

/** One suite on one kernel; without cases if its report is missing. */
export interface Suite {
  readonly suite: string;
  readonly cases: readonly Case[];
  /** True if the test runner ended by itself, with a status that fits its report. */
  readonly finished: boolean;
}

/** The suites of one kernel. */
export interface Kernel {
  readonly version: string;
  readonly suites: readonly Suite[];
}

/** Reads the cases of a JUnit report as Bun 1.4 writes it. */
export function readReport(xml: string): Case[] {
  return [...xml.matchAll(/<testcase ([^>]*?)(\/>|>(.*?)<\/testcase>)/gs)].map(([, attributes = "", , body = ""]) => {
    const classname = attribute(attributes, "classname");
    const name = [classname, attribute(attributes, "name")].filter((part) => part !== "").join(" > ");
    const result = body.includes("<skipped") ? "skip" : /<(failure|error)\b/.test(body) ? "fail" : "pass";
    return { name, result };
  });
}

function attribute(text: string, key: string): string {
  const value = new RegExp(`(?:^| )${key}="([^"]*)"`).exec(text)?.[1] ?? "";
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#39": "'" };
  return value.replaceAll(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole);
}

/** Reads what the guest of one release left behind. */
function readKernel(folder: string): Kernel {
  const text = (name: string) =>
    existsSync(`${folder}/${name}`) ? readFileSync(`${folder}/${name}`, "utf8").trim() : "";
  const suites = text("tests")
    .split("\n")
    .map((suite, i): Suite => {
      const cases = readReport(text(`${i + 1}.xml`));
      const status = Number(text(`${i + 1}.status`) || 255);
      // An error between tests fails the run, and no test of it.
      const failed = cases.some(({ result }) => result === "fail");
      return { suite, cases, finished: cases.length > 0 && (status === 0 || (status === 1 && failed)) };
    });
  return { version: text("uname") || "did not start", suites };
}

/** The reason that the name of a skipped test gives, or its name. */
function reasonOf(name: string): string {
  return /\[skipped: (.*?)\]/.exec(name)?.[1] ?? name;
}

function cell(suite: Suite | undefined): string {
  if (suite === undefined) return "not run";
  const { cases, finished } = suite;
  const count = (wanted: Case["result"]) => cases.filter(({ result }) => result === wanted).length;
  if (cases.length === 0) return "did not finish";
  return `${count("pass")} / ${count("fail")} / ${count("skip")}${finished ? "" : ", an error beside"}`;
}

/** The table as Markdown. */
export function render(kernels: readonly Kernel[]): string {
  const names = new Set(kernels.flatMap(({ suites }) => suites.map(({ suite }) => suite)));
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const lines = [
    "Passed / failed / skipped:",
    "",
    row(["", ...kernels.map(({ version }) => version)]),
    row(["---", ...kernels.map(() => "---")]),
    ...[...names].map((name) =>
      row([name, ...kernels.map(({ suites }) => cell(suites.find((each) => each.suite === name)))]),
    ),
  ];
  for (const result of ["skip", "fail"] as const) {
    for (const { version, suites } of kernels) {
      const found = suites.flatMap(({ cases }) => cases).filter((each) => each.result === result);
      if (found.length === 0) continue;
      lines.push("", `${result === "skip" ? "Skipped" : "Failed"} on ${version}:`, "");
      const counts = Map.groupBy(found, ({ name }) => (result === "skip" ? reasonOf(name) : name));
      for (const [reason, { length }] of counts) lines.push(`- ${reason}${length > 1 ? ` (${length})` : ""}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

if (import.meta.main) {
  const [folder = ".", ...releases] = process.argv.slice(2);
  const kernels = releases.map((release) => readKernel(`${folder}/${release}`));
  const table = render(kernels);
  await Bun.write(`${folder}/table.md`, table);
  process.stdout.write(table);
  const good = kernels.every(({ suites }) =>
    suites.every(({ finished, cases }) => finished && cases.every(({ result }) => result !== "fail")),
  );
  process.exit(good ? 0 : 1);
}
