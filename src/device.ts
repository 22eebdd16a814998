import type { TunTapError } from "./errors.ts";
import { abortedError, explain, handlerError } from "./failures.ts";
import { checkMtu, checkName, checkTxQueueLength, formatMac, parseMac } from "./options.ts";
import type { Port } from "./port.ts";
import { type Consumer, type Take, takeBatch, takeFrame } from "./receiver.ts";
import { readableOf, writableOf } from "./streams.ts";
import { ETH_ALEN, IFF_UP } from "./sys/constants.ts";
import * as tun from "./sys/tun.ts";
import type { Address, AddressLike, Device, FrameSource, Handlers, LinkStats } from "./types.ts";

const dataHandler: Consumer = { description: "the data handler" };
const receiveCalls: Consumer = { description: "receive()", perCall: true };

/** Closes the ports of devices that were dropped without close(). */
const dropped = new FinalizationRegistry<Port>((port) => port.close());

/** What users hold: every call of the contract, on top of a port. See {@link Device}. */
export class TunTapDevice implements Device {
  readonly #port: Port;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<FrameSource> | undefined;

  constructor(port: Port, handlers: Handlers<TunTapDevice>, signal: AbortSignal | undefined) {
    this.#port = port;
    dropped.register(this, port, port);
    closeOnAbort(port, signal);
    const { data, drain, close } = handlers;
    if (close !== undefined)
      port.onClose((reason) => this.#call("close", handlers, () => close.call(handlers, this, reason)));
    if (drain !== undefined) port.onDrain = () => this.#call("drain", handlers, () => drain.call(handlers, this));
    if (data !== undefined) {
      // Written out: this is the one that is called for every batch.
      port.receiver.pushTo(dataHandler, (frames) => {
        try {
          data.call(handlers, this, frames);
        } catch (cause) {
          this.#threw("data", handlers, cause);
        }
      });
    }
  }

  get kind(): "tun" | "tap" {
    return this.#port.kind;
  }

  get fd(): number {
    return this.#port.fd;
  }

  get closed(): boolean {
    return this.#port.closed;
  }

  get closeReason(): TunTapError | undefined {
    return this.#port.reason;
  }

  get name(): string {
    this.#port.refresh();
    return this.#port.name;
  }

  get index(): number {
    return this.#ask(() => this.#port.link.info().index);
  }

  get mac(): string {
    return formatMac(this.macBytes);
  }

  get macBytes(): Uint8Array {
    return this.#ask(() => (this.kind === "tap" ? tun.getHwaddr(this.fd) : new Uint8Array(ETH_ALEN)));
  }

  get mtu(): number {
    return this.#ask(() => this.#port.link.info().mtu);
  }

  get isUp(): boolean {
    this.#port.refresh();
    return !this.closed && this.#ask(() => (this.#port.link.info().flags & IFF_UP) !== 0);
  }

  send(frame: FrameSource): boolean {
    return this.#port.sender.send(frame);
  }

  sendMany(frames: readonly FrameSource[]): number {
    return this.#port.sender.sendMany(frames);
  }

  async receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | null> {
    return this.#port.receiver.next(receiveCalls, takeFrame, this, options?.signal);
  }

  tryReceive(): Uint8Array | null {
    return this.#port.receiver.takeNow(receiveCalls, takeFrame);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.#iterate({ description: "a for await loop" }, takeFrame);
  }

  batches(): AsyncIterableIterator<Uint8Array[]> {
    return this.#iterate({ description: "batches()" }, takeBatch);
  }

  get readable(): ReadableStream<Uint8Array> {
    const { receiver } = this.#port;
    const consumer = { description: "the readable stream" };
    this.#readable ??= readableOf(
      async () => receiver.next(consumer, takeFrame, this),
      () => {
        receiver.release(consumer);
        this.#readable = undefined;
      },
    );
    return this.#readable;
  }

  get writable(): WritableStream<FrameSource> {
    const { sender } = this.#port;
    this.#writable ??= writableOf(
      (frame) => sender.send(frame),
      () => sender.whenWritable(),
      () => {
        this.#writable = undefined;
      },
    );
    return this.#writable;
  }

  up(): void {
    this.#ask(() => this.#port.link.setUp(true));
  }

  down(): void {
    this.#ask(() => this.#port.link.setUp(false));
  }

  setMtu(bytes: number): void {
    checkMtu(bytes, this.kind);
    this.#ask(() => this.#port.link.setMtu(bytes));
  }

  setMac(mac: string): void {
    const octets = parseMac(mac);
    this.#ask(() => tun.setHwaddr(this.fd, octets));
  }

  setTxQueueLength(frames: number): void {
    checkTxQueueLength(frames);
    this.#ask(() => this.#port.link.setTxQueueLength(frames));
  }

  rename(name: string): void {
    checkName(name, false);
    this.#ask(() => this.#port.link.rename(name));
  }

  addAddress(address: AddressLike): void {
    this.#ask(() => this.#port.link.addAddress(address));
  }

  removeAddress(address: AddressLike): void {
    this.#ask(() => this.#port.link.removeAddress(address));
  }

  addresses(): Address[] {
    return this.#ask(() => this.#port.link.addresses());
  }

  stats(): LinkStats {
    return this.#ask(() => this.#port.link.stats());
  }

  setPersist(on: boolean): void {
    this.#ask(() => tun.setPersist(this.fd, on));
  }

  setCarrier(on: boolean): void {
    this.#ask(() => tun.setCarrier(this.fd, on));
  }

  ref(): void {
    this.#port.setReferenced(true);
  }

  unref(): void {
    this.#port.setReferenced(false);
  }

  close(): void {
    this.#port.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** Asks the kernel about the interface; a device that turns out to be gone is closed. */
  #ask<T>(question: () => T): T {
    const port = this.#port;
    port.assertOpen();
    try {
      return question();
    } catch (error) {
      port.refresh();
      port.assertOpen();
      throw explain(error);
    }
  }

  #iterate<T>(consumer: Consumer, take: Take<T>): AsyncIterableIterator<T> {
    const { receiver } = this.#port;
    let done = false;
    const finish = (): IteratorReturnResult<undefined> => {
      done = true;
      receiver.release(consumer);
      return { done: true, value: undefined };
    };
    return {
      next: async () => {
        const value = done ? null : await receiver.next(consumer, take, this);
        return value === null ? finish() : { done: false, value };
      },
      return: async () => finish(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #call(name: string, handlers: Handlers<TunTapDevice>, handler: () => void): void {
    try {
      handler();
    } catch (cause) {
      this.#threw(name, handlers, cause);
    }
  }

  /** What a handler throws is the error handler's, as on Bun's sockets, or else an uncaught exception. */
  #threw(name: string, { error }: Handlers<TunTapDevice>, cause: unknown): void {
    try {
      if (error === undefined) throw cause;
      error(this, handlerError(name, cause));
    } catch (uncaught) {
      // Not in the middle of what is going on.
      queueMicrotask(() => {
        throw uncaught;
      });
    }
  }
}

/** Not in the constructor: a closure made there would keep the device alive through the signal and the port. */
function closeOnAbort(port: Port, signal: AbortSignal | undefined): void {
  const abort = (): void => port.close(abortedError(signal?.reason));
  signal?.addEventListener("abort", abort, { once: true });
  port.onClose(() => {
    dropped.unregister(port);
    signal?.removeEventListener("abort", abort);
  });
}
