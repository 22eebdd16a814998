/** The frames of a call of `send` or `sendMany` as arguments for C: one buffer, with offsets and lengths. */

import type { FrameSource } from "./types.ts";

/** The most frames in one call of a writer. */
const GATHER_MAX = 512;
/** Where the frames of one call begin, from the first byte of the first one. */
export const offsets: Int32Array = new Int32Array(GATHER_MAX);
/** The lengths of the frames; a call that fails leaves `-errno` here. */
export const lengths: Int32Array = new Int32Array(GATHER_MAX);

/**
 * The last views that a sender was given. A reader that reuses its buffers gives the same views again and again, and
 * asking a view for its buffer costs more than everything else that is done for a frame here.
 */
export class KnownViews {
  #buffer: ArrayBufferLike | undefined;
  #first: Uint8Array | undefined;
  readonly #views: Uint8Array[] = [];

  /** Prepares for frames that begin with `first`. Views are remembered only once they come again. */
  begin(first: Uint8Array, buffer: ArrayBufferLike): boolean {
    if (buffer !== this.#buffer) {
      this.#views.length = 0;
      this.#buffer = buffer;
    }
    const isAgain = first === this.#first;
    this.#first = first;
    if (isAgain) this.#views[0] = first;
    return isAgain;
  }

  /** Returns whether number `i` was this view of the same buffer the last time. */
  has(i: number, view: Uint8Array): boolean {
    return this.#views[i] === view;
  }

  add(i: number, view: Uint8Array): void {
    if (i <= this.#views.length) this.#views[i] = view;
  }
}

/**
 * Fills {@link offsets} and {@link lengths} with frames of one buffer, from
 * the one at `from` on; returns how many. All of them lie within the memory of
 * the first one's buffer, whatever the getters of their views say: only the
 * first one is asked by the engine's own getters, which cost more.
 *
 * @throws {TypeError} if the first is no Uint8Array, although it looks like one
 */
export function gather(frames: readonly Uint8Array[], from: number, known: KnownViews): number {
  const first = frames[from] as Uint8Array;
  const base = ask(byteOffsetOf, first);
  offsets[0] = 0;
  lengths[0] = lengthOf(first);
  // A small array has no buffer of its own yet. Asking for it creates one, which is slow.
  if (base === 0 || lengths[0] === 0) return 1;
  const buffer = ask(bufferOf, first);
  const room = buffer.byteLength - base;
  const end = Math.min(frames.length - from, GATHER_MAX);
  const isAgain = known.begin(first, buffer);
  let count = 1;
  for (; count < end; count++) {
    const frame = frames[from + count] as Uint8Array;
    const length = frame.byteLength;
    const offset = frame.byteOffset - base;
    if (!(length > 0 && frame.byteOffset > 0) || offset !== (offset | 0)) break;
    if (!(offset >= -base && offset + length <= room)) break;
    if (!isAgain) {
      if (frame.buffer !== buffer) break;
    } else if (!known.has(count, frame)) {
      if (frame.buffer !== buffer) break;
      known.add(count, frame);
    }
    offsets[count] = offset;
    lengths[count] = length;
  }
  return count;
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const getter = <T>(name: string): ((this: Uint8Array) => T) =>
  Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: Uint8Array) => T;
const byteLengthOf = getter<number>("byteLength");
const byteOffsetOf = getter<number>("byteOffset");
const bufferOf = getter<ArrayBufferLike>("buffer");

/** Asks the engine itself: a property or Proxy of the user cannot intervene. */
function ask<T>(question: (this: Uint8Array) => T, frame: Uint8Array): T {
  try {
    return question.call(frame);
  } catch {
    throw notAFrame(frame);
  }
}

const FRAME_MAX = 0x7fff_ffff;

/** Returns the length of a frame in bytes. @throws {RangeError} if C could not count it */
export function lengthOf(frame: Uint8Array): number {
  const length = ask(byteLengthOf, frame);
  if (length > FRAME_MAX) throw new RangeError(`A frame must be shorter than 2 GiB, got ${length} bytes`);
  return length;
}

/** Returns `frames` itself if there is nothing to convert. @throws {TypeError} if it is no array of frames */
export function allAsBytes(frames: readonly FrameSource[]): readonly Uint8Array[] {
  if (!Array.isArray(frames)) {
    throw new TypeError(`"frames" must be an array of frames, got ${describe(frames)}`);
  }
  for (let i = 0; i < frames.length; i++) {
    if (frames[i] instanceof Uint8Array) continue;
    const all: Uint8Array[] = [];
    for (const frame of frames) all.push(asBytes(frame));
    return all;
  }
  return frames as readonly Uint8Array[];
}

/** Returns the bytes of a frame without copying them. */
export function asBytes(frame: FrameSource): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  if (ArrayBuffer.isView(frame)) return new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame instanceof ArrayBuffer || frame instanceof SharedArrayBuffer) return new Uint8Array(frame);
  throw notAFrame(frame);
}

function notAFrame(value: unknown): TypeError {
  return new TypeError(`A frame must be an ArrayBuffer or a view of one, such as a Uint8Array, got ${describe(value)}`);
}

/** Shows a value, but not all bytes of a large one. */
function describe(value: unknown): string {
  const text = Bun.inspect(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
