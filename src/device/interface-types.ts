/** The part of a device that is about its network interface. */

import type { LinkChange, NetnsLike } from "../interface/types.ts";
import type { Address, AddressLike, InterfaceInfo, LinkStats, Route, RouteLike } from "../netlink/types.ts";

/** One more queue of an interface. No frame goes to it before it is adopted. */
export interface Queue extends Disposable {
  /** The file descriptor; -1 once released or closed. */
  readonly fd: number;
  /**
   * Returns the fd and gives it away: `adopt()` it, here or in the Worker that
   * is sent the number, and that device closes it. An fd that nobody adopts stays open.
   */
  release(): number;
  /** Closes the fd, unless it was released. */
  close(): void;
}

/**
 * The network interface of a device: its properties, addresses, routes, owner
 * and queues. Properties and calls ask the kernel each time, in the network
 * namespace that the interface is in.
 *
 * Every call throws {@link TunTapError}: `ERR_TUNTAP_CLOSED` once the device is
 * closed, `EPERM` without CAP_NET_ADMIN for a change, `ENODEV` if the interface
 * is in a network namespace that this process cannot enter. A wrong argument is
 * a TypeError or RangeError.
 */
export interface DeviceInterface {
  /** The name of the interface. Asks the kernel, so it follows a rename; the last known name once closed. */
  readonly name: string;
  /** The interface index. It survives a rename, but not a move into another network namespace. */
  readonly index: number;
  /** The MAC address of the kernel's end of the link, such as `"02:00:5e:00:53:01"`. A TUN has none and shows zeros. */
  readonly mac: string;
  /** The six octets of {@link mac}. */
  readonly macBytes: Uint8Array;
  /** The MTU: bytes of IP packet. */
  readonly mtu: number;
  /** Tells whether the interface is up (IFF_UP, the administrative state); false once closed. */
  readonly isUp: boolean;

  /** Returns everything that the kernel says of the interface, at once. */
  info(): InterfaceInfo;
  /**
   * Returns the kernel's counters of the interface, as `ip -s link` shows them.
   * They are from the kernel's side: received is what this program sent. For
   * the program's side see {@link Device.counters}.
   */
  stats(): LinkStats;

  /** Brings the interface up: from then on frames pass. */
  up(): void;
  /** Takes the interface down: its routes and its IPv6 addresses go, and sending throws `EIO`. */
  down(): void;
  /**
   * Sets the MTU.
   *
   * @param bytes Bytes of IP packet, 68 to 65535 on a TUN, 68 to 65521 on a TAP. Below 1280 IPv6 leaves the interface.
   */
  setMtu(bytes: number): void;
  /**
   * Sets the MAC address of the kernel's end of a TAP.
   *
   * @param mac Six octets, such as `"02:00:5e:00:53:01"`.
   * @throws {TunTapError} `EOPNOTSUPP` on a TUN, `EADDRNOTAVAIL` for a multicast address.
   */
  setMac(mac: string): void;
  /**
   * Sets the length of the kernel's transmit queue.
   *
   * @param frames Frames that wait while nobody receives, 0 to 2147483647; more are dropped and counted in `stats().txDropped`.
   */
  setTxQueueLength(frames: number): void;
  /**
   * Renames the interface.
   *
   * @param name 1 to 15 bytes, without `/`, `:`, `%` or white space.
   * @throws {TunTapError} `EEXIST` if the name is taken; `EBUSY` before Linux 6.2 while the interface is up.
   */
  rename(name: string): void;
  /** Sets the text that `ip link` shows beside the name, up to 255 bytes; empty for none. */
  setAlias(text: string): void;
  /**
   * Makes the interface a port of a bridge, bond or VRF; null takes it out. A TUN fits a VRF only.
   *
   * @param master Name or index of an interface in the same network namespace.
   * @throws {TunTapError} `ENODEV` if there is no such interface, `EINVAL` or `EOPNOTSUPP` if it takes no such port.
   */
  setMaster(master: string | number | null): void;
  /** Sets IFF_PROMISC: whether the interface takes frames for other hosts too. */
  setPromiscuous(on: boolean): void;
  /** Sets IFF_ALLMULTI: whether the interface takes every multicast frame. */
  setAllMulticast(on: boolean): void;
  /** Sets IFF_MULTICAST: whether the interface does multicast at all. */
  setMulticast(on: boolean): void;
  /** Sets whether IPv6 makes a link-local address, and solicits routers, when the interface next comes up: see the `ipv6` option. */
  setIPv6(on: boolean): void;
  /** Sets whether the interface sees a carrier (as if its cable were plugged in). */
  setCarrier(on: boolean): void;

