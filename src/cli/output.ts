/** The output of a subcommand: lines on standard output, a progress line on standard error. */

import { type Paint, pageWidth, painter, wantsColour } from "./style.ts";

/** The two streams, as far as they are needed here. */
export interface Streams {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The part of `process.stdout` that is used. */
export interface Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string, done?: (error?: Error | null) => void): boolean;
  on(event: "error", handler: (error: Error) => void): unknown;
}

/** Text that waits before it is written on its own account. */
const BUFFER_LENGTH = 65_536;
/** Erases the line (ECMA-48 section 8.3.41) after the cursor has gone to its beginning. */
const ERASE_LINE = "\r\x1b[K";

/**
 * Prints lines, which are collected until there is a page of them or
 * {@link flush} is called, and keeps the progress line out of their way.
 */
export class Output {
  readonly paint: Paint;
  /** The width for text that is wrapped. */
  readonly columns: number;
  /** Aborted, with the error, once nothing can be written any more: nobody reads, such as `head`, or the disk is full. */
  readonly closed: AbortSignal;
  readonly #closing = new AbortController();
  readonly #streams: Streams;
  #waiting: string[] = [];
  #length = 0;
  #progress = "";

  constructor(streams: Streams) {
    const { stdout, environment } = streams;
    this.#streams = streams;
    this.paint = painter(wantsColour(environment, stdout.isTTY === true));
    this.columns = pageWidth(stdout.columns);
    this.closed = this.#closing.signal;
    stdout.on("error", (error) => this.#closing.abort(error));
  }

  /** Prints a line. @returns whether it is time to await {@link flush} */
  line(text: string): boolean {
    this.#waiting.push(text);
    this.#length += text.length + 1;
    return this.#length >= BUFFER_LENGTH;
  }

  /** Prints a value as JSON: on one line, or for people to read. */
  json(value: unknown, layout: "line" | "page" = "line"): boolean {
    return this.line(JSON.stringify(value, plainValue, layout === "page" ? 2 : undefined));
  }

  /** Writes what was printed, and waits until the system has taken it. */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const text = `${this.#waiting.join("\n")}\n`;
    this.#waiting = [];
    this.#length = 0;
    if (this.closed.aborted) return;
    this.#erase();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#streams.stdout.write(text, (error) => {
      // The event of the same error comes later.
      if (error) this.#closing.abort(error);
      resolve();
    });
    await promise;
    this.#draw();
  }

  /** Shows what is being waited for, in place of what was shown before; on a terminal alone. */
  progress(text: string): void {
    if (!this.#showsProgress) return;
    this.#erase();
    this.#progress = text;
    this.#draw();
  }

  /** Says something on standard error that is no result. */
  note(text: string): void {
    this.#erase();
    this.#streams.stderr.write(`${text}\n`);
    this.#draw();
  }

  /** Writes what is left, and takes the progress line away. */
  async end(): Promise<void> {
    await this.flush();
    this.#erase();
    this.#progress = "";
  }

  get #showsProgress(): boolean {
    const { stderr, environment } = this.#streams;
    return stderr.isTTY === true && environment["TERM"] !== "dumb";
  }

  #erase(): void {
    if (this.#progress !== "") this.#streams.stderr.write(ERASE_LINE);
  }

  #draw(): void {
    // A line that wrapped could not be erased; a terminal that does not tell its width has 0.
    const width = (this.#streams.stderr.columns || 80) - 1;
    if (this.#progress !== "") this.#streams.stderr.write(this.#progress.slice(0, width));
  }
}

/** Returns a value for JSON, which has no 64-bit numbers: those beyond 2^53 become text, because readers round them. */
function plainValue(_: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
