/** The frames of a call of `send` or `sendMany` as arguments for C: one buffer, with offsets and lengths. */

import type { FrameSource } from "./types.ts";

/** The most frames in one call of a writer. */
export const GATHER_MAX: number = 512;
/** The most views of one batch that are known: the largest batch of a reader. */
const KNOWN_MAX = 2048;
/** The places at which the frames of one call begin, from the first byte of the first one. */
export const offsets: Int32Array = new Int32Array(GATHER_MAX);
/** The lengths of the frames; a call that fails leaves `-errno` here. */
export const lengths: Int32Array = new Int32Array(GATHER_MAX);
/** The sum of the lengths. */
export const gathered: { bytes: number } = { bytes: 0 };

/**
 * The views that a sender was given the last time, and where they lie. A reader that reuses its buffers gives the same
 * views again and again, and asking a view about itself costs more than everything else that is done for a frame here.
 */
export class KnownViews {
  /** The buffer of all known views. Its length does not change, or they would not stay as they are. */
  #buffer: ArrayBufferLike | undefined;
  /** The first view of the last batch. Views are remembered only once they come again. */
  #first: Uint8Array | undefined;
  #isAgain = false;
  readonly #views: Uint8Array[] = [];
  #starts: Int32Array = none;
  #sizes: Int32Array = none;

  /**
   * Fills {@link offsets} and {@link lengths} with known views, from `first`, which is the one at `from`, up to `end`;
   * returns how many. Each has to be in the place that it had the last time.
   */
  fill(first: Uint8Array, frames: readonly Uint8Array[], from: number, end: number): number {
    const views = this.#views;
    if (from >= views.length || first !== views[from]) return 0;
    const starts = this.#starts;
    const sizes = this.#sizes;
    const base = starts[from] as number;
    let i = from;
    let bytes = 0;
    do {
      const size = sizes[i] as number;
      offsets[i - from] = (starts[i] as number) - base;
      lengths[i - from] = size;
      bytes += size;
      i++;
    } while (i < end && i < views.length && frames[i] === views[i]);
    // Asked last, because a list may be a Proxy. The views of a buffer that was transferred are empty.
    gathered.bytes = bytes;
    const isSame = ask(byteOffsetOf, first) === base && ask(byteLengthOf, first) === sizes[from];
    return isSame ? i - from : 0;
  }

  /** Prepares for frames of a batch that are not known, which begin with `first` at `from`. */
  begin(first: Uint8Array, from: number, buffer: ArrayBufferLike): void {
    if (buffer !== this.#buffer) {
      this.#views.length = 0;
      this.#buffer = buffer;
    }
    if (from > 0) return;
    this.#isAgain = first === this.#first && hasFixedLength(buffer);
    this.#first = first;
  }

