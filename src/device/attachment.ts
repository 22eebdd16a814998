import type { TunTapError } from "../errors.ts";
import { isUnreachable } from "../interface/client.ts";
import type { Link } from "../interface/link.ts";
import type { Monitor, MonitoredDevice } from "../interface/monitor.ts";
import { withNetns } from "../interface/namespace.ts";
import type { NetnsLike } from "../interface/types.ts";
import { Channel } from "../io/channel.ts";
import { goneError, isGone, wasDeleted } from "../io/failures.ts";
import { FrameReader, frameBatch, frameBlock } from "../io/frame-reader.ts";
import type { MergingWriter } from "../io/merge-writer.ts";
import { plainWriter } from "../io/plain-writer.ts";
import type { DeviceCounters, OffloadInfo, OffloadOptions, RefusalCause } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import { EINVAL, EIO, EPOLLOUT, EPOLLPRI, IFF_UP, TUN_PI_LEN, VNET_HDR_LEN } from "../sys/constants.ts";
import { getIff, isInNetns, pollEvents } from "../sys/tun.ts";
import { sendRefused } from "./refusal.ts";

// Loaded on first use: most devices have no offload.
const mergeWriter = (): typeof import("../io/merge-writer.ts") => lazy(() => require("../io/merge-writer.ts"));

/** The parts of the attachment of a device. */
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
  /** The requested offload; undefined if the fd carries no virtio headers. */
  readonly offload: Required<OffloadOptions> | undefined;
}

/** The channel of a device: its fd is attached to a TUN or TAP interface, which may be renamed, moved and deleted. */
export class Attachment extends Channel<FrameReader, Uint8Array[], RefusalCause> implements MonitoredDevice {
  protected readonly noun = "device";
  readonly kind: "tun" | "tap";
  readonly packetInfo: boolean;
  readonly link: Link;
  readonly reusesBuffers: boolean;
  #offload: Required<OffloadOptions> | undefined;
  readonly #merging: MergingWriter | undefined;
  #monitor: Monitor | undefined;
  /** The last name that the kernel reported. */
  name: string;

  constructor({ kind, fd, closeFd, packetInfo, link, name, frameMax, reuseBuffers, offload }: AttachmentParts) {
    const splits = offload !== undefined && !offload.raw;
    const reader = new FrameReader({ fd, frameMax, reuseBuffers, split: splits ? kind : undefined });
    const merging = splits ? new (mergeWriter().MergingWriter)(kind === "tap", offload.udp) : undefined;
    const writer = merging ?? plainWriter;
    // EPOLLPRI is never ready on a TUN fd, but asking for it gives a wake-up when the interface is deleted: every
    // wake-up of the driver's readers carries it.
    super({ fd, closeFd, reader, batch: frameBatch, block: frameBlock, writer, events: EPOLLPRI }, [
      "malformed",
      "down",
      "other",
    ]);
    this.kind = kind;
    this.packetInfo = packetInfo;
    this.link = link;
    this.name = name;
    this.reusesBuffers = reuseBuffers;
    this.#offload = offload;
    this.#merging = merging;
  }

  /** The segmentation offload in force now; undefined if the fd has no virtio headers. */
  get offload(): OffloadInfo | undefined {
    const offload = this.#offload;
    return offload && { ...offload, disabled: this.#merging?.disabled ?? [] };
  }

  /** The monitor of the interface. It starts to listen when it is first used. */
  get monitor(): Monitor {
    if (this.#monitor === undefined) {
      // Loaded on first use: it would be a tenth of what the first open loads.
      const { Monitor } = lazy((): typeof import("../interface/monitor.ts") => require("../interface/monitor.ts"));
      this.#monitor = new Monitor(this);
      this.updateInterest();
    }
    return this.#monitor;
  }

  /**
   * Returns IFF_UP. Out of reach of rtnetlink, returns whether the kernel takes frames, which it does while the
   * interface is up.
   */
  isUp(): boolean {
    try {
      return (this.link.info().flags & IFF_UP) !== 0;
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      return (pollEvents(this.fd, EPOLLOUT) & EPOLLOUT) !== 0;
    }
  }

  /** Records the part of the requested offload that the kernel has switched on. */
  setOffload(offload: Required<OffloadOptions>): void {
    this.#offload = offload;
    if (!offload.udp) this.#merging?.refuseUdp();
  }

  counters(): DeviceCounters {
    return { ...this.reader.counters(), ...this.sender.counters() };
  }

  moveTo(netns: NetnsLike): void {
    withNetns(netns, (fd) => {
      if (isInNetns(this.fd, fd as number)) return;
      const move = (): void => this.link.move(fd as number);
      if (this.#monitor === undefined) move();
      else this.#monitor.moving(fd as number, move);
    });
  }

  override discard(): void {
    super.discard();
    this.#monitor?.discard();
  }

  /** Asks the kernel for the name; closes the attachment if it has no interface any more. */
  checkAlive(): void {
    if (this.closed) return;
    try {
      this.name = getIff(this.fd).name;
    } catch (error) {
      // TUNGETIFF takes the lock under which interfaces are deleted, so its answer is final (drivers/net/tun.c).
      const { errno = 0, syscall = "" } = error as TunTapError;
      if (!isGone(errno)) throw error;
      this.close(goneError(errno, syscall));
    }
  }

  protected override onWritable(): void {
    this.#monitor?.checkUp();
  }

  protected override get wantsWritable(): boolean {
    return this.#monitor?.wantsWritable === true;
  }

  protected override onEnding(reason: TunTapError | undefined): void {
    this.#monitor?.end(wasDeleted(reason));
  }

  protected override onEnded(): void {
    this.link.client.close();
  }

  protected readFailed(errno: number): TunTapError {
    return goneError(errno, "read");
  }

  endedBy(errno: number): TunTapError | undefined {
    if (this.closed) return this.closedError();
    if (!isGone(errno)) return undefined;
    this.close(goneError(errno, "write"));
    return this.closedError();
  }

  causeOf(errno: number): RefusalCause {
    if (errno === -EINVAL) return "malformed";
    if (errno !== -EIO) return "other";
    this.#monitor?.checkUp();
    return "down";
  }

  isForAll(cause: RefusalCause): boolean {
    return cause === "down";
  }

  errorOf(errno: number, frame: Uint8Array, frameIndex?: number): TunTapError {
    const head = (this.packetInfo ? TUN_PI_LEN : 0) + (this.#offload?.raw ? VNET_HDR_LEN : 0);
    return sendRefused(errno, frame, this.kind, head, frameIndex);
  }
}
