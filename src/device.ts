import type { TunTapError } from "./errors.ts";
import { abortedError, explain, handlerError } from "./failures.ts";
import type { TxFilterOptions } from "./filters.ts";
import type { Link } from "./link.ts";
import type {
  Address,
  AddressLike,
  DeviceCounters,
  InterfaceInfo,
  LinkChange,
  LinkStats,
  NetnsLike,
  Route,
  RouteLike,
} from "./link-types.ts";
import { formatMac, interfaceInfo } from "./netlink/link.ts";
import { checkNetns } from "./netns.ts";
import {
  checkAlias,
  checkBoolean,
  checkCallOptions,
  checkFd,
  checkId,
  checkMaster,
  checkMtu,
  checkName,
  checkTxQueueLength,
  DEFAULT_PATH,
  parseMac,
} from "./options.ts";
import type { Port } from "./port.ts";
import { type Consumer, type Take, type Taken, takeBatch, takeFrame } from "./receiver.ts";
import { assertOwned } from "./settings.ts";
import { readableOf, writableOf } from "./streams.ts";
import { ETH_ALEN, IFF_ALLMULTI, IFF_MULTICAST, IFF_PROMISC } from "./sys/constants.ts";
import { loading } from "./sys/native.ts";
import * as tun from "./sys/tun.ts";
import type { Device, FrameSource, Handlers, OffloadInfo, Queue, TapObserver } from "./types.ts";

const dataHandler: Consumer = { description: "the data handler" };
const receiveCalls: Consumer = { description: "receive()", perCall: true };

// What most programs do not use is loaded when it is: every module that is loaded costs some 0.2 ms.
const changes = (): typeof import("./changes.ts") => loading(() => require("./changes.ts"));
const filters = (): typeof import("./filters.ts") => loading(() => require("./filters.ts"));
const queues = (): typeof import("./queue.ts") => loading(() => require("./queue.ts"));
const usable = (): typeof import("./usable.ts") => loading(() => require("./usable.ts"));

/** Closes the ports of devices that were dropped without close(). */
const dropped = new FinalizationRegistry<Port>((port) => port.close());

/** What users hold: every call of the contract, on top of a port. See {@link Device}. */
export class TunTapDevice implements Device {
  readonly #port: Port;
  readonly #handlers: Handlers<TunTapDevice>;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<FrameSource> | undefined;

