import type { TunTapError } from "../errors.ts";
import { isUnreachable } from "../interface/client.ts";
import type { Link } from "../interface/link.ts";
import type { Monitor } from "../interface/monitor.ts";
import { withNetns } from "../interface/namespace.ts";
import type { NetnsLike } from "../interface/types.ts";
import { closedError, goneError, isGone, wasDeleted } from "../io/failures.ts";
import { MergingWriter } from "../io/merge-writer.ts";
import type { FrameObservers } from "../io/observers.ts";
import { reactor, type Watch } from "../io/reactor.ts";
import { Receiver } from "../io/receiver.ts";
import { plainWriter, Sender } from "../io/sender.ts";
import { FrameReader } from "../io/slab-reader.ts";
import type { DeviceCounters, OffloadInfo } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, IFF_UP, TUN_PI_LEN, VNET_HDR_LEN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { closeFd, getIff, isInNetns, pollEvents } from "../sys/tun.ts";
import { sendRefused } from "./refusal.ts";

/** What the attachment of a device stands on. */
export interface AttachmentParts {
  readonly kind: "tun" | "tap";
  readonly fd: number;
  readonly closeFd: boolean;
  readonly packetInfo: boolean;
  readonly link: Link;
  readonly name: string;
  /** The longest frame that the MTU allows, headers included. */
  readonly frameMax: number;
  readonly reuseBuffers: boolean;
  /** What the fd does of segmentation offload; undefined if it has no virtio headers. */
  readonly offload: OffloadInfo | undefined;
}

/**
 * What an open device holds, and its one end: the fd, its place in the
 * reactor, the receiver and the sender. It does not refer to the device,
 * except through handlers and waiters, so that a forgotten device can be
 * collected, and its attachment be closed then.
 */
export class Attachment {
  readonly kind: "tun" | "tap";
  readonly packetInfo: boolean;
  readonly link: Link;
  readonly offload: OffloadInfo | undefined;
  readonly receiver: Receiver;
  readonly sender: Sender;
  readonly #reader: FrameReader;
  #monitor: Monitor | undefined;
  #observers: FrameObservers | undefined;
  readonly #closeFd: boolean;
  readonly #watch: Watch;
  #fd: number;
  /** The last name that the kernel told. */
  name: string;
  #events: number = EPOLLPRI;
  #reason: TunTapError | undefined;

  readonly #closeListeners: ((reason: TunTapError | undefined) => void)[] = [];
  /** Called when the kernel takes frames again. */
  onDrain: () => void = () => {};

