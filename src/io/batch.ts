/** Frames as users give them, taken apart for a call of C. */

import type { FrameSource } from "./types.ts";

/** Frames that go into one call of a writer at most. */
const GATHER_MAX = 512;
/** Where the frames of one call begin, from the first byte of the first one. */
export const offsets: Int32Array = new Int32Array(GATHER_MAX);
/** How long they are; a call that fails leaves `-errno` here. */
export const lengths: Int32Array = new Int32Array(GATHER_MAX);

/** Fills {@link offsets} and {@link lengths} with frames of one buffer, beginning with the one at `from`; returns how many. */
export function gather(frames: readonly Uint8Array[], from: number): number {
  const first = frames[from] as Uint8Array;
  const base = first.byteOffset;
  offsets[0] = 0;
  lengths[0] = first.byteLength;
  if (!isInside(first)) return 1;
  const { buffer } = first;
  const end = Math.min(frames.length - from, GATHER_MAX);
  let count = 1;
  for (; count < end; count++) {
    const frame = frames[from + count] as Uint8Array;
    const offset = frame.byteOffset - base;
    if (!isInside(frame) || frame.buffer !== buffer || offset !== (offset | 0)) break;
    offsets[count] = offset;
    lengths[count] = frame.byteLength;
  }
  return count;
}

/** Whether it begins inside a buffer: a small array has none, and would get one by being asked for it, which is slow. */
function isInside(frame: Uint8Array): boolean {
  return frame.byteOffset > 0 && frame.byteLength > 0;
}

/** Returns `frames` itself if there is nothing to convert. */
export function allAsBytes(frames: readonly FrameSource[]): readonly Uint8Array[] {
  for (let i = 0; i < frames.length; i++) {
    if (frames[i] instanceof Uint8Array) continue;
    const all: Uint8Array[] = [];
    for (const frame of frames) all.push(asBytes(frame));
    return all;
  }
  return frames as readonly Uint8Array[];
}

/** Returns the bytes of a frame, where they lie. */
export function asBytes(frame: FrameSource): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  if (ArrayBuffer.isView(frame)) return new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame instanceof ArrayBuffer || frame instanceof SharedArrayBuffer) return new Uint8Array(frame);
  throw new TypeError(
    `A frame must be an ArrayBuffer or a view of one, such as a Uint8Array, got ${Bun.inspect(frame)}`,
  );
}
