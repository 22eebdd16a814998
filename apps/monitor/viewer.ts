/** The packets that one browser sees: those that match its filter, as many as somebody can read, and their share. */
import type { Direction } from "../../src/index.ts";

/** Packets of one tick that are shown, evenly: nobody can read more. */
const LINES = 40;
const FILTER_MAX = 200;

/** A packet as the page shows it. */
export interface Line {
  /** Milliseconds since 1970. */
  time: number;
  direction: Direction;
  bytes: number;
  /** "TCP", which the line of a TCP segment does not say. */
  protocol: string;
  line: string;
}

/** Numbers of packets, each a part of those before it. */
export interface Share {
  /** Packets that have passed the interface. */
  passed: number;
  /** Packets that were looked at: all that passed, unless there are too many. */
  examined: number;
  /** Packets looked at that match the filter. */
  matched: number;
  /** Matching packets that are in the list. */
  shown: number;
}

const nothing: Share = { passed: 0, examined: 0, matched: 0, shown: 0 };

/** Chooses the packets that one browser is shown. */
export class Viewer {
  readonly #windowTicks: number;
  #words: readonly string[] = [];
  #lines: Line[] = [];
  #now: Share = { ...nothing };
  #before: Share[] = [];
  /** One of so many packets that match is shown. */
  #stride = 1;

  /** @param windowTicks how many ticks, the one under way included, the share is of */
  constructor(windowTicks: number) {
    this.#windowTicks = windowTicks;
  }

  get isFiltered(): boolean {
    return this.#words.length > 0;
  }

  /** Shows packets with all of these words from now on, and those that wait to be told; the share begins anew. */
  filter(text: string): void {
    this.#words = text.slice(0, FILTER_MAX).toLowerCase().split(/\s+/).filter(Boolean);
    this.#now = { ...nothing };
    [this.#before, this.#stride] = [[], 1];
    // The page has not been told of them yet.
    this.#lines = this.#lines.filter((line) => this.#matches(line));
  }

  /** Counts packets that pass, looked at or not. */
  pass(packets: number): void {
    this.#now.passed += packets;
  }

  /** Looks at a packet, which is put into words by `describe` only if that is needed. */
  examine(describe: () => Line): void {
    const now = this.#now;
    now.examined++;
    if (this.isFiltered && !this.#matches(describe())) return;
    if (now.matched++ % this.#stride !== 0 || this.#lines.length >= LINES) return;
    this.#lines.push(describe());
    now.shown++;
  }

  #matches({ protocol, line }: Line): boolean {
    const text = `${protocol} ${line}`.toLowerCase();
    return this.#words.every((word) => text.includes(word));
  }

  /** Ends a tick: the lines of it, and the share of the window that ends with it. */
  tick(): { packets: Line[]; share: Share } {
    const packets = this.#lines;
    this.#before = [...this.#before, this.#now].slice(-this.#windowTicks);
    this.#stride = Math.max(1, Math.ceil(this.#now.matched / LINES));
    [this.#now, this.#lines] = [{ ...nothing }, []];
    const sum = (key: keyof Share): number => this.#before.reduce((total, tick) => total + tick[key], 0);
    const share = {
      passed: sum("passed"),
      examined: sum("examined"),
      matched: sum("matched"),
      shown: sum("shown"),
    };
    return { packets, share };
  }
}
