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

/** Targets of a capture: a path, a URL of a file, or anything that bytes can be written to. */
export type CaptureTarget = string | URL | WritableStream<Uint8Array> | StandardOutput;

/** Destination of the bytes of a capture. */
export interface Sink {
  /**
   * Resolves when `bytes` may be used again. `isFile`: it is the beginning of a file, of which there may be several.
   */
  write(bytes: Uint8Array, isBeginning: boolean): Promise<void>;
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
  #fd: number;
  #isNew = true;

  constructor(target: string | URL, ring: FileRing | undefined) {
    this.#path = pathOf(target);
    this.#ring = ring;
    this.#fd = fileSystem().openSync(this.#name(this.#number), "w");
  }

  #name(number: number): string {
    return this.#ring === undefined ? this.#path : ringName(this.#path, number);
  }

  async write(bytes: Uint8Array, isBeginning: boolean): Promise<void> {
    if (isBeginning && !this.#isNew) this.#next();
    this.#isNew = false;
    let written = 0;
    while (written < bytes.length) written += await this.#writeSome(bytes.subarray(written));
  }

  #writeSome(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      fileSystem().write(this.#fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
    });
  }

  #next(): void {
    const { openSync, closeSync, rmSync } = fileSystem();
    const fd = openSync(this.#name(++this.#number), "w");
    closeSync(this.#fd);
    this.#fd = fd;
    const oldest = this.#number - (this.#ring?.count ?? this.#number);
    if (oldest >= 1) rmSync(this.#name(oldest), { force: true });
  }

  async close(): Promise<void> {
    fileSystem().closeSync(this.#fd);
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
