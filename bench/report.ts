/** What a run says: a table of headlines, then one for each case. */
import type { Case } from "./case.ts";
import type { Contender } from "./contender.ts";
import { type Headline, headlines, type Limit } from "./headlines.ts";
import type { Column } from "./measure/kind.ts";
import { type CaseResults, type Round, ratios, type Spread, values } from "./statistics.ts";

/** Columns that hold names, not numbers, stand on the left. */
interface Table {
  readonly names: number;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The first table, without the rows of cases that did not run. */
export function headlineTable(results: readonly CaseResults[]): string {
  let section = "";
  const rows = headlines.flatMap((headline) => {
    const rounds = results.find(({ of }) => of.name === headline.of)?.rounds ?? [];
    const cells = headlineCells(headline, rounds);
    if (cells === undefined) return [];
    const isNew = headline.section !== section;
    section = headline.section;
    return [[isNew ? section : "", headline.label, ...cells]];
  });
  const head = ["", "", "C", "ours", "ours/C", "ratio min–max", "target", ""];
  return markdown({ names: 2, head, rows });
}

function headlineCells(headline: Headline, rounds: readonly Round[]): string[] | undefined {
  const { contender, key, digits, limit } = headline;
  const own = values(rounds, contender, key);
  if (own === undefined) return undefined;
  const c = contender.against && values(rounds, contender.against, key);
  const ratio = c && ratios(rounds, contender, key);
  return [
    c?.median.toFixed(digits) ?? "",
    own.median.toFixed(digits),
    ratio?.median.toFixed(2) ?? "",
    ratio ? range(ratio, 2) : c ? "" : range(own, digits),
    ...limitCells(limit, ratio ?? own),
  ];
}

function limitCells(limit: Limit | undefined, { median }: Spread): [limit: string, verdict: string] {
  if (limit === undefined) return ["", ""];
  if ("least" in limit) return [`≥ ${limit.least}`, median >= limit.least ? "met" : "missed"];
  return [`≤ ${limit.most}`, median <= limit.most ? "met" : "missed"];
}

/** Everything about one case: a row for each contender. */
export function caseTable({ of, rounds }: CaseResults): string {
  const head = ["", ...of.kind.columns.flatMap(({ label, compared }) => (compared ? [label, "ratio"] : [label]))];
  const rows = of.contenders.map((contender) => [
    contender.name,
    ...of.kind.columns.flatMap((column) => caseCells(column, contender, rounds)),
  ]);
  return markdown({ names: 1, head, rows });
}

function caseCells({ key, digits, compared }: Column, contender: Contender, rounds: readonly Round[]): string[] {
  const value = values(rounds, contender, key)?.median.toFixed(digits) ?? "";
  if (!compared) return [value];
  const ratio = ratios(rounds, contender, key);
  return [value, ratio ? `${ratio.median.toFixed(2)} (${range(ratio, 2)})` : ""];
}

/** Returns what the ratios of a case are to: "Ratios to C, poll: ours; ours, frames kept." */
export function comparisons({ contenders }: Case): string {
  const compared = contenders.filter(({ against }) => against !== undefined);
  return [...Map.groupBy(compared, ({ against }) => against?.name)]
    .map(([against, group]) => `Ratios to ${against}: ${group.map(({ name }) => name).join("; ")}.`)
    .join(" ");
}

function range({ least, most }: Spread, digits: number): string {
  return `${least.toFixed(digits)}–${most.toFixed(digits)}`;
}

/** Keys of a sample that ought to be zero. */
const oughtToBeZero: Record<string, string> = {
  dropped: "frames that the relay could not write",
  uncounted: "packets that the relay delivered and the counter missed (too little CPU for it)",
  lost: "echoes that never came",
};

/** Returns what makes the numbers doubtful, one line each. */
export function doubts(results: readonly CaseResults[]): string[] {
  return results.flatMap(({ of, rounds }) =>
    of.contenders.flatMap(({ name }) =>
      Object.entries(oughtToBeZero).flatMap(([key, meaning]) => {
        const total = rounds.reduce((sum, round) => sum + (round[name]?.[key] ?? 0), 0);
        return total === 0 ? [] : [`${of.name}, ${name}: ${total} ${meaning}`];
      }),
    ),
  );
}

function markdown({ names, head, rows }: Table): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const pad = (row: readonly string[]): string[] =>
    row.map((cell, column) => (column < names ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)));
  const rule = widths.map((width, column) => (column < names ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(pad(head)), line(rule), ...rows.map((row) => line(pad(row)))].join("\n");
}
