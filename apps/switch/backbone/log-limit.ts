/** A log that an accident in the LAN does not fill: a few lines in a time, then a count. */

const LINES_MAX = 10;
const WITHIN_MS = 10_000;

/** Writes some lines, and counts the others. */
export class LogLimit {
  readonly #log: (line: string) => void;
  readonly #clock: () => number;
  #since = Number.NEGATIVE_INFINITY;
  #lines = 0;

  constructor(log: (line: string) => void, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Writes a line, if there have not been too many. */
  log(line: string): void {
    const now = this.#clock();
    if (now - this.#since >= WITHIN_MS) {
      const unsaid = this.#lines - LINES_MAX;
      if (unsaid > 0) this.#log(`${line.slice(0, line.indexOf(" "))}  and ${unsaid} more before`);
      [this.#since, this.#lines] = [now, 0];
    }
    if (++this.#lines <= LINES_MAX) this.#log(line);
  }
}
