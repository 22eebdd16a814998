/** A log that no machine fills: some lines of each in a time, then a count. */

const LINES_MAX = 60;
const WITHIN_MS = 60_000;

/** Writes some lines about each machine, and counts the others. */
export class HostLog {
  readonly #log: (line: string) => void;
  readonly #clock: () => number;
  /** The lines about each machine, since the first of them; machines of which there was none lately are forgotten. */
  readonly #hosts = new Map<string, { readonly since: number; lines: number }>();

  constructor(log: (line: string) => void, clock: () => number) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Writes a line about a machine, if there have not been too many. */
  log(host: string, line: string): void {
    let counted = this.#hosts.get(host);
    if (counted !== undefined && this.#clock() - counted.since >= WITHIN_MS) {
      this.#end(host, counted.lines);
      counted = undefined;
    }
    if (counted === undefined) {
      counted = { since: this.#clock(), lines: 0 };
      this.#hosts.set(host, counted);
    }
    if (++counted.lines <= LINES_MAX) this.#log(line);
  }

  /** Says how many lines were left out; to be called now and then. */
  sweep(): void {
    const now = this.#clock();
    for (const [host, { since, lines }] of this.#hosts) if (now - since >= WITHIN_MS) this.#end(host, lines);
  }

  #end(host: string, lines: number): void {
    this.#hosts.delete(host);
    if (lines > LINES_MAX)
      this.#log(`and   ${lines - LINES_MAX} more lines about clients of ${host} within a minute or so`);
  }
}
