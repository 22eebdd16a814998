/** From samples to the table: medians over the rounds, and medians of each round's ratio. */
import type { Sample } from "./measure.ts";

/** One round of one section: what C did, and then ours. Startup has no C beside it. */
export interface Round {
  c: Sample | undefined;
  ours: Sample;
}

export type Section = "throughput" | "flood" | "rtt" | "startup";
export const sections: readonly Section[] = ["throughput", "flood", "rtt", "startup"];

interface Metric {
  section: Section;
  key: string;
  label: string;
  digits: number;
  /** Of the ratio, or of the value itself where there is no C. */
  target?: { most: number } | { least: number };
}

const metrics: readonly Metric[] = [
  { section: "throughput", key: "gbits", label: "TCP through a relay, Gbit/s", digits: 2, target: { least: 0.9 } },
  { section: "throughput", key: "cpuPerGb", label: "relay CPU, s/GB", digits: 2 },
  { section: "throughput", key: "userPerGb", label: "of it user, s/GB", digits: 2 },
  { section: "throughput", key: "systemPerGb", label: "of it system, s/GB", digits: 2 },
  { section: "flood", key: "packetsPerSecond", label: "64-byte packets that arrive, /s", digits: 0 },
  { section: "flood", key: "lostPercent", label: "lost of those sent, %", digits: 1 },
  { section: "flood", key: "cpuNsPerPacket", label: "relay CPU, ns/packet", digits: 0, target: { most: 1.25 } },
  { section: "rtt", key: "p50", label: "idle echo RTT p50, µs", digits: 1, target: { most: 2 } },
  { section: "rtt", key: "p90", label: "p90, µs", digits: 1 },
  { section: "rtt", key: "p99", label: "p99, µs", digits: 1 },
  { section: "startup", key: "import", label: "import, ms", digits: 1, target: { most: 5 } },
  { section: "startup", key: "open", label: "first open after it, ms", digits: 1, target: { most: 15 } },
];

const head = ["", "", "C", "ours", "ours/C", "ratio min–max", "target", ""];

/** Keys of a sample that ought to be zero. */
const oughtToBeZero: Record<string, string> = {
  dropped: "frames that the relay could not write",
  uncounted: "packets that the relay delivered and the counter missed (too little CPU for it)",
  lost: "echoes that never came",
};

export type Results = Record<Section, Round[]>;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The table's rows, without its head, section by section. */
export function tableRows(results: Results): string[][] {
  return sections.flatMap((section) => {
    const rounds = results[section];
    if (rounds.length === 0) return [];
    return metrics
      .filter((metric) => metric.section === section)
      .map((metric, i) => [i === 0 ? section : "", ...metricCells(metric, rounds)]);
  });
}

function metricCells({ key, label, digits, target }: Metric, rounds: readonly Round[]): string[] {
  const ours = rounds.map((round) => round.ours[key] ?? Number.NaN);
  const c = rounds.flatMap((round) => (round.c === undefined ? [] : [round.c[key] ?? Number.NaN]));
  if (c.length === 0) {
    const value = median(ours);
    return [label, "", value.toFixed(digits), "", spread(ours, digits), ...targetCells(target, value)];
  }
  const ratios = ours.map((value, i) => value / (c[i] ?? Number.NaN)).filter(Number.isFinite);
  const ratio = median(ratios);
  return [
    label,
    median(c).toFixed(digits),
    median(ours).toFixed(digits),
    ratios.length === 0 ? "" : ratio.toFixed(2),
    ratios.length === 0 ? "" : spread(ratios, 2),
    ...targetCells(target, ratio),
  ];
}

function spread(values: readonly number[], digits: number): string {
  return `${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)}`;
}

function targetCells(target: Metric["target"], value: number): [target: string, verdict: string] {
  if (target === undefined) return ["", ""];
  if ("least" in target) return [`≥ ${target.least}`, value >= target.least ? "met" : "missed"];
  return [`≤ ${target.most}`, value <= target.most ? "met" : "missed"];
}

/** What makes the numbers doubtful, one line each. */
export function doubts(results: Results): string[] {
  return sections.flatMap((section) =>
    (["c", "ours"] as const).flatMap((side) =>
      Object.entries(oughtToBeZero).flatMap(([key, meaning]) => {
        const total = results[section].reduce((sum, round) => sum + (round[side]?.[key] ?? 0), 0);
        return total === 0 ? [] : [`${section}, ${side === "c" ? "C" : side}: ${total} ${meaning}`];
      }),
    ),
  );
}

/** For a terminal: columns of even width. */
export function formatText(rows: readonly string[][]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          // Names on the left, numbers on the right.
          return column < 2 ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function formatMarkdown(rows: readonly string[][]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column < 2 ? "---" : "---:"));
  return [head, rule, ...rows].map(line).join("\n");
}
