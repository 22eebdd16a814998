/** Options and handlers of devices, as users give them. */

import type { TunTapError } from "../errors.ts";
import type { LinkChange, NetnsLike } from "../interface/types.ts";
import type { OffloadOptions } from "../io/types.ts";
import type { AddressLike, RouteLike } from "../netlink/types.ts";
import type { Device } from "./types.ts";

/** Handlers that a device calls: synchronously, with the device first. An exception that one throws goes to `error`. */
export interface Handlers<D> {
  /** Receives the frames of one wake-up, in order, at most 512 (2048 with `offload`). Makes this the device's only consumer. */
  data?(device: D, frames: Uint8Array[]): void;
  /** The kernel takes frames again, after `send` or `sendMany` said that it would not. */
  drain?(device: D): void;
  /** Something about the interface has changed: see {@link Device.changes}. */
  change?(device: D, change: LinkChange): void;
  /**
   * Receives the errors that no call can throw. A handler threw
   * (`ERR_TUNTAP_HANDLER`, with the exception as its `cause`): without this
   * handler that is an uncaught exception. Or the kernel refused frames of one
   * `sendMany` or of `writable` (`EIO`, `EINVAL`, with `frameIndex`): without
   * this handler they are only counted.
   */
  error?(device: D, error: TunTapError): void;
  /** The device has closed. Called once; `reason` is there unless `close()` was called. */
  close?(device: D, reason?: TunTapError): void;
}

/** Options of a device, whether it is opened or adopted. An option that is left out leaves the interface as it is. */
export interface DeviceOptions<D> extends Handlers<D> {
  /** Brings the interface up (true) or down (false). Default: up if `addresses` or `routes` are given, else as it is. */
  up?: boolean;
  /** The MTU: bytes of IP packet, 68 to 65535 on a TUN, 68 to 65521 on a TAP. */
  mtu?: number;
  /** The MAC address of the kernel's end of a TAP, such as `"02:00:5e:00:53:01"`. A TUN has none. */
  mac?: string;
  /**
   * The length of the kernel's transmit queue: frames that wait while nobody
   * receives, 0 to 2147483647. The kernel's default is 500 for a TUN, 1000 for a TAP.
   */
  txQueueLength?: number;
  /**
   * Bytes of sent frames that the kernel holds for the interface, all queues
   * together, before `send` returns false, 1 to 2147483647. Default: the
   * kernel's own, which is that largest one, so that it never does.
   */
  sendBuffer?: number;
  /**
   * Addresses to add, such as `["192.0.2.1/24", "2001:db8::1/64"]`. Addresses that the interface has stay. Without a
   * prefix length an address stands for itself (/32, /128), as in `ip address add`: no network is reached through the
   * interface then, but what `routes` names.
   */
  addresses?: readonly AddressLike[];
  /** Routes through the interface to add, such as `["198.51.100.0/24", "default"]`. */
  routes?: readonly RouteLike[];
  /** Text that `ip link` shows beside the name, up to 255 bytes; empty for none. */
  alias?: string;
  /** The bridge, bond or VRF, by name or index, that a TAP becomes a port of; null for none. */
  master?: string | number | null;
  /** Makes a TAP's interface take frames for other hosts too (IFF_PROMISC). */
  promiscuous?: boolean;
  /** Makes the interface take every multicast frame (IFF_ALLMULTI). */
  allMulticast?: boolean;
  /**
   * `false` makes IPv6 silent: when the interface comes up it makes itself no
   * link-local address, so it solicits no router and reports no multicast
   * group. IPv6 addresses that are given still work.
   */
  ipv6?: boolean;
  /** Lets the interface outlive the process. Needs an `owner` or a `group`, or `ownerless`. */
  persist?: boolean;
  /** User id that may attach to the interface without CAP_NET_ADMIN, 0 to 4294967294. */
  owner?: number;
  /** Group id whose members may attach to the interface without CAP_NET_ADMIN, 0 to 4294967294. */
  group?: number;
  /** Lets every user attach to a persistent interface. Default false. */
  ownerless?: boolean;
  /**
   * Uses the buffers of received frames again: frames, and the list that they
   * come in, are valid only until the handler returns or the next one is asked
   * for. `receive()` and `readable`, of which several calls may wait at once,
   * give copies; an iteration refuses a second `next()` while one waits.
   * Default false: keep frames as long as you like.
   */
  reuseBuffers?: boolean;
  /**
   * Segmentation and checksum offload: the kernel hands over and takes TCP
   * (and UDP) in super-packets. They are split into frames here, and merged
   * from the frames of one `sendMany`. Several times as fast. Default false.
   */
  offload?: boolean | OffloadOptions;
  /** Closes the device when aborted. */
  signal?: AbortSignal;
}

/** Options of `openTun` and `openTap`. */
export interface OpenOptions<D = Device> extends DeviceOptions<D> {
  /**
   * The name of the interface, 1 to 15 bytes: `"tun0"`, or a pattern such as
   * `"vpn%d"`, in which the kernel replaces `%d` by the first free number.
   * Default `"tun%d"` or `"tap%d"`.
   */
  name?: string;
  /** The clone device. Default `"/dev/net/tun"`. */
  path?: string;
  /** Keeps the 4-byte packet-information header (`struct tun_pi`) on every frame, received and sent. Default false. */
  packetInfo?: boolean;
  /** Fails with EBUSY if the name exists, instead of attaching to a persistent interface. Default false. */
  exclusive?: boolean;
  /** Allows several fds on one interface, each a queue with frames of its own: see {@link Device.openQueue}. Default false. */
  multiQueue?: boolean;
  /**
   * The network namespace that the interface is made in, or is in already: a
   * name, a path, or a process id. All calls of the device work from outside;
   * this thread stays where it is. Takes CAP_SYS_ADMIN. The device holds on to
   * the namespace, which ends no sooner than the device does. Default: the
   * namespace of this thread.
   */
  netns?: NetnsLike;
}

/** Options of `adopt`. */
export interface AdoptOptions<D = Device> extends DeviceOptions<D> {
  /** Lets `close()` close the fd, too. Default true: an adopted fd belongs to the device. */
  closeFd?: boolean;
}
