import { checkObserver } from "../checks.ts";
import type { TunTapError } from "../errors.ts";
import { type FrameReader, frameBatch, frameCopy, oneFrame } from "../io/frame-reader.ts";
import { HandlerCalls } from "../io/handlers.ts";
import { giveToOwner } from "../io/owner.ts";
import type { Consumer, Take } from "../io/receiver.ts";
import type { DeviceCounters, FrameObserver, FrameSource, OffloadInfo } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import { showByFields } from "../packet/show.ts";
import { tryOrUndefined } from "../rollback.ts";
import type { Attachment } from "./attachment.ts";
import { InterfaceCalls } from "./interface-calls.ts";
import type { Handlers } from "./option-types.ts";
import { checkCallOptions } from "./options.ts";
import type { Device } from "./types.ts";

// Loaded on first use.
const iteration = (): typeof import("../io/iterate.ts") => lazy(() => require("../io/iterate.ts"));
const streams = (): typeof import("./streams.ts") => lazy(() => require("./streams.ts"));
// Loaded by showing a device.
const summary = (): typeof import("./summary.ts") => lazy(() => require("./summary.ts"));

const dataHandler: Consumer = { description: "the data handler" };
const receiveCalls: Consumer = { description: "receive()", perCall: true };

/** The device that users hold: frames and life cycle here, calls about the interface in {@link InterfaceCalls}. See {@link Device}. */
export class TunTapDevice extends InterfaceCalls implements Device {
  static {
    showByFields(TunTapDevice.prototype, "Device");
  }

  readonly #attachment: Attachment;
  readonly #calls: HandlerCalls<TunTapDevice>;
  /** Takes one frame that is never overwritten, because several calls may wait at once. */
  readonly #single: Take<FrameReader, Uint8Array>;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<FrameSource> | undefined;

  constructor(attachment: Attachment, handlers: Handlers<TunTapDevice>, signal: AbortSignal | undefined) {
    super(attachment);
    const calls = new HandlerCalls<TunTapDevice>(this, handlers);
    this.#attachment = attachment;
    this.#calls = calls;
    this.#single = attachment.reusesBuffers ? frameCopy : oneFrame;
    const { data, drain, change, close } = handlers;
    if (close !== undefined) {
      attachment.onClose((reason) => calls.call("close", () => close.call(handlers, this, reason)));
    }
    if (drain !== undefined) attachment.onDrain = () => calls.call("drain", () => drain.call(handlers, this));
    attachment.sender.onRefused = calls.onError;
    if (change !== undefined) {
      attachment.monitor.add({
        change: (what) => calls.call("change", () => change.call(handlers, this, what)),
        end: () => {},
      });
    }
    if (data !== undefined) {
      // Not through `calls.call()`: this handler is called for every batch.
      attachment.receiver.pushTo(dataHandler, (frames) => {
        try {
          data.call(handlers, this, frames);
        } catch (cause) {
          calls.threw("data", cause);
        }
      });
    }
    giveToOwner(this, attachment, signal);
  }

  get kind(): "tun" | "tap" {
    return this.#attachment.kind;
  }

  get fd(): number {
    return this.#attachment.fd;
  }

  get closed(): boolean {
    return this.#attachment.closed;
  }

  get offload(): OffloadInfo | undefined {
    return this.#attachment.offload;
  }

  get packetInfo(): boolean {
    return this.#attachment.packetInfo;
  }

  get closeReason(): TunTapError | undefined {
    return this.#attachment.reason;
  }

  observe(observer: FrameObserver): Disposable {
    this.#attachment.assertOpen();
    checkObserver(observer, "frames");
    const { frames, close } = observer;
    return this.#attachment.observers.add({
      frames: (passing, direction) => this.#calls.call("observer", () => frames.call(observer, passing, direction)),
      close: () => this.#calls.call("observer", () => close?.call(observer)),
    });
  }

  send(frame: FrameSource): boolean {
    return this.#attachment.sender.send(frame);
  }

  sendMany(frames: readonly FrameSource[]): number {
    return this.#attachment.sender.sendMany(frames);
  }

  async receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | null> {
    if (options !== undefined) checkCallOptions(options, "signal");
    return this.#attachment.receiver.next(receiveCalls, this.#single, this, options?.signal);
  }

  tryReceive(): Uint8Array | null {
    return this.#attachment.receiver.takeNow(receiveCalls, oneFrame);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.#iterate({ description: "a for await loop" }, oneFrame);
  }

  batches(): AsyncIterableIterator<Uint8Array[]> {
    return this.#iterate({ description: "batches()" }, frameBatch);
  }

  get readable(): ReadableStream<Uint8Array> {
    const { receiver } = this.#attachment;
    const consumer = { description: "the readable stream" };
    this.#readable ??= streams().readableOf(
      async () => receiver.next(consumer, this.#single, this),
      () => {
        receiver.release(consumer);
        this.#readable = undefined;
      },
    );
    return this.#readable;
  }

  get writable(): WritableStream<FrameSource> {
    const { sender } = this.#attachment;
    this.#writable ??= streams().writableOf(
      (frame) => sender.sendMany([frame]) === 1,
      () => sender.whenWritable(),
      () => {
        this.#writable = undefined;
      },
    );
    return this.#writable;
  }

  counters(): DeviceCounters {
    return this.#attachment.counters();
  }

  /** Returns the facts that `console.log` and `JSON.stringify` show. */
  toJSON(): Record<string, unknown> {
    const { kind, name } = this.#attachment;
    // The module cannot be loaded where no fd is left, which is when a program may want to show what it has.
    return tryOrUndefined(() => summary().summaryOf(this.#attachment)) ?? { kind, name };
  }

  ref(): void {
    this.#attachment.setReferenced(true);
  }

  unref(): void {
    this.#attachment.setReferenced(false);
  }

  close(): void {
    this.#attachment.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#attachment.closeInThread();
  }

  #iterate<T>(consumer: Consumer, take: Take<FrameReader, T>): AsyncIterableIterator<T> {
    const { receiver, reusesBuffers } = this.#attachment;
    return iteration().iterate(receiver, consumer, take, this, reusesBuffers);
  }
}
