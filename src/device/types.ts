/** Devices: what users hold. */

import type { TunTapError } from "../errors.ts";
import type { TxFilterOptions } from "../interface/types.ts";
import type { DeviceCounters, FrameObserver, FrameSource, OffloadInfo } from "../io/types.ts";
import type { DeviceInterface } from "./interface-types.ts";

/**
 * One TUN or TAP interface and the fd that is attached to it.
 *
 * It keeps the process alive while it is open, until `unref()`. It stays open
 * while it has handlers or somebody receives from it; otherwise a device that
 * nothing refers to any more is closed when it is collected.
 *
 * After `close()` nothing is received any more: calls give null, iterations
 * and streams are over. `counters()`, and the properties that need no kernel,
 * still answer: `name`, `kind`, `closed`, `fd` (-1), `isUp` (false). `close()`,
 * `ref()` and `unref()` do nothing, and every other call throws
 * `ERR_TUNTAP_CLOSED`.
 */
export interface Device extends DeviceInterface, Disposable, AsyncDisposable, AsyncIterable<Uint8Array> {
  /** `"tun"`: layer 3, IP packets. `"tap"`: layer 2, Ethernet frames. */
  readonly kind: "tun" | "tap";
  /** The file descriptor, non-blocking and close-on-exec; -1 once closed. */
  readonly fd: number;
  /** Tells whether the device is closed. */
  readonly closed: boolean;
  /** Tells whether each frame begins with the 4 bytes of `struct tun_pi`. */
  readonly packetInfo: boolean;
  /** The part of the `offload` option that is in force now; undefined without the option. */
  readonly offload: OffloadInfo | undefined;
  /** The reason why the device closed; undefined if it is open or `close()` was called. */
  readonly closeReason: TunTapError | undefined;

  /**
   * Gives one whole packet or frame to the kernel, as if it had arrived on the
   * interface. The bytes are copied before it returns.
   *
   * @returns false if the kernel would not take it now: nothing was sent, and
   * the `drain` handler is called when it will.
   * @throws {TunTapError} `EIO` while the interface is down; `EINVAL` if it is
   * no packet or frame (drivers/net/tun.c tun_get_user()); `ERR_TUNTAP_CLOSED`.
   */
  send(frame: FrameSource): boolean;
  /**
   * Sends frames in order until the kernel takes no more for now. A frame that
   * it refuses for good (malformed, or the interface is down) costs no other
   * one: it is dropped and counted in `counters().refused`, and the `error`
   * handler is told once a batch, with the first one's error (`frameIndex`).
   * With `offload`, each flow keeps its order, but flows may change places.
   *
   * @returns how many of the first ones have been dealt with: taken, or
   * refused. Fewer than given means that `drain` follows.
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
   * @throws {TypeError} If one of them is no frame: none was sent then.
   */
  sendMany(frames: readonly FrameSource[]): number;
  /**
   * Waits for one frame. Calls made while others wait are served in order.
   *
   * @returns null once the device is closed.
   * @throws {TunTapError} `ERR_TUNTAP_BUSY` if a handler, an iteration or a stream is receiving.
   * @throws `signal.reason` if the signal is aborted first; no frame is lost by it.
   * @example
   * ```ts
   * const frame = await tun.receive({ signal: AbortSignal.timeout(1000) });
   * ```
   */
  receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | null>;
  /** Returns one frame if one is waiting in the kernel, else null. @throws {TunTapError} `ERR_TUNTAP_BUSY`, as {@link receive} */
  tryReceive(): Uint8Array | null;
  /**
   * Iterates over the frames of each wake-up together, in order, 1 to 512 (2048 with `offload`).
   *
   * @example
   * ```ts
   * for await (const frames of tun.batches()) console.log(frames.length);
   * ```
   */
  batches(): AsyncIterableIterator<Uint8Array[]>;
  /** A stream in which one chunk is one frame. Reads nothing before it is asked to. Cancelling it does not close the device. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * A stream in which one chunk is one frame; it waits while the kernel takes
   * none. A frame that is refused is counted, as by `sendMany`. Closing it does
   * not close the device.
   */
  readonly writable: WritableStream<FrameSource>;

  /** Returns the counters of this device, from the program's side: frames and bytes received and sent, and frames that were lost. */
  counters(): DeviceCounters;
  /**
   * Shows `observer` each frame that passes, until it is disposed of. Any
   * number may observe, and a device without observers pays nothing. Observing
   * receives nothing by itself: frames that nobody receives stay in the kernel.
   * See `bun-tuntap/capture`.
   *
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
   * @example
   * ```ts
   * using observed = tun.observe({
   *   frames: (frames, direction) => console.log(direction, frames.length),
   * });
   * ```
   */
  observe(observer: FrameObserver): Disposable;

  /** Keeps the process alive while the device is open: the default. */
  ref(): void;
  /** Lets the process end although the device is open. */
  unref(): void;
  /**
   * Ends every pending receive, iteration and stream, and closes the fd. Does
   * nothing the second time. The kernel takes tens of milliseconds to take an
   * interface away, and the event loop stands still for so long;
   * `[Symbol.asyncDispose]()`, and so `await using`, leaves that to a thread
   * and resolves once the interface is gone.
   *
   * @example
   * ```ts
   * await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
   * ```
   */
  close(): void;
}

/** A device of layer 3: IP packets. */
export interface Tun extends Device {
  readonly kind: "tun";
}

/** A device of layer 2: Ethernet frames. */
export interface Tap extends Device {
  readonly kind: "tap";

  /**
   * Has the kernel hand over only frames to these MAC addresses; null lets
   * all pass again. Eight unicast addresses are matched exactly; multicast
   * ones may pass by a hash that others share.
   *
   * @throws {RangeError} for more than eight unicast addresses, with which the kernel would filter nothing.
   * @example
   * ```ts
   * tap.setTxFilter(["02:00:5e:00:53:02"], { allMulticast: true });
   * ```
   */
  setTxFilter(addresses: readonly string[] | null, options?: TxFilterOptions): void;
  /**
   * Has the kernel hand over only frames that a classic BPF program accepts,
   * such as `tcpdump -ddd` compiles. It stays until detached, or the fd closes.
   * With `multiQueue` it is for the queues that are attached; while it is there no other can be.
   *
   * @param program Instructions, each `[code, jt, jf, k]` (include/uapi/linux/filter.h), 4096 at most.
   * @throws {TunTapError} `EINVAL` if the kernel's check refuses the program.
   * @example
   * ```ts
   * tap.attachFilter([[0x28, 0, 0, 12], [0x15, 0, 1, 0x0806], [6, 0, 0, 65535], [6, 0, 0, 0]]); // ARP alone.
   * ```
   */
  attachFilter(program: readonly (readonly number[])[]): void;
  /** Removes the filter of {@link attachFilter}; does nothing if there is none. */
  detachFilter(): void;
}
