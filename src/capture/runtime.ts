/**
 * The parts of the runtime that captures use: of Bun where this is Bun, else of what Node, Deno and browsers have too.
 * Types of Bun and Node stay in this folder's private modules: users elsewhere have none.
 */

type Fs = typeof import("node:fs");

/** The part of Bun that is used. Not its own types: JSR and Deno check this file without them. */
interface BunRuntime {
  readonly stdout: { writer(): { write(bytes: Uint8Array): unknown; flush(): unknown } };
  inspect(value: unknown): string;
  nanoseconds(): number;
  file(path: string | URL): { stream(): ReadableStream<Uint8Array> };
}

/** The `Bun` object, whose own functions are faster; undefined in other runtimes. */
const bun: BunRuntime | undefined = (globalThis as { Bun?: BunRuntime }).Bun;

/** Returns a value as text for an error message. */
export function show(value: unknown): string {
  if (bun !== undefined) return bun.inspect(value);
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** Joins pieces of bytes. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Nanoseconds since some moment, as exact as the clock is; it never steps back. */
export function monotonicNs(): bigint {
  return bun !== undefined ? BigInt(bun.nanoseconds()) : BigInt(Math.round(performance.now() * 1e6));
}

/** The file system. @throws {TypeError} in a browser, which has none */
export function fileSystem(): Fs {
  if (typeof process === "undefined" || process.getBuiltinModule === undefined) {
    throw new TypeError("There is no file system here: give a stream in place of a path");
  }
  return process.getBuiltinModule("node:fs") as Fs;
}

/** Returns the path of a `file:` URL, or of a path. */
export function pathOf(source: string | URL): string {
  if (typeof source === "string") return source;
  return process.getBuiltinModule("node:url").fileURLToPath(source);
}

/** Returns the bytes of a file, piece by piece. */
export function readFile(source: string | URL): AsyncIterable<Uint8Array> {
  return bun !== undefined ? bun.file(source).stream() : fileSystem().createReadStream(pathOf(source));
}

/** A way to write to standard output that waits until it has been taken. */
export interface StandardOutputWriter {
  write(bytes: Uint8Array): Promise<void>;
}

/** Tells whether a value is standard output, without asking for `process.stdout`, which would make it. */
export function isStandardOutput(target: unknown): boolean {
  if (bun !== undefined && target === bun.stdout) return true;
  return typeof target === "object" && target !== null && "fd" in target && target.fd === 1;
}

/** Opens standard output for writing. */
export function openStandardOutput(): StandardOutputWriter {
  return bun !== undefined ? bunOutput(bun) : nodeOutput();
}

function bunOutput({ stdout }: BunRuntime): StandardOutputWriter {
  const sink = stdout.writer();
  return {
    async write(bytes) {
      // Each of them may be the one that says that the reader has gone.
      await sink.write(bytes);
      await sink.flush();
    },
  };
}

function nodeOutput(): StandardOutputWriter {
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  return { write };
}
