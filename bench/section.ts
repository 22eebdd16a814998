/** Sections of a file of results, each written by a program of its own. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** Writes or replaces the section with a heading of level 2; the others stay. */
export function writeSection(file: URL, title: string, heading: string, text: string): void {
  const old = existsSync(file) ? readFileSync(file, "utf8") : `# ${title}\n`;
  const [head = "", ...sections] = old.split(/^(?=## )/m);
  const section = `## ${heading}\n\n${text.trim()}\n`;
  const at = sections.findIndex((each) => each.startsWith(`## ${heading}\n`));
  if (at < 0) sections.push(section);
  else sections[at] = section;
  writeFileSync(file, `${[head, ...sections].map((each) => each.trim()).join("\n\n")}\n`);
}

/** A table in Markdown. */
export function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}
