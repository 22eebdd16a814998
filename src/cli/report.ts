/** Writes the report as text for people. Pure. */

import { isOpenable } from "../probe/node.ts";
import type { ProbeCheck, ProbeGroup, ProbeReport } from "../probe/report.ts";
import type { Paint, Style } from "./style.ts";

/** Settings of the text for people. */
export interface RenderOptions {
  readonly paint: Paint;
  /** The width to which text is wrapped; commands stay whole. */
  readonly columns: number;
}

const groupTitles: Readonly<Record<ProbeGroup, string>> = {
  machine: "This machine",
  user: "This user",
  device: "The device",
  driver: "The driver",
  neighbours: "The neighbours",
};

/** Marks that differ in shape, not only in colour. */
const marks: Readonly<Record<ProbeCheck["status"], readonly [mark: string, style: Style]>> = {
  ok: ["✓", "green"],
  warning: ["!", "yellow"],
  missing: ["✗", "red"],
  skipped: ["-", "dim"],
};

/** Writes a block of lines for each group, and a summary. */
export function render(report: ProbeReport, { paint, columns }: RenderOptions): string {
  const titleWidth = Math.max(...report.checks.map(({ title }) => title.length));
  const told = new Map<string, string>();
  const blocks = [...Map.groupBy(report.checks, ({ group }) => group)].map(([group, checks]) => [
    paint("bold", groupTitles[group]),
    ...checks.flatMap((check) => lines(check, { titleWidth, columns, told, paint })),
  ]);
  return [...blocks, verdict(report, columns, paint)].map((block) => `${block.join("\n")}\n`).join("\n");
}

interface Page {
  readonly titleWidth: number;
  readonly columns: number;
  /** Cures that are written already, and where: each needs to be read once. */
  readonly told: Map<string, string>;
  readonly paint: Paint;
}

function lines({ title, status, detail, cure }: ProbeCheck, page: Page): string[] {
  const { titleWidth, columns, paint } = page;
  const [mark, style] = marks[status];
  const indent = " ".repeat(titleWidth + 6);
  const [first = "", ...rest] = wrap(detail, columns - indent.length);
  const soft = (text: string): string => (status === "skipped" ? paint("dim", text) : text);
  const head = `  ${paint(style, mark)} ${soft(`${title.padEnd(titleWidth)}  ${first}`)}`;
  return [
    head,
    ...rest.map((line) => indent + soft(line)),
    ...(cure === undefined ? [] : cureLines(cure, title, page)),
  ];
}

function cureLines(cure: string, title: string, { columns, told, paint }: Page): string[] {
  const before = told.get(cure);
  if (before === undefined) told.set(cure, title);
  const text = before === undefined ? cure : `as for ${before}`;
  return wrap(text, columns - 6).map((line, i) => `    ${i === 0 ? paint("cyan", "→") : " "} ${commands(line, paint)}`);
}

/** Text between backticks is to be typed. */
function commands(line: string, paint: Paint): string {
  return line.replace(/`[^`]*`/g, (command) => paint("cyan", command));
}

function verdict({ ok, checks, attachable, node }: ProbeReport, columns: number, paint: Paint): string[] {
  const count = (wanted: ProbeCheck["status"]): number => checks.filter(({ status }) => status === wanted).length;
  const warnings = count("warning");
  const besides = warnings === 0 ? "" : ` There ${warnings === 1 ? "is a warning" : `are ${warnings} warnings`} above.`;
  if (ok) return [paint("green", "A TUN can be opened here.") + besides];
  const when = isOpenable(node) ? "all the same" : "once the device opens";
  const own = attachable.length === 0 ? "" : ` ${attachable.join(", ")} can be attached to ${when}.`;
  const missing = count("missing");
  const sentence = `A TUN cannot be opened here: see the ${missing === 1 ? "✗" : `${missing} lines with ✗`} above.`;
  return wrap(sentence + own, columns).map((line) => paint("red", line));
}

/** Lines of `width` at most, unless a word or a command in backticks is longer by itself. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  // A command that were broken could not be copied.
  for (const [word] of text.matchAll(/(?:`[^`]*`|[^\s`])+/g)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
