/** Styles of text on a terminal. Pure. */

/** Names of the styles. */
export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Puts text into a style, or leaves it as it is where there is no colour. */
export type Paint = (style: Style, text: string) => string;

/** SGR parameters on and off, ECMA-48 section 8.3.117. */
const codes: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** Returns the painter for a stream with or without colour. */
export function painter(colour: boolean): Paint {
  return (style, text) => (colour ? `\x1b[${codes[style][0]}m${text}\x1b[${codes[style][1]}m` : text);
}

/** Tells whether to use colours: by FORCE_COLOR, else NO_COLOR, else the terminal, as Node does. An empty NO_COLOR says nothing (no-color.org). */
export function wantsColour(environment: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = environment;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (refused) return false;
  return isTerminal && terminal !== "dumb";
}

/** Columns of text on a terminal that has `columns`: long lines are hard to read, and a pipe, such as a CI log, gets 80. */
export function pageWidth(columns: number | undefined): number {
  return Math.min(Math.max(columns || 80, 40), 100);
}
