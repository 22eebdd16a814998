import { checkBoolean, checkFd } from "../checks.ts";
import type { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import {
  checkAlias,
  checkId,
  checkMaster,
  checkMtu,
  checkName,
  checkTxQueueLength,
  parseMac,
} from "../interface/checks.ts";
import type { TxFilterOptions } from "../interface/filters.ts";
import type { Link } from "../interface/link.ts";
import { checkNetns } from "../interface/namespace.ts";
import type { LinkChange, NetnsLike } from "../interface/types.ts";
import { showChannel } from "../io/channel.ts";
import { abortedError } from "../io/failures.ts";
import { type FrameReader, frameBatch, frameCopy, oneFrame } from "../io/frame-reader.ts";
import { HandlerCalls } from "../io/handlers.ts";
import { iterate } from "../io/iterate.ts";
import type { Consumer, Take } from "../io/receiver.ts";
import type { DeviceCounters, FrameObserver, FrameSource, OffloadInfo } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import { interfaceInfo } from "../netlink/link.ts";
import type { Address, AddressLike, InterfaceInfo, LinkStats, Route, RouteLike } from "../netlink/types.ts";
import { formatMac } from "../packet/address-text.ts";
import { ETH_ALEN, IFF_ALLMULTI, IFF_MULTICAST, IFF_PROMISC } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import type { Attachment } from "./attachment.ts";
import { assertOwned } from "./configure.ts";
import { checkCallOptions, DEFAULT_PATH } from "./options.ts";
import { readableOf, writableOf } from "./streams.ts";
import type { Device, Handlers, Queue } from "./types.ts";

const dataHandler: Consumer = { description: "the data handler" };
const receiveCalls: Consumer = { description: "receive()", perCall: true };

// What most programs do not use is loaded when it is: every module that is loaded costs some 0.2 ms.
const changes = (): typeof import("../interface/change-queue.ts") =>
  lazy(() => require("../interface/change-queue.ts"));
const filters = (): typeof import("../interface/filters.ts") => lazy(() => require("../interface/filters.ts"));
const queues = (): typeof import("./queue.ts") => lazy(() => require("./queue.ts"));
const usable = (): typeof import("./usable-address.ts") => lazy(() => require("./usable-address.ts"));

/** Closes the attachments of devices that were dropped without close(). */
const dropped = new FinalizationRegistry<Attachment>((attachment) => attachment.close());

/** The device that users hold: every call of the contract, on top of an attachment. See {@link Device}. */
export class TunTapDevice implements Device {
  readonly #attachment: Attachment;
  readonly #calls: HandlerCalls<TunTapDevice>;
  /** One frame that stays as it is: several calls may wait at once. */
  readonly #single: Take<FrameReader, Uint8Array>;
  #readable: ReadableStream<Uint8Array> | undefined;
  #writable: WritableStream<FrameSource> | undefined;

  constructor(attachment: Attachment, handlers: Handlers<TunTapDevice>, signal: AbortSignal | undefined) {
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
      // Written out: this is the one that is called for every batch.
      attachment.receiver.pushTo(dataHandler, (frames) => {
        try {
          data.call(handlers, this, frames);
        } catch (cause) {
          calls.threw("data", cause);
        }
      });
    }
    // Last: an opening that fails leaves no listener behind.
    showChannel(this, attachment);
    dropped.register(this, attachment, attachment);
    closeOnAbort(attachment, signal);
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

  get name(): string {
    this.#attachment.checkAlive();
    return this.#attachment.name;
  }

  get index(): number {
    return this.#ask((link) => link.client.index);
  }

  get mac(): string {
    return formatMac(this.macBytes, 0);
  }

  get macBytes(): Uint8Array {
    return this.#ask(() => (this.kind === "tap" ? tun.getHwaddr(this.fd) : new Uint8Array(ETH_ALEN)));
  }

  get mtu(): number {
    return this.#ask((link) => link.info().mtu);
  }

  get isUp(): boolean {
    this.#attachment.checkAlive();
    return !this.closed && this.#ask(() => this.#attachment.isUp());
  }

  observe(observer: FrameObserver): Disposable {
    this.#attachment.assertOpen();
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
    this.#readable ??= readableOf(
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
    this.#writable ??= writableOf(
      (frame) => sender.sendMany([frame]) === 1,
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
    return this.#attachment.counters();
  }

  changes(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<LinkChange> {
    checkCallOptions(options, "signal");
    return this.#ask(() => changes().changesOf(this.#attachment.monitor, this, options.signal));
  }

  moveToNetns(netns: NetnsLike): void {
    checkNetns(netns);
    this.#ask(() => this.#attachment.moveTo(netns));
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
    return this.#ask(({ client }) => queues().openQueue(client, options.path ?? DEFAULT_PATH));
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

  /** Asks the kernel about the interface; a device that turns out to be gone is closed. */
  #ask<T>(question: (link: Link) => T): T {
    const attachment = this.#attachment;
    attachment.assertOpen();
    try {
      return question(attachment.link);
    } catch (error) {
      attachment.checkAlive();
      attachment.assertOpen();
      throw withHint(error);
    }
  }

  #setFlag(flag: number, on: boolean, name: string): void {
    checkBoolean(on, name);
    this.#ask((link) => link.setFlag(flag, on, name));
  }

  #iterate<T>(consumer: Consumer, take: Take<FrameReader, T>): AsyncIterableIterator<T> {
    const { receiver, reusesBuffers } = this.#attachment;
    return iterate(receiver, consumer, take, this, reusesBuffers);
  }
}

/** Not in the constructor: a closure made there would keep the device alive through the signal and the attachment. */
function closeOnAbort(attachment: Attachment, signal: AbortSignal | undefined): void {
  const abort = (): void => attachment.close(abortedError(signal?.reason), true);
  signal?.addEventListener("abort", abort, { once: true });
  attachment.onClose(() => {
    dropped.unregister(attachment);
    signal?.removeEventListener("abort", abort);
  });
}
