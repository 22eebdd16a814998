import type { TunTapError } from "../errors.ts";
import { EAGAIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import type { DeviceCounters, FrameSource } from "./types.ts";

/** Says what a negative errno of write(2) on this device means; ends the device if it is gone. */
export type Refusal = (errno: number, frame: Uint8Array, frameIndex?: number) => TunTapError;

/** How an fd takes frames. */
export interface FrameWriter {
  /** Returns the bytes written, or `-errno`. */
  write(fd: number, frame: Uint8Array): number;
  /**
   * Takes frames, and writes them now or together with those behind them; they
   * have to stay until {@link flush}. Returns how many it took. If one was not
   * taken, its place in `lengths` has `-errno`, and `pending` frames before it
   * were not written either; it is this one that failed if that is 0.
   */
  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number): number;
  /** Writes what is pending, and returns 0; or `-errno`, and `pending` frames were not written. */
  flush(fd: number): number;
  readonly pending: number;
}

/** One write(2) a frame: the driver takes what one call writes as one frame. */
export const plainWriter: FrameWriter = {
  write: (fd, frame) => native().tun_write(fd, frame, frame.byteLength),
  push: (fd, base, offsets, lengths, count) => native().tun_write_many(fd, base, offsets, lengths, count),
  flush: () => 0,
  pending: 0,
};

/** Gives frames to the kernel, in order. */
export class Sender {
  #fd: number;
  readonly #writer: FrameWriter;
  readonly #refusal: Refusal;
  /** Asks for a wake-up when the kernel takes frames again. */
  readonly #want: () => void;
  readonly #waiters: PromiseWithResolvers<void>[] = [];
  /** Is shown what the kernel has taken. */
  onFrames: ((frames: readonly Uint8Array[]) => void) | undefined;
  #blocked = false;
  #frames = 0;
  #bytes = 0;
  #refusals = 0;

  constructor(fd: number, writer: FrameWriter, refusal: Refusal, want: () => void) {
    this.#fd = fd;
    this.#writer = writer;
    this.#refusal = refusal;
    this.#want = want;
  }

  counters(): Pick<DeviceCounters, "framesSent" | "bytesSent" | "refused"> {
    return { framesSent: this.#frames, bytesSent: this.#bytes, refused: this.#refusals };
  }

  /** Whether a frame was not taken, and nobody has been told since that the kernel takes frames again. */
  get blocked(): boolean {
    return this.#blocked;
  }

  send(frame: FrameSource): boolean {
    const bytes = asBytes(frame);
    const result = this.#writer.write(this.#fd, bytes);
    if (result < 0) return this.#refused(result, bytes);
    this.#frames++;
    this.#bytes += bytes.byteLength;
    this.onFrames?.([bytes]);
    return true;
  }

  sendMany(frames: readonly FrameSource[]): number {
    const fd = this.#fd;
    const writer = this.#writer;
    // All of them first: nothing may throw while the writer refers to bytes of frames, and none may be collected.
    const given = allAsBytes(frames);
    let pushed = 0;
    let result = 0;
    while (pushed < given.length && result >= 0) {
      const count = gather(given, pushed);
      const done = writer.push(fd, given[pushed] as Uint8Array, offsets, lengths, count);
      if (done < count) result = lengths[done] as number;
      pushed += done;
    }
    if (result >= 0) result = writer.flush(fd);
    const taken = result < 0 ? pushed - writer.pending : pushed;
    let bytes = 0;
    for (let i = 0; i < taken; i++) bytes += (given[i] as Uint8Array).byteLength;
    this.#frames += taken;
    this.#bytes += bytes;
    if (taken > 0) this.onFrames?.(taken < given.length ? given.slice(0, taken) : given);
    if (result < 0) this.#refused(result, given[taken] as Uint8Array, taken);
    return taken;
  }

  /** Resolves when the kernel takes frames again; rejects when the device closes. */
  whenWritable(): Promise<void> {
    if (!this.#blocked) return Promise.resolve();
    const waiter = Promise.withResolvers<void>();
    this.#waiters.push(waiter);
    return waiter.promise;
  }

  /** The kernel takes frames again. */
  onWritable(): void {
    this.#blocked = false;
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }

  /** The device has closed. */
  end(error: () => TunTapError): void {
    this.#fd = -1;
    this.#blocked = false;
    for (const { reject } of this.#waiters.splice(0)) reject(error());
  }

  /** False if the frame was not taken for now; throws if it never will be. */
  #refused(errno: number, frame: Uint8Array, frameIndex?: number): false {
    if (errno !== -EAGAIN) {
      this.#refusals++;
      throw this.#refusal(errno, frame, frameIndex);
    }
    this.#blocked = true;
    this.#want();
    return false;
  }
}

/** Frames that go into one call of the writer at most. */
const GATHER_MAX = 512;
const offsets = new Int32Array(GATHER_MAX);
const lengths = new Int32Array(GATHER_MAX);

/** Fills `offsets` and `lengths` with frames of one buffer, beginning with the one at `from`; returns how many. */
function gather(frames: readonly Uint8Array[], from: number): number {
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

/** `frames` itself if there is nothing to convert. */
function allAsBytes(frames: readonly FrameSource[]): readonly Uint8Array[] {
  for (let i = 0; i < frames.length; i++) {
    if (frames[i] instanceof Uint8Array) continue;
    const all: Uint8Array[] = [];
    for (const frame of frames) all.push(asBytes(frame));
    return all;
  }
  return frames as readonly Uint8Array[];
}

/** The bytes of a frame, where they lie. */
function asBytes(frame: FrameSource): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  if (ArrayBuffer.isView(frame)) return new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame instanceof ArrayBuffer || frame instanceof SharedArrayBuffer) return new Uint8Array(frame);
  throw new TypeError(
    `A frame must be an ArrayBuffer or a view of one, such as a Uint8Array, got ${Bun.inspect(frame)}`,
  );
}