  /**
   * Adds an address.
   *
   * @throws {TunTapError} `EEXIST` if the interface has it, `EACCES` if IPv6 is off.
   * @example
   * ```ts
   * tun.addAddress("192.0.2.1/24");
   * tun.addAddress({ address: "2001:db8::1/64", noDad: true });
   * ```
   */
  addAddress(address: AddressLike): void;
  /**
   * Adds an address and waits until it can be used: on a TAP an IPv6 address is
   * tentative for a second or so after the interface is up (RFC 4862 section 5.4).
   *
   * @throws {TunTapError} `EADDRINUSE` if another host has it; it is removed then. `ERR_TUNTAP_CLOSED`.
   * @throws `signal.reason`; the address stays.
   * @example
   * ```ts
   * const { address } = await tap.addAddress("2001:db8::1/64", { untilUsable: true });
   * ```
   */
  addAddress(address: AddressLike, options: { untilUsable: true; signal?: AbortSignal }): Promise<Address>;
  /**
   * Adds an address, or changes one that is there: its lifetimes, and of an IPv6 address `peer` and `noPrefixRoute`.
   *
   * @throws {TunTapError} `EEXIST` if a part that cannot be changed differs.
   * @example
   * ```ts
   * tun.replaceAddress({ address: "192.0.2.1/24", validLifetime: 3600 });
   * ```
   */
  replaceAddress(address: AddressLike): void;
  /**
   * Removes an address. The kernel removes the secondary addresses of an IPv4 one with it (net/ipv4/devinet.c).
   *
   * @throws {TunTapError} `EADDRNOTAVAIL` if there is none.
   */
  removeAddress(address: AddressLike): void;
  /** Lists the addresses of the interface, IPv4 and IPv6, with their state. */
  addresses(): Address[];
  /**
   * Adds a route through the interface.
   *
   * @throws {TunTapError} `EEXIST`, `ENETDOWN` while the interface is down, `ENETUNREACH` if `via` is on no network of it.
   * @example
   * ```ts
   * tun.addRoute("198.51.100.0/24");
   * tun.addRoute({ to: "default", via: "192.0.2.254", metric: 50 });
   * ```
   */
  addRoute(route: RouteLike): void;
  /** Removes the first route that matches the given members. @throws {TunTapError} `ESRCH` if none does. */
  removeRoute(route: RouteLike): void;
  /** Lists the unicast routes through the interface, of all tables; leaves out routes with several next hops. */
  routes(): Route[];

  /**
   * Iterates over the changes of the interface from now on, whoever makes them,
   * in the kernel's order; ends when the device closes. Any number of
   * iterations may run, and each gets all changes. The kernel reports them:
   * nothing is polled. At most 16,384 changes wait to be taken; beyond that the
   * oldest are dropped, and a change of the type `lost` says how many.
   *
   * Where the interface is in a network namespace that this process cannot
   * enter, `up` comes at once, and `down` when something is sent or the
   * traffic ends: the driver tells nobody (drivers/net/tun.c tun_net_close()).
   *
   * @throws `signal.reason`, from the iteration
   * @example
   * ```ts
   * for await (const change of tun.changes()) {
   *   if (change.type === "address-added") console.log(change.address.address);
   * }
   * ```
   */
  changes(options?: { signal?: AbortSignal }): AsyncIterableIterator<LinkChange>;

  /**
   * Moves the interface into another network namespace: a name, a path, or a
   * process id. It comes down and loses addresses and routes on the way; the
   * device goes on, and its calls work from here.
   *
   * @throws {TunTapError} `EEXIST` if its name is taken there; `EPERM`.
   * @example
   * ```ts
   * tun.moveToNetns("blue"); // Made by `ip netns add blue`.
   * tun.addAddress("192.0.2.1/24");
   * tun.up();
   * ```
   */
  moveToNetns(netns: NetnsLike): void;
  /**
   * Sets whether the interface outlives its last fd.
   *
   * @throws {TunTapError} `ERR_TUNTAP_OWNERLESS` if it has neither owner nor group, unless `ownerless`.
   */
  setPersist(on: boolean, options?: { ownerless?: boolean }): void;
  /** Sets the user id that may attach to the interface without CAP_NET_ADMIN, 0 to 4294967294. */
  setOwner(uid: number): void;
  /** Sets the group id whose members may attach to the interface without CAP_NET_ADMIN, 0 to 4294967294. */
  setGroup(gid: number): void;

  /**
   * Opens one more queue of a device with `multiQueue`, for another Worker:
   * only frames of one queue come in order. The kernel sends a flow to the
   * queue that last sent of it, else by its hash (drivers/net/tun.c
   * tun_automq_select_queue()).
   *
   * @param options.path The clone device. Default `"/dev/net/tun"`.
   * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED` without `multiQueue`; `E2BIG` for the 257th.
   * @example
   * ```ts
   * worker.postMessage(tun.openQueue().release()); // The Worker adopts that fd.
   * ```
   */
  openQueue(options?: { path?: string }): Queue;
  /**
   * Sets whether the kernel hands frames to this device's queue; it can send all the same.
   *
   * @throws {TunTapError} `EINVAL` without `multiQueue`, or if it is so already; `EBUSY` on a TAP with a BPF filter.
   */
  setQueue(on: boolean): void;
  /**
   * Lets an eBPF program choose the queue of each frame; null for none.
   *
   * @param program The fd of a program (BPF_PROG_TYPE_SOCKET_FILTER); its result, modulo the number of queues, is the queue.
   */
  setSteering(program: number | null): void;
}