  /** Remembers the view at `place` of a batch, which lies within the buffer. */
  add(place: number, view: Uint8Array, start: number, size: number): void {
    const views = this.#views;
    if (!this.#isAgain || place > views.length || place >= KNOWN_MAX) return;
    if (this.#starts === none) {
      this.#starts = new Int32Array(KNOWN_MAX);
      this.#sizes = new Int32Array(KNOWN_MAX);
    }
    views[place] = view;
    this.#starts[place] = start;
    this.#sizes[place] = size;
  }
}

const none = new Int32Array(0);

/**
 * Fills {@link offsets} and {@link lengths} with frames of one buffer, from
 * `first`, which is the one at `from`, on; returns how many. All of them lie
 * within the memory of the first one's buffer, whatever the getters of their
 * views say and do: only the first one is asked by the engine's own getters,
 * which cost more. Frames of an earlier call, to which a writer may still
 * refer, are not looked at again: a getter that frees their memory is not found
 * out.
 *
 * @throws {TypeError} if the first is no Uint8Array, although it looks like one
 */
export function gather(first: Uint8Array, frames: readonly Uint8Array[], from: number, known: KnownViews): number {
  const end = Math.min(frames.length, from + GATHER_MAX);
  return known.fill(first, frames, from, end) || gatherOthers(first, frames, from, end, known);
}

function gatherOthers(
  first: Uint8Array,
  frames: readonly Uint8Array[],
  from: number,
  end: number,
  known: KnownViews,
): number {
  const length = lengthOf(first);
  const base = ask(byteOffsetOf, first);
  offsets[0] = 0;
  lengths[0] = length;
  gathered.bytes = length;
  // A small array has no buffer of its own yet. Asking for it creates one, which is slow.
  if (base === 0 || length === 0) return gatherSame(first, frames, from, end);
  const buffer = ask(bufferOf, first);
  const room = buffer.byteLength - base;
  known.begin(first, from, buffer);
  known.add(from, first, base, length);
  let count = 1;
  for (; from + count < end; count++) {
    const frame = frames[from + count] as Uint8Array;
    const size = frame.byteLength;
    const start = frame.byteOffset;
    const offset = start - base;
    if (!(size > 0 && start > 0) || offset !== (offset | 0)) break;
    if (!(offset >= -base && offset + size <= room) || frame.buffer !== buffer) break;
    known.add(from + count, frame, start, size);
    offsets[count] = offset;
    lengths[count] = size;
    gathered.bytes += size;
  }
  if (end - from === 1) return 1;
  // The engine is asked last, because a getter of another view may have transferred or shrunk the buffer.
  return bytesIn(buffer) - base >= room ? count : gatherFirst(first);
}

/** Gathers one frame alone; returns 1. */
function gatherFirst(first: Uint8Array): number {
  offsets[0] = 0;
  lengths[0] = lengthOf(first);
  gathered.bytes = lengths[0];
  return 1;
}

/** Goes on with the first frame as often as it comes again: the same bytes for many peers. */
function gatherSame(first: Uint8Array, frames: readonly Uint8Array[], from: number, end: number): number {
  const length = lengths[0] as number;
  let count = 1;
  for (; from + count < end && frames[from + count] === first; count++) {
    offsets[count] = 0;
    lengths[count] = length;
  }
  // Only a list that is a Proxy can have changed it meanwhile.
  if (ask(byteLengthOf, first) !== length) return gatherFirst(first);
  gathered.bytes = count * length;
  return count;
}

/** Returns the places of frames of these lengths that lie one behind the other. */
export function placesOf(lengths: Int32Array): Int32Array {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return end - length;
  });
}

/** Returns the engine's own getter of a property. */
function getterOf<O extends object, T>(prototype: O, name: keyof O): (this: O) => T {
  return Object.getOwnPropertyDescriptor(prototype, name)?.get as (this: O) => T;
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
const byteLengthOf = getterOf<Uint8Array, number>(typedArray, "byteLength");
const byteOffsetOf = getterOf<Uint8Array, number>(typedArray, "byteOffset");
const bufferOf = getterOf<Uint8Array, ArrayBufferLike>(typedArray, "buffer");

const resizableOf = getterOf<ArrayBuffer, boolean>(ArrayBuffer.prototype, "resizable");
const bytesOfBuffer = getterOf<ArrayBuffer, number>(ArrayBuffer.prototype, "byteLength");
const bytesOfShared = getterOf<SharedArrayBuffer, number>(SharedArrayBuffer.prototype, "byteLength");

/** Returns the length of a buffer, whatever properties of its own say. */
function bytesIn(buffer: ArrayBufferLike): number {
  return buffer instanceof ArrayBuffer ? bytesOfBuffer.call(buffer) : bytesOfShared.call(buffer);
}

/** Tells whether it is an ArrayBuffer whose views stay as they are until it is transferred. */
function hasFixedLength(buffer: ArrayBufferLike): boolean {
  return buffer instanceof ArrayBuffer && !resizableOf.call(buffer);
}

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
