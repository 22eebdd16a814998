/** Web Streams over a device, in which one chunk is one frame. */

import type { FrameSource } from "../io/types.ts";

/**
 * Makes a stream that reads one frame for each read: a high-water mark of 0 leaves all other frames in the kernel's
 * queue.
 *
 * @param ended Called when the stream is cancelled or fails: it cannot be used any more.
 */
export function readableOf(next: () => Promise<Uint8Array | null>, ended: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        const frame = await next().catch(endedBy(ended));
        if (frame === null) controller.close();
        else controller.enqueue(frame);
      },
      cancel: ended,
    },
    { highWaterMark: 0 },
  );
}

/**
 * Makes a stream that writes each chunk before it takes the next, and waits while the kernel takes none.
 *
 * @param ended Called when the stream is closed or aborted, or fails.
 */
export function writableOf(
  send: (frame: FrameSource) => boolean,
  whenWritable: () => Promise<void>,
  ended: () => void,
): WritableStream<FrameSource> {
  const write = async (frame: FrameSource): Promise<void> => {
    while (!send(frame)) await whenWritable();
  };
  return new WritableStream<FrameSource>({
    write: (frame) => write(frame).catch(endedBy(ended)),
    close: ended,
    abort: ended,
  });
}

function endedBy(ended: () => void): (error: unknown) => never {
  return (error) => {
    ended();
    throw error;
  };
}
