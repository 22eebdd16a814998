import type { TunTapError } from "./errors.ts";
import type { DeviceCounters } from "./link-types.ts";
import { EAGAIN } from "./sys/constants.ts";
import { native } from "./sys/native.ts";
import type { FrameSource } from "./types.ts";

/** Says what a negative errno of write(2) on this device means; ends the device if it is gone. */
export type Refusal = (errno: number, frame: Uint8Array, frameIndex?: number) => TunTapError;

/** Gives frames to the kernel, one write(2) each: the driver takes what one call writes as one frame. */
export class Sender {
  #fd: number;
  readonly #refusal: Refusal;
  /** Asks for a wake-up when the kernel takes frames again. */
  readonly #want: () => void;
  readonly #waiters: PromiseWithResolvers<void>[] = [];
  #blocked = false;
  #frames = 0;
  #bytes = 0;
  #refusals = 0;

  constructor(fd: number, refusal: Refusal, want: () => void) {
    this.#fd = fd;
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
    const result = native().tun_write(this.#fd, bytes, bytes.byteLength);
    if (result < 0) return this.#refused(result, bytes);
    this.#frames++;
    this.#bytes += result;
    return true;
  }

  sendMany(frames: readonly FrameSource[]): number {
    const { tun_write } = native();
    const fd = this.#fd;
    for (let i = 0; i < frames.length; i++) {
      const bytes = asBytes(frames[i] as FrameSource);
      const result = tun_write(fd, bytes, bytes.byteLength);
      if (result < 0 && !this.#refused(result, bytes, i)) return i;
      this.#frames++;
      this.#bytes += result;
    }
    return frames.length;
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

/** The bytes of a frame, where they lie. */
function asBytes(frame: FrameSource): Uint8Array {
  if (frame instanceof Uint8Array) return frame;
  if (ArrayBuffer.isView(frame)) return new Uint8Array(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame instanceof ArrayBuffer || frame instanceof SharedArrayBuffer) return new Uint8Array(frame);
  throw new TypeError(
    `A frame must be an ArrayBuffer or a view of one, such as a Uint8Array, got ${Bun.inspect(frame)}`,
  );
}