  constructor({ kind, fd, closeFd, packetInfo, link, name, frameMax, reuseBuffers, offload }: AttachmentParts) {
    this.kind = kind;
    this.packetInfo = packetInfo;
    this.link = link;
    this.name = name;
    this.#fd = fd;
    this.#closeFd = closeFd;
    this.offload = offload;
    const merging = offload !== undefined && !offload.raw;
    const reader = new FrameReader({ fd, frameMax, reuseBuffers, split: merging ? kind : undefined }, (errno) =>
      this.close(goneError(errno, "read")),
    );
    const writer = merging ? new MergingWriter(kind === "tap", offload.udp) : plainWriter;
    const want = (): void => this.#listen((this.#events & EPOLLIN) !== 0 || this.receiver.wanted);
    this.#reader = reader;
    this.receiver = new Receiver(reader, want);
    this.sender = new Sender(fd, writer, (errno, frame, index) => this.#refused(errno, frame, index), want);
    this.#watch = reactor().watch(fd, this.#events, this);
    if (closeFd) native().fd_own(fd);
  }

  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  get reason(): TunTapError | undefined {
    return this.#reason;
  }

  /** @throws {TunTapError} `ERR_TUNTAP_CLOSED` */
  assertOpen(): void {
    if (this.closed) throw closedError(this.#reason);
  }

  /** What tells of the interface's changes; starts to look when it is first asked for. */
  get monitor(): Monitor {
    if (this.#monitor === undefined) {
      // Loaded by those who use it alone: it would be a tenth of what the first open takes to load.
      const { Monitor } = lazy((): typeof import("../interface/monitor.ts") => require("../interface/monitor.ts"));
      this.#monitor = new Monitor(this);
      this.onWants();
    }
    return this.#monitor;
  }

  /** Those who are shown what passes. */
  get observers(): FrameObservers {
    if (this.#observers === undefined) {
      const { FrameObservers } = lazy((): typeof import("../io/observers.ts") => require("../io/observers.ts"));
      const observers = new FrameObservers((on) => {
        this.receiver.onFrames = on ? (frames) => observers.tell(frames, "received") : undefined;
        this.sender.onFrames = on ? (frames) => observers.tell(frames, "sent") : undefined;
      });
      this.#observers = observers;
    }
    return this.#observers;
  }

  /** IFF_UP; where rtnetlink cannot be asked, the kernel takes frames while the interface is up. */
  isUp(): boolean {
    try {
      return (this.link.info().flags & IFF_UP) !== 0;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      return (pollEvents(this.#fd, EPOLLOUT) & EPOLLOUT) !== 0;
    }
  }

  counters(): DeviceCounters {
    return { ...this.#reader.counters(), ...this.sender.counters() };
  }

  moveTo(netns: NetnsLike): void {
    withNetns(netns, (fd) => {
      if (isInNetns(this.#fd, fd as number)) return;
      const move = (): void => this.link.move(fd as number);
      if (this.#monitor === undefined) move();
      else this.#monitor.moving(fd as number, move);
    });
  }

  setReferenced(on: boolean): void {
    if (!this.closed) this.#watch.setReferenced(on);
  }

  /** `listener` is called once, when all of the attachment has ended. Must not throw. */
  onClose(listener: (reason: TunTapError | undefined) => void): void {
    this.#closeListeners.push(listener);
  }

  /** Takes the constructor back, for an open that fails: fd and link stay with whoever has opened them. */
  discard(): void {
    native().fd_disown(this.#fd);
    this.#fd = -1;
    this.#watch.end();
  }

  /** Ends everything, once; what the kernel still queues is lost with the fd. */
  close(reason?: TunTapError): void {
    if (this.closed) return;
    const fd = this.#fd;
    // From here on nobody reaches the number, which the next open(2) may return.
    this.#fd = -1;
    this.#reason = reason;
    this.#watch.end();
    // Before the fd is closed: what that does to the interface is no news.
    this.#monitor?.end(wasDeleted(reason));
    if (this.#closeFd) closeFd(fd);
    this.receiver.end();
    this.sender.end(() => closedError(reason));
    this.link.client.close();
    this.#observers?.end();
    for (const listener of this.#closeListeners) listener(reason);
  }

  onEvents(events: number): void {
    const wanted = this.receiver.wanted;
    // Readable first: what arrived before the end is delivered before it.
    if (wanted && (events & EPOLLIN) !== 0) this.receiver.onReadable();
    if ((events & EPOLLOUT) !== 0 && !this.closed) {
      this.#monitor?.look();
      if (this.sender.blocked) {
        this.sender.onWritable();
        this.onDrain();
      }
    }
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) this.refresh();
    // Whoever was waiting is likely to wait again: EPOLLIN goes when it finds nobody.
    this.#listen(wanted);
  }

  onDoubt(): void {
    this.refresh();
    this.#monitor?.look();
  }

  onWants(): void {
    this.#listen((this.#events & EPOLLIN) !== 0);
  }

  /** Asks the kernel for the name; closes the attachment if it has no interface any more. */
  refresh(): void {
    if (this.closed) return;
    try {
      this.name = getIff(this.#fd).name;
    } catch (error) {
      // TUNGETIFF takes the lock under which interfaces are deleted, so its answer is final (drivers/net/tun.c).
      const { errno = 0, syscall = "" } = error as TunTapError;
      if (!isGone(errno)) throw error;
      this.close(goneError(errno, syscall));
    }
  }

  onFailure(error: TunTapError): void {
    this.close(error);
  }

  #refused(errno: number, frame: Uint8Array, frameIndex?: number): TunTapError {
    if (isGone(errno)) this.close(goneError(errno, "write"));
    if (this.closed) return closedError(this.#reason);
    // EIO: the interface is down.
    this.#monitor?.look();
    const head = (this.packetInfo ? TUN_PI_LEN : 0) + (this.offload?.raw ? VNET_HDR_LEN : 0);
    return sendRefused(errno, frame, this.kind, head, frameIndex);
  }

  /**
   * EPOLLPRI is never ready on a TUN fd, but wakes when the interface is
   * deleted, as every wake-up of the driver's readers carries it.
   */
  #listen(readable: boolean): void {
    if (this.closed) return;
    const writable = this.sender.blocked || this.#monitor?.wantsWritable === true;
    this.#events = EPOLLPRI | (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    this.#watch.setEvents(this.#events);
  }
}
