/** The last frames of a client that is between two hubs. */

/** Limits of {@link HeldFrames}. */
export interface HeldFramesLimits {
  readonly framesMax: number;
  readonly bytesMax: number;
}

const LIMITS: HeldFramesLimits = { framesMax: 256, bytesMax: 256 * 1024 };

/** Keeps copies of the last frames; older ones make room: TCP sends again what matters. */
export class HeldFrames {
  readonly #limits: HeldFramesLimits;
  #frames: Uint8Array[] = [];
  #bytes = 0;

  constructor(limits: HeldFramesLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Adds frames. @returns how many frames, of these and of those before, are dropped for want of room */
  add(frames: readonly Uint8Array[]): number {
    const { framesMax, bytesMax } = this.#limits;
    let dropped = 0;
    for (const frame of frames) {
      this.#frames.push(frame.slice());
      this.#bytes += frame.length;
      while (this.#frames.length > framesMax || this.#bytes > bytesMax) {
        this.#bytes -= this.#frames.shift()?.length ?? 0;
        dropped++;
      }
    }
    return dropped;
  }

  /** Removes and returns all frames, in order. */
  takeAll(): Uint8Array[] {
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }
}