  constructor(port: Port, handlers: Handlers<TunTapDevice>, signal: AbortSignal | undefined) {
    this.#port = port;
    this.#handlers = handlers;
    dropped.register(this, port, port);
    closeOnAbort(port, signal);
    const { data, drain, change, close } = handlers;
    if (close !== undefined) port.onClose((reason) => this.#call("close", () => close.call(handlers, this, reason)));
    if (drain !== undefined) port.onDrain = () => this.#call("drain", () => drain.call(handlers, this));
    if (change !== undefined) {
      port.monitor.add({
        change: (news) => this.#call("change", () => change.call(handlers, this, news)),
        end: () => {},
      });
    }
    if (data !== undefined) {
      // Written out: this is the one that is called for every batch.
      port.receiver.pushTo(dataHandler, (frames) => {
        try {
          data.call(handlers, this, frames);
        } catch (cause) {
          this.#threw("data", cause);
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

  get offload(): OffloadInfo | undefined {
    return this.#port.offload;
  }

  get packetInfo(): boolean {
    return this.#port.packetInfo;
  }

  get closeReason(): TunTapError | undefined {
    return this.#port.reason;
  }

  get name(): string {
    this.#port.refresh();
    return this.#port.name;
  }

  get index(): number {
    return this.#ask((link) => link.reach.index);
  }

  get mac(): string {
    return formatMac(this.macBytes);
  }

  get macBytes(): Uint8Array {
    return this.#ask(() => (this.kind === "tap" ? tun.getHwaddr(this.fd) : new Uint8Array(ETH_ALEN)));
  }

  get mtu(): number {
    return this.#ask((link) => link.info().mtu);
  }

  get isUp(): boolean {
    this.#port.refresh();
    return !this.closed && this.#ask(() => this.#port.isUp());
  }

  tap(observer: TapObserver): Disposable {
    this.#port.assertOpen();
    const { frames, close } = observer;
    return this.#port.taps.add({
      frames: (passing, direction) => this.#call("tap", () => frames.call(observer, passing, direction)),
      close: () => this.#call("tap", () => close?.call(observer)),
    });
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
    this.#ask((link) => link.setUp(true));
  }

  down(): void {
    this.#ask((link) => link.setUp(false));
  }

  info(): InterfaceInfo {
    return this.#ask((link) => interfaceInfo(link.info()) as InterfaceInfo);
  }

  setMtu(bytes: number): void {
    checkMtu(bytes, this.kind);
    this.#ask((link) => link.setMtu(bytes));
  }

  setMac(mac: string): void {
    const octets = parseMac(mac);
    this.#ask(() => tun.setHwaddr(this.fd, octets));
  }

  setTxQueueLength(frames: number): void {
    checkTxQueueLength(frames);
    this.#ask((link) => link.setTxQueueLength(frames));
  }

  rename(name: string): void {
    checkName(name, false);
    this.#ask((link) => link.rename(name));
  }

  setAlias(text: string): void {
    checkAlias(text);
    this.#ask((link) => link.setAlias(text));
  }

  setMaster(master: string | number | null): void {
    checkMaster(master);
    this.#ask((link) => link.setMaster(master));
  }

  setPromiscuous(on: boolean): void {
    this.#setFlag(IFF_PROMISC, on, "promiscuous");
  }

  setAllMulticast(on: boolean): void {
    this.#setFlag(IFF_ALLMULTI, on, "allMulticast");
  }

  setMulticast(on: boolean): void {
    this.#setFlag(IFF_MULTICAST, on, "multicast");
  }

  setIPv6(on: boolean): void {
    checkBoolean(on, "ipv6");
    this.#ask((link) => link.setIPv6(on));
  }

  addAddress(address: AddressLike): void;
  addAddress(address: AddressLike, options: { untilUsable: true; signal?: AbortSignal }): Promise<Address>;
  addAddress(
    address: AddressLike,
    options: { untilUsable?: boolean; signal?: AbortSignal } = {},
  ): Promise<Address> | undefined {
    checkCallOptions(options, "untilUsable", "signal");
    if (options.untilUsable) return usable().untilUsable(this, address, options.signal);
    this.#ask((link) => link.addresses.add(address));
    return undefined;
  }

  replaceAddress(address: AddressLike): void {
    this.#ask((link) => link.addresses.replace(address));
  }

  removeAddress(address: AddressLike): void {
    this.#ask((link) => link.addresses.remove(address));
  }

  addresses(): Address[] {
    return this.#ask((link) => link.addresses.list());
  }

  addRoute(route: RouteLike): void {
    this.#ask((link) => link.routes.add(route));
  }

  removeRoute(route: RouteLike): void {
    this.#ask((link) => link.routes.remove(route));
  }

  routes(): Route[] {
    return this.#ask((link) => link.routes.list());
  }

  stats(): LinkStats {
    return this.#ask((link) => link.stats());
  }

  counters(): DeviceCounters {
    return this.#port.counters();
  }

  changes(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<LinkChange> {
    checkCallOptions(options, "signal");
    return this.#ask(() => changes().changesOf(this.#port.monitor, this, options.signal));
  }

  moveToNetns(netns: NetnsLike): void {
    checkNetns(netns);
    this.#ask(() => this.#port.moveTo(netns));
  }

  setPersist(on: boolean, options: { ownerless?: boolean } = {}): void {
    checkBoolean(on, "persist");
    checkCallOptions(options, "ownerless");
    this.#ask((link) => {
      if (on) assertOwned(link, options.ownerless);
      tun.setPersist(this.fd, on);
    });
  }

  setOwner(uid: number): void {
    checkId(uid, "owner");
    this.#ask(() => tun.setOwner(this.fd, uid));
  }

  setGroup(gid: number): void {
    checkId(gid, "group");
    this.#ask(() => tun.setGroup(this.fd, gid));
  }

  openQueue(options: { path?: string } = {}): Queue {
    checkCallOptions(options, "path");
    return this.#ask(({ reach }) => queues().openQueue(reach, options.path ?? DEFAULT_PATH));
  }

  setQueue(on: boolean): void {
    checkBoolean(on, "on");
    this.#ask(() => tun.setQueue(this.fd, on));
  }

  setSteering(program: number | null): void {
    if (program !== null) checkFd(program, "program");
    this.#ask(() => tun.setSteering(this.fd, program ?? -1));
  }

  setCarrier(on: boolean): void {
    checkBoolean(on, "carrier");
    this.#ask(() => tun.setCarrier(this.fd, on));
  }

  setTxFilter(addresses: readonly string[] | null, options?: TxFilterOptions): void {
    const filter = addresses === null ? null : filters().encodeTxFilter(addresses, options);
    this.#ask(() => tun.setTxFilter(this.fd, filter));
  }

  attachFilter(program: readonly (readonly number[])[]): void {
    const instructions = filters().encodeBpf(program);
    this.#ask(() => tun.attachFilter(this.fd, instructions));
  }

  detachFilter(): void {
    this.#ask(() => tun.detachFilter(this.fd));
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
  #ask<T>(question: (link: Link) => T): T {
    const port = this.#port;
    port.assertOpen();
    try {
      return question(port.link);
    } catch (error) {
      port.refresh();
      port.assertOpen();
      throw explain(error);
    }
  }

  #setFlag(flag: number, on: boolean, name: string): void {
    checkBoolean(on, name);
    this.#ask((link) => link.setFlag(flag, on, name));
  }

  #iterate<T extends Taken>(consumer: Consumer, take: Take<T>): AsyncIterableIterator<T> {
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

  #call(name: string, handler: () => void): void {
    try {
      handler();
    } catch (cause) {
      this.#threw(name, cause);
    }
  }

  /** What a handler throws is the error handler's, as on Bun's sockets, or else an uncaught exception. */
  #threw(name: string, cause: unknown): void {
    const { error } = this.#handlers;
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
