import { TunTapDevice } from "./device";
import { TunTapError } from "./errors";
import { explain } from "./failures";
import { Link, linkByName } from "./link";
import type { LinkInfo } from "./netlink/link";
import { RouteSocket } from "./netlink/socket";
import { DEFAULT_PATH, explainOpen } from "./open-failures";
import { checkAdoptOptions, checkFd, checkOpenOptions, type Kind, parseMac } from "./options";
import {
  ETH_HLEN,
  IFF_NO_PI,
  IFF_PERSIST,
  IFF_TAP,
  IFF_TUN,
  IFF_TUN_EXCL,
  IFF_UP,
  IFF_VNET_HDR,
  TUN_PI_LEN,
  VLAN_HLEN,
} from "./sys/constants";
import * as tun from "./sys/tun";
import type { AdoptOptions, DeviceOptions, OpenOptions, Tap, Tun } from "./types";

/**
 * Opens a TUN interface, which carries IP packets.
 *
 * Creates it, or attaches to a persistent one of that name. A call that fails
 * leaves nothing behind: no fd, no interface, no setting.
 *
 * @throws {TunTapError} with `code`, `syscall` and a `hint`: `ENOENT`, `EACCES`
 * or `EPERM` (device node or privilege), `EBUSY`, `EINVAL` (name or type),
 * `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 * @throws {TypeError | RangeError} for options that cannot be meant
 * @example
 * ```ts
 * import { openTun } from "bun-tuntap";
 *
 * using tun = openTun({ addresses: ["192.0.2.1/24"] });
 * for await (const packet of tun) console.log(tun.name, packet.length);
 * ```
 */
export function openTun(options: OpenOptions<Tun> = {}): Tun {
  return open("tun", options as OpenOptions<TunTapDevice>) as TunTapDevice & Tun;
}

/**
 * Opens a TAP interface, which carries Ethernet frames. As {@link openTun} in
 * everything else.
 */
export function openTap(options: OpenOptions<Tap> = {}): Tap {
  return open("tap", options as OpenOptions<TunTapDevice>) as TunTapDevice & Tap;
}

/**
 * Makes a device of an fd that is attached to a TUN or TAP interface already:
 * inherited, or received from a privileged helper. Kind, name and flags are
 * read back from it. It becomes non-blocking and close-on-exec, and belongs to
 * the device from then on (unless `closeFd` is false). If this throws, it is
 * the caller's as before.
 *
 * @throws {TunTapError} `EBADF`, `EBADFD` (not attached), `ENOTTY` (no TUN fd),
 * `EEXIST` (adopted already), `ERR_TUNTAP_UNSUPPORTED` (it carries virtio headers)
 */
export function adopt(fd: number, options: AdoptOptions<Tun | Tap> = {}): Tun | Tap {
  checkFd(fd);
  checkAdoptOptions(options, "tap");
  options.signal?.throwIfAborted();
  return undoing((undo) => {
    try {
      const { name, flags } = tun.getIff(fd);
      const kind = (flags & IFF_TAP) !== 0 ? "tap" : "tun";
      checkAdoptOptions(options, kind);
      if ((flags & IFF_VNET_HDR) !== 0) throw headersRefused();
      undo.push(tun.setNonBlockingCloexec(fd));
      const socket = openSocket(undo);
      const found = linkByName(socket, name);
      const given = options as DeviceOptions<TunTapDevice>;
      const closeFd = options.closeFd ?? true;
      return finish({ kind, fd, closeFd, packetInfo: (flags & IFF_NO_PI) === 0, name, socket, found }, given, undo);
    } catch (error) {
      throw explain(error);
    }
  }) as TunTapDevice & (Tun | Tap);
}

function headersRefused(): TunTapError {
  return new TunTapError("ERR_TUNTAP_UNSUPPORTED", "the fd carries virtio headers (IFF_VNET_HDR)", {
    hint: "attach it without IFF_VNET_HDR",
  });
}

