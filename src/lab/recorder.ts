import { buildCapture, LinkType } from "../capture/index.ts";
import { describe } from "../packet/index.ts";

/** Frames that are kept of each link. */
const COUNT = 256;
/** Bytes that are kept of each link. */
const BYTES = 256 * 1024;
/** Room at first: it doubles while frames find none. */
const FIRST_BYTES = 16 * 1024;

/** The last frames of a link, as they were sent. They are copied one behind the other into a ring. */
export class Recorder {
  readonly #name: string;
  #ring: Uint8Array = new Uint8Array(0);
  readonly #starts: number[] = new Array(COUNT).fill(0);
  readonly #lengths: number[] = new Array(COUNT).fill(0);
  readonly #times: number[] = new Array(COUNT).fill(0);
  readonly #ways: boolean[] = new Array(COUNT).fill(true);
  /** Frames that were ever kept; the newest is at (#count - 1) % COUNT. */
  #count = 0;
  /** The place of the next frame. */
  #end = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Keeps the last of `frames`; `now` is in microseconds. */
  keep(frames: readonly Uint8Array[], isForward: boolean, now: number): void {
    for (let i = Math.max(0, frames.length - COUNT / 4); i < frames.length; i++) {
      const frame = frames[i] as Uint8Array;
      const at = this.#roomFor(frame.length);
      this.#ring.set(frame, at);
      const index = this.#count++ % COUNT;
      this.#starts[index] = at;
      this.#lengths[index] = frame.length;
      this.#times[index] = now;
      this.#ways[index] = isForward;
      this.#end = at + frame.length;
    }
  }

  /** A pcapng file: forward is outbound. */
  pcapng(): Uint8Array {
    const startNs = BigInt(Date.now()) * 1_000_000n - BigInt(Bun.nanoseconds());
    const frames = this.#kept().map(({ frame, isForward, time }) => ({
      frame,
      direction: isForward ? ("outbound" as const) : ("inbound" as const),
      timestampNs: startNs + BigInt(Math.round(time * 1000)),
      dropped: 0,
    }));
    return buildCapture({ name: this.#name, linkType: LinkType.ETHERNET }, frames);
  }

  /** A line for each frame: milliseconds since the first, direction, description. */
  text(forward: string, back: string): string {
    const kept = this.#kept();
    const start = kept[0]?.time ?? 0;
    return kept
      .map(({ frame, isForward, time }) => {
        const ms = ((time - start) / 1000).toFixed(3).padStart(10);
        return `${ms} ${isForward ? forward : back}: ${describe(frame, "tap")}\n`;
      })
      .join("");
  }

  #kept(): { frame: Uint8Array; isForward: boolean; time: number }[] {
    const found = [];
    // From the newest back, as long as no newer one was written over it.
    let used = 0;
    let before = this.#end;
    for (let n = this.#count - 1; n >= 0 && n > this.#count - 1 - COUNT; n--) {
      const index = n % COUNT;
      const [start, length] = [this.#starts[index] as number, this.#lengths[index] as number];
      used += start + length <= before ? before - start : before + this.#ring.length - start;
      if (used > this.#ring.length) break;
      before = start;
      const frame = this.#ring.slice(start, start + length);
      found.push({ frame, isForward: this.#ways[index] === true, time: this.#times[index] as number });
    }
    return found.reverse();
  }

  /** Returns where a frame goes: behind the last one, or at the beginning. */
  #roomFor(length: number): number {
    if (this.#end + length <= this.#ring.length) return this.#end;
    if (this.#ring.length < BYTES) {
      const ring = new Uint8Array(Math.max(FIRST_BYTES, this.#ring.length * 2, this.#ring.length + length));
      ring.set(this.#ring);
      this.#ring = ring;
      return this.#roomFor(length);
    }
    return 0;
  }
}
