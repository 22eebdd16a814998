import type { Direction } from "../io/types.ts";
import { showByFields } from "../packet/show.ts";
import { type CaptureInterface, fileHeader, type InterfaceTotals, statisticsBlock, timestamp } from "./blocks.ts";
import { requireInteger, requireKnown, requireObject, wrongType } from "./checks.ts";
import { Clock } from "./clock.ts";
import { checkRing, type FileRing } from "./file-ring.ts";
import { SNAP_LENGTH_MAX } from "./format.ts";
import { Outbox } from "./outbox.ts";
import { type CaptureTarget, sinkFor } from "./sinks.ts";
import { type CaptureSource, feedOf } from "./source.ts";

/** Options of {@link capture}. */
export interface CaptureOptions {
  /** Bytes that are kept of each frame at most, 1 to 262,144 (the default). */
  snapLength?: number;
  /** Several files that take turns, for a capture that is to run for long. Needs a path. */
  files?: FileRing;
  /** Captures only frames that the program received, or only those that it sent. Default: both. */
  direction?: Direction;
  /** Returns whether to keep a frame; called for each. One for which it throws is not kept. */
  filter?(frame: Uint8Array, direction: Direction): boolean;
  /** Bytes that may wait for the target, 1 MiB to 1 GiB; default 4 MiB. What finds no room is dropped, and counted. */
  bufferBytes?: number;
}

/** Counters of a running capture. */
export interface CaptureStats {
  /** Frames that were written, or wait for it. */
  readonly packets: number;
  /** Their bytes, whole, as they passed. */
  readonly bytes: number;
  /** Frames that were lost, because the target was too slow. */
  readonly dropped: number;
}

/** A capture that runs until it is closed, or its device is. */
export interface Capture extends Disposable, AsyncDisposable {
  /** Returns the counters so far. */
  stats(): CaptureStats;
  /** Resolves when all is written. Rejects with the error of the target, which ends the capture, but not the device. */
  readonly finished: Promise<void>;
  /** Writes what is left, and the counters. Idempotent; returns {@link finished}. */
  close(): Promise<void>;
}

const BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Writes what passes a device to a pcapng file, as Wireshark reads it: with the
 * interface's name, nanoseconds, directions, and what was lost. Frames of one
 * batch bear the time at which the batch was read.
 *
 * Headers of `packetInfo` and of raw offload are left out. With raw offload a
 * frame may be a super-packet whose checksum is yet to be made. Datagrams of a
 * UDP socket get headers of IP and UDP that are made of its addresses and
 * ports.
 *
 * The file tells directions from the side of the host, as tcpdump does: see
 * {@link CaptureDirection}.
 *
 * @param source A device, or a socket of `bun-tuntap/udp`.
 * @param target a path, a `WritableStream`, or standard output (`process.stdout` or `Bun.stdout`)
 * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
 * @throws what opening the file throws
 * @see draft-ietf-opsawg-pcapng
 */
export function capture(source: CaptureSource, target: CaptureTarget, options: CaptureOptions = {}): Capture {
  return new Capturing(source, target, options);
}

class Capturing implements Capture {
  static {
    showByFields(Capturing.prototype, "Capture");
  }

  readonly #observer: Disposable;
  readonly #clock: Clock = new Clock();
  readonly #startedNs: bigint = this.#clock.now();
  readonly #head: number;
  readonly #inbound: Direction;
  readonly #snapLength: number;
  readonly #direction: Direction | undefined;
  readonly #filter: CaptureOptions["filter"];
  readonly #outbox: Outbox;
  #packets = 0;
  #bytes = 0;
  #dropped = 0;
  /** Lost frames that have not been reported with a packet. */
  #untold = 0;

  constructor(source: CaptureSource, target: CaptureTarget, options: CaptureOptions) {
    requireObject("options", options);
    requireKnown(options, known);
    const { snapLength = SNAP_LENGTH_MAX, files, direction, filter, bufferBytes = BUFFER_BYTES } = options;
    requireInteger("snapLength", snapLength, 1, SNAP_LENGTH_MAX);
    requireInteger("bufferBytes", bufferBytes, 2 ** 20, 2 ** 30);
    if (direction !== undefined && direction !== "received" && direction !== "sent") {
      throw wrongType("direction", direction, '"received" or "sent"');
    }
    if (filter !== undefined && typeof filter !== "function") throw wrongType("filter", filter, "a function");
    if (files !== undefined) checkRing(files);
    const feed = feedOf(source);
    const from: CaptureInterface = { name: feed.name, linkType: feed.linkType, snapLength };
    this.#head = feed.headBytes;
    this.#inbound = feed.inbound;
    this.#snapLength = snapLength;
    this.#direction = direction;
    this.#filter = filter?.bind(options);
    this.#observer = feed.observe(
      (frames, direction) => this.#take(frames, direction),
      () => this.#outbox.close(),
    );
    try {
      this.#outbox = new Outbox(sinkFor(target, files), {
        header: fileHeader(from),
        trailer: () => statisticsBlock(this.#totals()),
        capacity: bufferBytes,
        fileBytes: files?.maxBytes ?? Number.POSITIVE_INFINITY,
      });
    } catch (error) {
      this.#observer[Symbol.dispose]();
      throw error;
    }
    // The target has failed: frames need not be looked at any more.
    this.finished.catch(() => this.#observer[Symbol.dispose]());
  }

  get finished(): Promise<void> {
    return this.#outbox.finished;
  }

  stats(): CaptureStats {
    return { packets: this.#packets, bytes: this.#bytes, dropped: this.#dropped };
  }

  toJSON(): CaptureStats {
    return this.stats();
  }

  close(): Promise<void> {
    this.#observer[Symbol.dispose]();
    this.#outbox.close();
    return this.finished;
  }

  [Symbol.dispose](): void {
    // close() and `finished` tell of a failure.
    this.close().catch(() => {});
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(frames: readonly Uint8Array[], direction: Direction): void {
    if (this.#direction !== undefined && direction !== this.#direction) return;
    const hostDirection = direction === this.#inbound ? "inbound" : "outbound";
    const time = timestamp(this.#clock.now());
    let failure: { readonly cause: unknown } | undefined;
    for (const frame of frames) {
      try {
        if (this.#filter !== undefined && !this.#filter(frame, direction)) continue;
      } catch (cause) {
        failure ??= { cause };
        continue;
      }
      const length = Math.max(0, frame.length - this.#head);
      const captured = Math.min(length, this.#snapLength);
      const blocks = this.#outbox.roomFor(captured);
      if (blocks === undefined) {
        this.#dropped++;
        this.#untold++;
        continue;
      }
      blocks.packet(frame, frame.length - length, captured, time, hostDirection, this.#untold);
      this.#untold = 0;
      this.#packets++;
      this.#bytes += length;
    }
    this.#outbox.send();
    // As an observer's exception, of which the device tells its `error` handler.
    if (failure !== undefined) throw failure.cause;
  }

  #totals(): InterfaceTotals {
    return {
      startedNs: this.#startedNs,
      endedNs: this.#clock.now(),
      seen: BigInt(this.#packets + this.#dropped),
      dropped: BigInt(this.#dropped),
    };
  }
}

const known: readonly (keyof CaptureOptions)[] = ["snapLength", "files", "direction", "filter", "bufferBytes"];
