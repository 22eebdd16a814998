/** Tables of text. */

import type { Output } from "./output.ts";

/** Returns the lines of a table whose columns are as wide as they have to be, two blanks apart. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] as number))
      .join("  ")
      .trimEnd(),
  );
}

/** Prints a table under its head. */
export function printTable(output: Output, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const [first = "", ...rest] = tableLines([head, ...rows]);
  output.line(output.paint("bold", first));
  for (const row of rest) output.line(row);
}
