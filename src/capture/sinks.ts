/** Targets of captures, to which their bytes go. */
import { wrongType } from "./checks.ts";
import { type FileRing, ringName } from "./file-ring.ts";
import { fileSystem, isStandardOutput, openStandardOutput, pathOf, type StandardOutputWriter } from "./runtime.ts";

/** Standard output: `process.stdout`, or `Bun.stdout`. */
export type StandardOutput =
  | {
      /** 1, of standard output. */
      readonly fd: number;
      /** Takes bytes, as a stream of Node does. */
      write(bytes: Uint8Array): unknown;
    }
  | {
      /** Returns a writer, as `Bun.stdout` does. */
      writer(): unknown;
    };

/**
 * Targets of a capture: a path, a URL of a file, or anything that bytes can be written to. A FIFO is opened once
 * somebody reads it; until then frames wait, as they do for every slow target. Closing the capture does not wait for
 * that, and rejects with `ENXIO`.
 */
export type CaptureTarget = string | URL | WritableStream<Uint8Array> | StandardOutput;

/** Destination of the bytes of a capture. */
export interface Sink {
  /**
   * Resolves when `bytes` may be used again. `isFile`: it is the beginning of a file, of which there may be several.
   */
  write(bytes: Uint8Array, isBeginning: boolean): Promise<void>;
  /** Called when no more will come: it is no use to wait for somebody to read. */
  stopWaiting?(): void;
  /** Does nothing the second time. */
  close(): Promise<void>;
}

/** @throws what opening the file throws */
export function sinkFor(target: CaptureTarget, ring: FileRing | undefined): Sink {
  if (typeof target === "string" || target instanceof URL) return new FileSink(target, ring);
  if (ring !== undefined) throw new TypeError('"files" needs a path: only files can be taken turns');
  if (target instanceof WritableStream) return new StreamSink(target);
  if (isStandardOutput(target)) return new StdoutSink();
  throw wrongType("target", target, "a path, a WritableStream, process.stdout or Bun.stdout");
}

/** A file, or several of which only the latest stay. */
class FileSink implements Sink {
  readonly #path: string;
  readonly #ring: FileRing | undefined;
  #number = 1;
  /** Undefined once closed, and for a FIFO that nobody reads yet. */
  #fd: number | undefined;
  #isNew = true;
  #waits = true;

  constructor(target: string | URL, ring: FileRing | undefined) {
    this.#path = pathOf(target);
    this.#ring = ring;
    const { openSync, statSync } = fileSystem();
    const path = this.#name(this.#number);
    const isFifo = statSync(path, { throwIfNoEntry: false })?.isFIFO();
    if (!isFifo) this.#fd = openSync(path, "w");
  }

  #name(number: number): string {
    return this.#ring === undefined ? this.#path : ringName(this.#path, number);
  }

  async write(bytes: Uint8Array, isBeginning: boolean): Promise<void> {
    this.#fd ??= await openFifo(this.#name(this.#number), () => this.#waits);
    if (isBeginning && !this.#isNew) this.#fd = this.#next(this.#fd);
    this.#isNew = false;
    let written = 0;
    while (written < bytes.length) written += await writeSome(this.#fd, bytes.subarray(written));
  }

  stopWaiting(): void {
    this.#waits = false;
  }

  #next(last: number): number {
    const { openSync, closeSync, rmSync } = fileSystem();
    const fd = openSync(this.#name(++this.#number), "w");
    closeSync(last);
    const oldest = this.#number - (this.#ring?.count ?? this.#number);
    if (oldest >= 1) rmSync(this.#name(oldest), { force: true });
    return fd;
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    // Linux has freed the number even if this fails, as where a quota is exceeded (close(2)).
    this.#fd = undefined;
    if (fd !== undefined) fileSystem().closeSync(fd);
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    fileSystem().write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

/** Milliseconds between two looks whether somebody reads a FIFO. */
const READER_MS = 50;

/**
 * Opens a FIFO once somebody reads it. open(2) would wait for that, and the event loop with it (fifo(7)).
 *
 * @throws the `ENXIO` of a FIFO that nobody reads, once `waits` returns false
 */
async function openFifo(path: string, waits: () => boolean): Promise<number> {
  const { open, openSync, closeSync, constants } = fileSystem();
  for (;;) {
    try {
      const probe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      // Again, because writing to this one would not wait for room. In a thread, because the reader may go meanwhile.
      return await new Promise<number>((resolve, reject) => {
        open(path, "w", (error, fd) => (error ? reject(error) : resolve(fd)));
      }).finally(() => closeSync(probe));
    } catch (error) {
      if ((error as { code?: string }).code !== "ENXIO" || !waits()) throw error;
    }
    await new Promise<void>((resolve) => {
      // A program does not stay for a reader who may never come.
      const timer: { unref?(): void } | number = setTimeout(resolve, READER_MS);
      if (typeof timer === "object") timer.unref?.();
    });
  }
}

class StreamSink implements Sink {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: WritableStream<Uint8Array>) {
    this.#writer = stream.getWriter();
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer.ready;
    // A copy: a stream may keep what it was given longer than the write takes.
    await this.#writer.write(bytes.slice());
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}

/** Standard output, which is not written to as a file is: a slow reader must not hold the event loop. */
class StdoutSink implements Sink {
  readonly #output: StandardOutputWriter = openStandardOutput();

  write(bytes: Uint8Array): Promise<void> {
    return this.#output.write(bytes);
  }

  async close(): Promise<void> {}
}
