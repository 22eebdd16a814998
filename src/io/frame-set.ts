import { gather, type KnownViews } from "./batch.ts";

/** Frames to be sent in one call. */
export interface FrameSet {
  readonly count: number;
  /**
   * Fills `offsets`, `lengths` and `gathered` of batch.ts with the frames from number `from` on that one call of a
   * writer takes; returns how many. The offsets count from the first byte of {@link base}.
   */
  gather(from: number): number;
  /** The memory from which the frames that were gathered last are counted. */
  readonly base: Uint8Array;
  /** Returns a view of each frame. */
  frames(): readonly Uint8Array[];
  /**
   * Has the batch, of which the first ones written are done, count frames in the order in which they were given; for
   * frames that are written in another one. Returns the places of those that are to be written still, although later
   * ones are.
   */
  settle?(batch: Batch): readonly number[];
}

/** Frames that were given as views. */
export class FrameList implements FrameSet {
  readonly #frames: readonly Uint8Array[];
  readonly #known: KnownViews;
  /** The first of the frames that were gathered last: a list may be a Proxy, which has another one the next time. */
  #first: Uint8Array | undefined;

  constructor(frames: readonly Uint8Array[], known: KnownViews) {
    this.#frames = frames;
    this.#known = known;
  }

  get count(): number {
    return this.#frames.length;
  }

  gather(from: number): number {
    const frames = this.#frames;
    const first = frames[from] as Uint8Array;
    this.#first = first;
    return gather(first, frames, from, this.#known);
  }

  get base(): Uint8Array {
    return this.#first as Uint8Array;
  }

  frames(): readonly Uint8Array[] {
    return this.#frames;
  }
}

/** The frames of one call, and the progress with them. */
export class Batch {
  readonly given: FrameSet;
  /** The number of first frames that have been taken or refused for good. */
  done = 0;
  /** The bytes of all frames that have been gathered for the writer. */
  bytes = 0;
  /** The places of the refused frames, in order. */
  refused: number[] = [];
  /** The frame that was refused first. */
  first: { readonly place: number; readonly errno: number } | undefined;

  constructor(given: FrameSet) {
    this.given = given;
  }

  /** Notes that a frame was refused. */
  refuse(place: number, errno: number): void {
    this.first ??= { place, errno };
    this.refused.push(place);
  }

  /** Tells whether every frame was taken. */
  get isAllTaken(): boolean {
    return this.refused.length === 0 && this.done === this.given.count;
  }

  /** Lists the frames that were taken. */
  taken(): readonly Uint8Array[] {
    const frames = this.given.frames();
    return this.isAllTaken ? frames : frames.slice(0, this.done).filter(isNotIn(this.refused));
  }
}

/** Sums up the lengths of frames. */
export function bytesOf(frames: readonly Uint8Array[]): number {
  return frames.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isNotIn(places: readonly number[]): (frame: Uint8Array, place: number) => boolean {
  let next = 0;
  return (_, place) => {
    if (places[next] !== place) return true;
    next++;
    return false;
  };
}
