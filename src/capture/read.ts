import { wrongType } from "./checks.ts";
import { BlockReader, type CapturedFrame } from "./reader.ts";
import { readFile } from "./runtime.ts";

/**
 * The frames of a capture that is in memory, in the order of the file, as views of it.
 *
 * @throws {CaptureError} at the first bytes that are no pcapng; the frames before them have been returned
 */
export function* parseCapture(bytes: Uint8Array): Generator<CapturedFrame> {
  if (!(bytes instanceof Uint8Array)) throw wrongType("bytes", bytes, "a Uint8Array");
  const reader = new BlockReader();
  yield* reader.push(bytes);
  reader.end();
}

/**
 * The frames of a capture file, or of a stream, one after the other: a file may
 * be longer than memory is large. Reads pcapng of both byte orders, from any
 * program; of its blocks, packets and interfaces.
 *
 * @param source a path, or a stream, such as `Bun.stdin.stream()`
 * @throws {CaptureError} at the first bytes that are no pcapng; the frames before them have been returned
 * @throws what opening the file throws
 */
export async function* readCapture(
  source: string | URL | ReadableStream<Uint8Array>,
): AsyncGenerator<CapturedFrame, void, undefined> {
  if (typeof source !== "string" && !(source instanceof URL) && !(source instanceof ReadableStream)) {
    throw wrongType("source", source, "a path, a URL or a ReadableStream");
  }
  const stream = source instanceof ReadableStream ? source : readFile(source);
  const reader = new BlockReader();
  for await (const chunk of stream) yield* reader.push(chunk);
  reader.end();
}
