import type { TunTapError } from "../errors.ts";
import type { TxFilterOptions } from "../interface/filters.ts";
import type { LinkChange, NetnsLike } from "../interface/types.ts";
import type { DeviceCounters, FrameObserver, FrameSource, OffloadInfo, OffloadOptions } from "../io/types.ts";
import type { Address, AddressLike, InterfaceInfo, LinkStats, Route, RouteLike } from "../netlink/types.ts";

/** Handlers that a device calls: synchronously, with the device first. An exception that one throws goes to `error`. */
export interface Handlers<D> {
  /** Push delivery: the frames of one wake-up, in order, at most 512 (2048 with `offload`). Makes this the device's only consumer. */
  data?(device: D, frames: Uint8Array[]): void;
  /** The kernel takes frames again, after `send` or `sendMany` said that it would not. */
  drain?(device: D): void;
  /** Something about the interface has changed: see {@link Device.changes}. */
  change?(device: D, change: LinkChange): void;
  /**
   * Told of what no call can throw. A handler threw (`ERR_TUNTAP_HANDLER`,
   * `cause` is what it threw): without this handler that is an uncaught
   * exception. Or frames of one `sendMany` or of `writable` were refused
   * (`EIO`, `EINVAL`, with `frameIndex`): without this handler they are counted
   * only.
   */
  error?(device: D, error: TunTapError): void;
  /** The device has closed, once. `reason` is there unless `close()` was called. */
  close?(device: D, reason?: TunTapError): void;
}

/** One more queue of an interface, to which no frame goes before somebody adopts it. */
export interface Queue extends Disposable {
  /** -1 once released or closed. */
  readonly fd: number;
  /**
   * Gives the fd away: `adopt()` it, here or in the Worker that is sent the
   * number, and it is that device's to close. An fd that nobody adopts stays open.
   */
  release(): number;
  /** Closes the fd, unless it was released. */
  close(): void;
}

/** Options of a device, whether it is opened or adopted. */
export interface DeviceOptions<D> extends Handlers<D> {
  /** Bring the interface up (true) or down (false). Default: up if `addresses` or `routes` are given, else as it is. */
  up?: boolean;
  /** Bytes of IP packet, 68 to 65535 on a TUN, 68 to 65521 on a TAP. */
  mtu?: number;
  /** `"02:00:5e:00:53:01"`: the kernel's end of a TAP. A TUN has none. */
  mac?: string;
  /** Frames that the kernel queues while nobody receives; its default is 500 for a TUN, 1000 for a TAP. */
  txQueueLength?: number;
  /**
   * Bytes of sent frames that the kernel holds for the interface, all queues
   * together, before `send` returns false, 1 to 2147483647. Default: the
   * kernel's own, which is that largest one, so that it never does.
   */
  sendBuffer?: number;
  addresses?: readonly AddressLike[];
  routes?: readonly RouteLike[];
  /** Text that `ip link` shows beside the name, up to 255 bytes; empty for none. */
  alias?: string;
  /** The bridge, bond or VRF, by name or index, that a TAP becomes a port of; null for none. */
  master?: string | number | null;
  /** Whether a TAP's interface takes frames for other hosts too (IFF_PROMISC). */
  promiscuous?: boolean;
  /** Whether it takes every multicast frame (IFF_ALLMULTI). */
  allMulticast?: boolean;
  /**
   * `false`: IPv6 says nothing of its own accord. When the interface comes up
   * it makes itself no link-local address, so it solicits no router and
   * reports no multicast group. IPv6 addresses that are given still work.
   */
  ipv6?: boolean;
  /** The interface outlives the process. Needs an `owner` or a `group`, or `ownerless`. */
  persist?: boolean;
  /** User id that may attach to the interface without CAP_NET_ADMIN. */
  owner?: number;
  /** Group id that may. */
  group?: number;
  /** Let every user attach to a persistent interface. */
  ownerless?: boolean;
  /**
   * Frames, and the list that they come in, are valid only until the handler
   * returns or the next one is asked for: both are used again. `receive()` and
   * `readable`, of which several calls may wait at once, give copies; an
   * iteration refuses a second `next()` while one waits. Default false: keep
   * frames as long as you like.
   */
  reuseBuffers?: boolean;
  /**
   * Segmentation and checksum offload: the kernel hands over and takes TCP
   * (and UDP) in super-packets, of which frames are made here, and which are
   * made of the frames of one `sendMany`. Several times as fast. Default false.
   */
  offload?: boolean | OffloadOptions;
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
  /** Several fds on one interface, each a queue with frames of its own: see {@link Device.openQueue}. Default false. */
  multiQueue?: boolean;
  /**
   * The network namespace that the interface is made in, or is in already: a
   * name, a path, or a process id. All calls of the device work from outside;
   * this thread stays where it is. Takes CAP_SYS_ADMIN. The device holds on to
   * the namespace, which ends no sooner than the device does.
   */
  netns?: NetnsLike;
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
  /** The six octets of {@link mac}. */
  readonly macBytes: Uint8Array;
  readonly mtu: number;
  /** IFF_UP: the administrative state. */
  readonly isUp: boolean;
  readonly closed: boolean;
  /** Whether each frame begins with the 4 bytes of `struct tun_pi`. */
  readonly packetInfo: boolean;
  /** The part of the `offload` option that is in force now; undefined without the option. */
  readonly offload: OffloadInfo | undefined;
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
   */
  receive(options?: { signal?: AbortSignal }): Promise<Uint8Array | null>;
  /** One frame if one is waiting in the kernel, else null. */
  tryReceive(): Uint8Array | null;
  /** The frames of each wake-up together, in order, 1 to 512 (2048 with `offload`). */
  batches(): AsyncIterableIterator<Uint8Array[]>;
  /** One chunk is one frame, always. Reads nothing before it is asked to. Cancelling it does not close the device. */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * One chunk is one frame, always; waits while the kernel takes none. A frame
   * that is refused is counted, as by `sendMany`. Closing it does not close
   * the device.
   */
  readonly writable: WritableStream<FrameSource>;

