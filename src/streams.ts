/** Web Streams over a device, in which one chunk is one frame. */

import type { FrameSource } from "./types";

/**
 * Reads one frame for each read: a high-water mark of 0 leaves what nobody
 * asked for in the kernel's queue.
 */
export function readableOf(next: () => Promise<Uint8Array | null>, released: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        const frame = await next();
        if (frame === null) controller.close();
        else controller.enqueue(frame);
      },
      cancel: released,
    },
    { highWaterMark: 0 },
  );
}

/** Writes each chunk before it takes the next, and waits while the kernel takes none. */
export function writableOf(
  send: (frame: FrameSource) => boolean,
  whenWritable: () => Promise<void>,
  released: () => void,
): WritableStream<FrameSource> {
  return new WritableStream<FrameSource>({
    async write(frame): Promise<void> {
      while (!send(frame)) await whenWritable();
    },
    close: released,
    abort: released,
  });
}