function open(kind: Kind, options: OpenOptions<TunTapDevice>): TunTapDevice {
  checkOpenOptions(options, kind);
  options.signal?.throwIfAborted();
  const { path = DEFAULT_PATH, exclusive = false, packetInfo = false } = options;
  const wanted = options.name ?? `${kind}%d`;
  return undoing((undo) => {
    let socket: RouteSocket | undefined;
    try {
      const fd = tun.openClone(path);
      undo.push(() => tun.closeFd(fd));
      socket = openSocket(undo);
      const name = tun.setIff(fd, wanted, interfaceFlags(fd, kind, packetInfo, exclusive));
      const wasPersistent = (tun.getIff(fd).flags & IFF_PERSIST) !== 0;
      // A persistent interface keeps the offloads of its last user, who may have asked for super-packets.
      if (wasPersistent) tun.setOffload(fd, 0);
      const found = linkByName(socket, name);
      return finish({ kind, fd, closeFd: true, packetInfo, name, socket, found }, options, undo);
    } catch (error) {
      throw explainOpen(explain(error), { kind, name: wanted, path, exclusive }, socket);
    }
  });
}

type Undo = (() => void)[];

/** Runs `steps`; if one fails, what those before it left in `undo` is done, last first. */
function undoing<T>(steps: (undo: Undo) => T): T {
  const undo: Undo = [];
  try {
    return steps(undo);
  } catch (error) {
    for (const step of undo.reverse()) attempt(step);
    throw error;
  }
}

/** What cannot be undone (the interface may be gone) must not hide why it had to be. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {}
}

function openSocket(undo: Undo): RouteSocket {
  const socket = new RouteSocket();
  undo.push(() => socket.close());
  return socket;
}

/** TUNSETIFF ignores bits that it does not know, so what the kernel lacks is found out before. */
function interfaceFlags(fd: number, kind: Kind, packetInfo: boolean, exclusive: boolean): number {
  const flags = (kind === "tun" ? IFF_TUN : IFF_TAP) | (packetInfo ? 0 : IFF_NO_PI);
  const missing = flags & ~tun.getFeatures(fd);
  if (missing !== 0) {
    throw new TunTapError(
      "ERR_TUNTAP_UNSUPPORTED",
      `this kernel's TUN driver lacks the flags 0x${missing.toString(16)}`,
      {
        syscall: "ioctl(TUNGETFEATURES)",
        hint: "use a newer kernel, or leave out the option that needs them",
      },
    );
  }
  return flags | (exclusive ? IFF_TUN_EXCL : 0);
}

interface Attached {
  readonly kind: Kind;
  readonly fd: number;
  readonly closeFd: boolean;
  readonly packetInfo: boolean;
  readonly name: string;
  readonly socket: RouteSocket;
  readonly found: LinkInfo;
}

type Ownership = Pick<OpenOptions, "owner" | "group">;

/** Applies the options that an opened fd and an adopted one share; what outlives the process comes last. */
function finish(attached: Attached, options: DeviceOptions<TunTapDevice> & Ownership, undo: Undo): TunTapDevice {
  const { kind, fd, closeFd, packetInfo, name, socket, found } = attached;
  const { mac, mtu, txQueueLength, addresses = [], persist, owner, group, reuseBuffers = false, signal } = options;
  const link = new Link(socket, found.index);
  const wasUp = (found.flags & IFF_UP) !== 0;
  const { up = addresses.length > 0 ? true : wasUp } = options;
  if (mac !== undefined) {
    const before = tun.getHwaddr(fd);
    undo.push(() => tun.setHwaddr(fd, before));
    tun.setHwaddr(fd, parseMac(mac));
  }
  if (mtu !== undefined) {
    undo.push(() => link.setMtu(found.mtu));
    link.setMtu(mtu);
  }
  if (txQueueLength !== undefined) {
    undo.push(() => link.setTxQueueLength(found.txQueueLength));
    link.setTxQueueLength(txQueueLength);
  }
  for (const address of addresses) {
    link.addAddress(address);
    undo.push(() => link.removeAddress(address));
  }
  if (up !== wasUp) {
    undo.push(() => link.setUp(wasUp));
    link.setUp(up);
  }
  // The kernel knows no way back to "no owner": nothing may fail behind this.
  if (owner !== undefined) tun.setOwner(fd, owner);
  if (group !== undefined) tun.setGroup(fd, group);
  if (persist !== undefined) {
    const wasPersistent = (tun.getIff(fd).flags & IFF_PERSIST) !== 0;
    undo.push(() => tun.setPersist(fd, wasPersistent));
    tun.setPersist(fd, persist);
  }
  const headers = (kind === "tap" ? ETH_HLEN + 2 * VLAN_HLEN : 0) + (packetInfo ? TUN_PI_LEN : 0);
  const frameMax = (mtu ?? found.mtu) + headers;
  return new TunTapDevice({ kind, fd, closeFd, packetInfo, link, name, frameMax, reuseBuffers }, options, signal);
}