  up(): void;
  down(): void;
  setMtu(bytes: number): void;
  /** Sets the kernel's MAC address of a TAP. @throws {TunTapError} `EOPNOTSUPP` on a TUN, `EADDRNOTAVAIL` for a multicast address. */
  setMac(mac: string): void;
  setTxQueueLength(frames: number): void;
  rename(name: string): void;
  /** All that the kernel says of the interface, at once. */
  info(): InterfaceInfo;
  /** Text that `ip link` shows beside the name, up to 255 bytes; empty for none. */
  setAlias(text: string): void;
  /** Makes the interface a port of a bridge, bond or VRF, by name or index; null takes it out. A TUN fits a VRF only. */
  setMaster(master: string | number | null): void;
  /** IFF_PROMISC: take frames for other hosts too. */
  setPromiscuous(on: boolean): void;
  /** IFF_ALLMULTI: take every multicast frame. */
  setAllMulticast(on: boolean): void;
  /** IFF_MULTICAST: whether the interface does multicast at all. */
  setMulticast(on: boolean): void;
  /** Whether IPv6 makes a link-local address, and solicits routers, when the interface next comes up: see the `ipv6` option. */
  setIPv6(on: boolean): void;

  /** @throws {TunTapError} `EEXIST` if the interface has it, `EACCES` if IPv6 is off. */
  addAddress(address: AddressLike): void;
  /**
   * Adds the address, and waits until it can be used: on a TAP an IPv6 address is
   * tentative for a second or so after the interface is up (RFC 4862 section 5.4).
   *
   * @throws {TunTapError} `EADDRINUSE` if another host has it; it is removed then. `ERR_TUNTAP_CLOSED`.
   * @throws `signal.reason`; the address stays.
   */
  addAddress(address: AddressLike, options: { untilUsable: true; signal?: AbortSignal }): Promise<Address>;
  /**
   * Adds an address, or changes the lifetimes of one that is there, and of an IPv6 one `peer` and `noPrefixRoute`.
   *
   * @throws {TunTapError} `EEXIST` if something else is to be another.
   */
  replaceAddress(address: AddressLike): void;
  /** An IPv4 address takes its secondary ones with it (net/ipv4/devinet.c). @throws {TunTapError} `EADDRNOTAVAIL` if there is none. */
  removeAddress(address: AddressLike): void;
  addresses(): Address[];
  /** @throws {TunTapError} `EEXIST`, `ENETDOWN` while the interface is down, `ENETUNREACH` if `via` is on no network of it. */
  addRoute(route: RouteLike): void;
  /** The first one that matches what is given. @throws {TunTapError} `ESRCH` if none does. */
  removeRoute(route: RouteLike): void;
  /** The unicast routes through the interface, of all tables; without those with several next hops. */
  routes(): Route[];

