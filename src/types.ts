import type { TunTapError } from "./errors.ts";

/** A whole IP packet or Ethernet frame, as bytes. */
export type FrameSource = ArrayBuffer | SharedArrayBuffer | ArrayBufferView;

/**
 * An address with its prefix length: `"192.0.2.1/24"`, `"2001:db8::1/64"`; with
 * a `peer`, the prefix length belongs to the peer. Without a prefix length it
 * is a host address (/32, /128).
 */
export type AddressLike = string | { readonly address: string; readonly peer?: string };

/** An address as the kernel has it. */
export interface Address {
  /** With prefix length, in RFC 5952 form: `"2001:db8::1/64"`. */
  readonly address: string;
  /** The other end of a point-to-point address, without prefix length. */
  readonly peer?: string;
  readonly family: 4 | 6;
  readonly scope: "global" | "site" | "link" | "host" | "nowhere" | number;
}

/** `struct rtnl_link_stats64`, as seen by the interface: received is what this process sent. */
export interface LinkStats {
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxErrors: bigint;
  readonly txErrors: bigint;
  readonly rxDropped: bigint;
  /** Frames that the kernel's queue had no room for, because nobody received them in time. */
  readonly txDropped: bigint;
}

/** What a device calls. All are called synchronously, device first; what they throw goes to `error`. */
export interface Handlers<D> {
  /** Push delivery: the frames of one wake-up, in order, at most 512. Makes this the device's only consumer. */
  data?(device: D, frames: Uint8Array[]): void;
  /** The kernel takes frames again, after `send` or `sendMany` said that it would not. */
  drain?(device: D): void;
  /** A handler threw (`ERR_TUNTAP_HANDLER`, `cause` is what it threw). Without this handler it is an uncaught exception. */
  error?(device: D, error: TunTapError): void;
  /** The device has closed, once. `reason` is there unless `close()` was called. */
  close?(device: D, reason?: TunTapError): void;
}

/** What can be set on a device, whether it is opened or adopted. */
export interface DeviceOptions<D> extends Handlers<D> {
  /** Bring the interface up (true) or down (false). Default: up if `addresses` are given, else as it is. */
  up?: boolean;
  /** Bytes of IP packet, 68 to 65535 on a TUN, 68 to 65521 on a TAP. */
  mtu?: number;
  /** `"02:00:5e:00:53:01"`: the kernel's end of a TAP. A TUN has none. */
  mac?: string;
  /** Frames that the kernel queues while nobody receives; its default is 500 for a TUN, 1000 for a TAP. */
  txQueueLength?: number;
  addresses?: readonly AddressLike[];
  /** The interface outlives the process. */
  persist?: boolean;
  /** Frames are valid only until the handler returns or the next one is asked for. Default false: keep them as long as you like. */
  reuseBuffers?: boolean;
  /** Closes the device when aborted. */
  signal?: AbortSignal;
}

/** Options of `openTun` and `openTap`. */
export interface OpenOptions<D = Device> extends DeviceOptions<D> {
  /** `"tun0"`, or a pattern such as `"vpn%d"`, whose `%d` the kernel makes the first free number. Default `"tun%d"` or `"tap%d"`. */
  name?: string;
  /** The clone device. Default `"/dev/net/tun"`. */
  path?: string;
  /** Keep the 4-byte packet-information header (`struct tun_pi`) on every frame, both ways. Default false. */
  packetInfo?: boolean;
  /** Fail with EBUSY if the name exists, instead of attaching to a persistent interface. Default false. */
  exclusive?: boolean;
  /** User id that may attach to the interface without CAP_NET_ADMIN. */
  owner?: number;
  /** Group id that may. */
  group?: number;
}

/** Options of `adopt`. */
export interface AdoptOptions<D = Device> extends DeviceOptions<D> {
  /** `close()` closes the fd too. Default true: an adopted fd belongs to the device. */
  closeFd?: boolean;
}

/**
 * One TUN or TAP interface and the fd that is attached to it.
 *
 * It keeps the process alive while it is open, until `unref()`. It stays open
 * while it has handlers or somebody receives from it; otherwise a device that
 * nothing refers to any more is closed when it is collected. After `close()`
 * every call throws `ERR_TUNTAP_CLOSED`, but `name`, `fd` (-1), `closed`,
 * `isUp` (false) and `close()` itself.
 */
export interface Device extends Disposable, AsyncDisposable, AsyncIterable<Uint8Array> {
  readonly kind: "tun" | "tap";
  /** -1 once closed. Non-blocking and close-on-exec. */
  readonly fd: number;
  /** Asks the kernel, so it follows a rename; the last known name once closed. */
  readonly name: string;
  /** The interface index. */
  readonly index: number;
  /** `"02:00:5e:00:53:01"`: the kernel's end of the link. A TUN has none and shows zeros. */
  readonly mac: string;
  /** The same six octets. */
  readonly macBytes: Uint8Array;
  readonly mtu: number;
  /** IFF_UP: the administrative state. */
  readonly isUp: boolean;
  readonly closed: boolean;
  /** Why the device closed, if it was not by `close()`. */
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
   * Sends frames in order until the kernel takes no more.
   *
   * @returns how many were taken; fewer than given means that `drain` follows.
   * @throws {TunTapError} As `send`; `frameIndex` says which frame was refused, those before it were taken.
   */
  sendMany(frames: readonly FrameSource[]): number;
  /**
   * Waits for one frame. Calls made while others wait are served in order.
   *
   * @returns null once the device is closed.
   * @throws {TunTapError} `ERR_TUNTAP_BUSY` if a handler, an iteration or a stream is receiving.
   * @throws `signal.reason` if the signal is aborted first; no frame is lost by it.
   */
  receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | null>;
  /** One frame if one is waiting in the kernel, else null. */
  tryReceive(): Uint8Array | null;
  /** The frames of each wake-up together, in order, 1 to 512. */
  batches(): AsyncIterableIterator<Uint8Array[]>;
  /** One chunk is one frame, always. Reads nothing before it is asked to. Cancelling it does not close the device. */
  readonly readable: ReadableStream<Uint8Array>;
  /** One chunk is one frame, always; waits while the kernel takes none. Closing it does not close the device. */
  readonly writable: WritableStream<FrameSource>;

  up(): void;
  down(): void;
  setMtu(bytes: number): void;
  /** Sets the kernel's MAC address of a TAP. @throws {TunTapError} `EOPNOTSUPP` on a TUN, `EADDRNOTAVAIL` for a multicast address. */
  setMac(mac: string): void;
  setTxQueueLength(frames: number): void;
  rename(name: string): void;
  addAddress(address: AddressLike): void;
  removeAddress(address: AddressLike): void;
  addresses(): Address[];
  /** The kernel's counters, 64 bits wide. */
  stats(): LinkStats;
  /** Whether the interface outlives its last fd. */
  setPersist(on: boolean): void;
  /** Whether the interface sees a carrier (as if its cable were plugged in). */
  setCarrier(on: boolean): void;

  /** Keep the process alive while the device is open: the default. */
  ref(): void;
  /** Let the process end although the device is open. */
  unref(): void;
  /** Ends every pending receive, iteration and stream, and closes the fd. Does nothing the second time. */
  close(): void;
}

/** Layer 3: IP packets. */
export interface Tun extends Device {
  readonly kind: "tun";
}

/** Layer 2: Ethernet frames. */
export interface Tap extends Device {
  readonly kind: "tap";
}