  /** The kernel's counters, 64 bits wide. */
  stats(): LinkStats;
  /** Returns the counters of this device: frames and bytes both ways, and frames that were lost. */
  counters(): DeviceCounters;
  /**
   * Shows `observer` each frame that passes, until it is disposed of; any
   * number may look. Nobody looking costs nothing. Receives nothing by itself:
   * what nobody receives stays in the kernel. See `bun-tuntap/capture`.
   *
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
   */
  observe(observer: FrameObserver): Disposable;
  /**
   * Each change of the interface from now on, whoever makes it, in the
   * kernel's order; ends when the device closes. Any number may listen, and
   * each gets all. Nothing is asked for in a loop: the kernel tells. At most
   * 16,384 changes wait to be taken; of more the oldest are dropped, and a
   * change of the type `lost` says how many.
   *
   * Where the interface is in a network namespace that this process cannot
   * enter, `up` comes at once, and `down` when something is sent or the
   * traffic ends: the driver tells nobody (drivers/net/tun.c tun_net_close()).
   *
   * @throws `signal.reason`, from the iteration
   */
  changes(options?: { signal?: AbortSignal }): AsyncIterableIterator<LinkChange>;

  /**
   * Moves the interface into another network namespace: a name, a path, or a
   * process id. It comes down and loses addresses and routes on the way; the
   * device goes on, and its calls work from here.
   *
   * @throws {TunTapError} `EEXIST` if its name is taken there; `EPERM`.
   */
  moveToNetns(netns: NetnsLike): void;
  /**
   * Whether the interface outlives its last fd.
   *
   * @throws {TunTapError} `ERR_TUNTAP_OWNERLESS` if it has neither owner nor group, unless `ownerless`.
   */
  setPersist(on: boolean, options?: { ownerless?: boolean }): void;
  /** The user id that may attach to it without CAP_NET_ADMIN. */
  setOwner(uid: number): void;
  /** The group id that may. */
  setGroup(gid: number): void;
  /**
   * With `multiQueue`: one more queue, for another Worker, as frames of one
   * flow come in order from one queue alone. The kernel sends a flow to the
   * queue that last sent of it, else by its hash (drivers/net/tun.c
   * tun_automq_select_queue()).
   *
   * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` without `multiQueue`; `E2BIG` for the 257th.
   */
  openQueue(options?: { path?: string }): Queue;
  /**
   * Whether the kernel hands frames to this device's queue; it can send all the same.
   *
   * @throws {TunTapError} `EINVAL` without `multiQueue`, or if it is so; `EBUSY` on a TAP with a BPF filter.
   */
  setQueue(on: boolean): void;
  /** The fd of an eBPF program (BPF_PROG_TYPE_SOCKET_FILTER) whose result, modulo their number, chooses the queue; null for none. */
  setSteering(program: number | null): void;
  /** Whether the interface sees a carrier (as if its cable were plugged in). */
  setCarrier(on: boolean): void;

  /** Keep the process alive while the device is open: the default. */
  ref(): void;
  /** Let the process end although the device is open. */
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

/** Layer 3: IP packets. */
export interface Tun extends Device {
  readonly kind: "tun";
}

/** Layer 2: Ethernet frames. */
export interface Tap extends Device {
  readonly kind: "tap";

  /**
   * Has the kernel hand over only frames to these MAC addresses; null lets
   * all pass again. Eight unicast addresses are matched exactly; multicast
   * ones may pass by a hash that others share.
   *
   * @throws {RangeError} for more than eight unicast addresses, with which the kernel would filter nothing.
   */
  setTxFilter(addresses: readonly string[] | null, options?: TxFilterOptions): void;
  /**
   * Has the kernel hand over only frames that a classic BPF program accepts,
   * such as `tcpdump -ddd` compiles. It stays until detached, or the fd closes.
   * With `multiQueue` it is for the queues that are attached; while it is there no other can be.
   *
   * @param program Instructions, each `[code, jt, jf, k]` (include/uapi/linux/filter.h), 4096 at most.
   * @throws {TunTapError} `EINVAL` if the kernel's check refuses the program.
   */
  attachFilter(program: readonly (readonly number[])[]): void;
  detachFilter(): void;
}
