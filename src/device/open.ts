import { checkFd } from "../checks.ts";
import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import type { Kind } from "../interface/checks.ts";
import { findLink, InterfaceClient, isUnreachable } from "../interface/client.ts";
import { Link } from "../interface/link.ts";
import { withNetns } from "../interface/namespace.ts";
import type { NetnsLike } from "../interface/types.ts";
import { enableOffload, wantedOffload } from "../io/segmentation.ts";
import type { OffloadOptions } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import type { LinkInfo } from "../netlink/link.ts";
import { RouteSocket } from "../netlink/socket.ts";
import { type Undo, withRollback } from "../rollback.ts";
import {
  ETH_DATA_LEN,
  ETH_HLEN,
  ETH_MAX_MTU,
  IFF_DETACH_QUEUE,
  IFF_PERSIST,
  IFF_TAP,
  IFF_TUN_EXCL,
  IFF_VNET_HDR,
  TUN_PI_LEN,
  VLAN_HLEN,
  VNET_HDR_LEN,
} from "../sys/constants.ts";
import { openClone } from "../sys/netns.ts";
import * as tun from "../sys/tun.ts";
import { configure } from "./configure.ts";
import type { TunTapDevice } from "./device.ts";
import { checkAdoptOptions, checkOpenOptions, DEFAULT_PATH } from "./options.ts";
import type { AdoptOptions, DeviceOptions, OpenOptions, Tap, Tun } from "./types.ts";

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
  return open("tun", options as OpenOptions<never>) as TunTapDevice & Tun;
}

/**
 * Opens a TAP interface, which carries Ethernet frames. As {@link openTun} in
 * everything else.
 */
export function openTap(options: OpenOptions<Tap> = {}): Tap {
  return open("tap", options as OpenOptions<never>) as TunTapDevice & Tap;
}

/**
 * Makes a device of an fd that is attached to a TUN or TAP interface already:
 * inherited, or received from a privileged helper. Kind, name and flags are
 * read back from it. It becomes non-blocking and close-on-exec, and belongs to
 * the device from then on (unless `closeFd` is false). If this throws, it is
 * the caller's as before.
 *
 * The interface may be in a network namespace that this process cannot enter:
 * frames pass, and calls that ask or change the interface throw `ENODEV`.
 *
 * @throws {TunTapError} `EBADF`, `EBADFD` (not attached), `ENOTTY` (no TUN fd),
 * `EEXIST` (adopted already), `ERR_TUNTAP_UNSUPPORTED` (it carries virtio headers)
 */
export function adopt(fd: number, options: AdoptOptions<Tun | Tap> = {}): Tun | Tap {
  checkFd(fd);
  checkAdoptOptions(options, undefined);
  options.signal?.throwIfAborted();
  return withRollback((undo) => {
    try {
      const { name, flags } = tun.getIff(fd);
      const kind = (flags & IFF_TAP) !== 0 ? "tap" : "tun";
      checkAdoptOptions(options, kind);
      const wanted = wantedOffload(options.offload);
      if (((flags & IFF_VNET_HDR) !== 0) !== (wanted !== undefined)) throw headersDiffer(wanted !== undefined);
      undo.push(tun.setNonBlockingCloexec(fd));
      if ((flags & IFF_DETACH_QUEUE) !== 0) {
        tun.setQueue(fd, true);
        undo.push(() => tun.setQueue(fd, false));
      }
      const client = new InterfaceClient(fd, openSocket(undo));
      const closeFd = options.closeFd ?? true;
      return finish({ kind, fd, closeFd, name, client, wanted }, options as DeviceOptions<never>, undo);
    } catch (error) {
      throw withHint(error);
    }
  }) as TunTapDevice & (Tun | Tap);
}

function headersDiffer(wanted: boolean): TunTapError {
  const text = `the fd carries ${wanted ? "no " : ""}virtio headers (IFF_VNET_HDR)`;
  return new TunTapError("ERR_TUNTAP_UNSUPPORTED", text, {
    hint: wanted ? "adopt it without the `offload` option" : "adopt it with `offload: true`, or `{ raw: true }`",
  });
}

function open(kind: Kind, options: OpenOptions<never>): TunTapDevice {
  checkOpenOptions(options, kind);
  options.signal?.throwIfAborted();
  const { path = DEFAULT_PATH, exclusive = false, packetInfo = false, multiQueue = false } = options;
  const wanted = options.name ?? `${kind}%d`;
  const offload = wantedOffload(options.offload);
  return withRollback((undo) => {
    let socket: RouteSocket | undefined;
    try {
      return withNetns(options.netns, (netns) => {
        const fd = openClone(path, netns);
        undo.push(() => tun.closeFd(fd));
        socket = openSocket(undo, netns);
        const before = findLink(socket, wanted);
        const isShared = (before?.tun?.queues ?? 0) > 0;
        // Attaching rewrites these flags of a persistent interface; they come back with an fd that is attached as before.
        if (before?.tun?.kind === kind && !isShared) undo.unshift(() => restoreFlags(path, before, options.netns));
        const vnetHeader = offload !== undefined;
        const flags = tun.attachFlags({ kind, packetInfo, vnetHeader, multiQueue });
        assertFeatures(fd, flags);
        if (isShared && before?.tun?.kind === kind) assertSameFrames(before, flags);
        const name = tun.setIff(fd, wanted, flags | (exclusive ? IFF_TUN_EXCL : 0));
        if ((tun.getIff(fd).flags & IFF_PERSIST) !== 0 && !isShared) forgetUsers(fd, kind);
        return finish(
          { kind, fd, closeFd: true, name, client: new InterfaceClient(fd, socket), wanted: offload },
          options,
          undo,
        );
      });
    } catch (error) {
      const explained = withHint(error);
      if (!(explained instanceof TunTapError) || explained.hint !== undefined) throw explained;
      throw openFailures().withOpenHint(explained, { kind, name: wanted, path, exclusive }, socket);
    }
  });
}

/** Attaching one more queue gives all of them its flags (drivers/net/tun.c tun_set_iff()): others would find headers that they do not expect. */
function assertSameFrames({ name, tun: before }: LinkInfo, flags: number): void {
  if (before === undefined || !before.multiQueue || tun.attachFlags(before) === flags) return;
  throw new TunTapError("EBUSY", `"${name}" is in use with other headers on its frames, or with a single queue`, {
    hint: "open it with `multiQueue`, `offload` and `packetInfo` as the others have it, or choose another name",
  });
}

/**
 * A persistent interface keeps the offloads of its last user, who may have
 * asked for super-packets, the header that they have, and the filters of a TAP.
 */
function forgetUsers(fd: number, kind: Kind): void {
  tun.setOffload(fd, 0);
  tun.setVnetHeaderSize(fd, VNET_HDR_LEN);
  if (kind === "tun") return;
  tun.setTxFilter(fd, null);
  tun.detachFilter(fd);
}

function openSocket(undo: Undo, netns?: number): RouteSocket {
  const socket = new RouteSocket(netns);
  undo.push(() => socket.close());
  return socket;
}

/** TUNSETIFF ignores bits that it does not know, so what the kernel lacks is found out before. */
function assertFeatures(fd: number, flags: number): void {
  const missing = flags & ~tun.getFeatures(fd);
  if (missing === 0) return;
  throw new TunTapError(
    "ERR_TUNTAP_UNSUPPORTED",
    `this kernel's TUN driver lacks the flags 0x${missing.toString(16)}`,
    {
      syscall: "ioctl(TUNGETFEATURES)",
      hint: "use a newer kernel, or leave out the option that needs them",
    },
  );
}

function restoreFlags(path: string, { name, tun: before }: LinkInfo, netns: NetnsLike | undefined): void {
  if (before === undefined) return;
  const fd = withNetns(netns, (there) => openClone(path, there));
  try {
    tun.setIff(fd, name, tun.attachFlags(before));
  } finally {
    tun.closeFd(fd);
  }
}

const openFailures = (): typeof import("./open-hints.ts") => lazy(() => require("./open-hints.ts"));

/** Loaded at the first open: what moves frames would be half of what importing this library costs. */
function engine(): typeof import("./device.ts") & typeof import("./attachment.ts") {
  return lazy(() => ({ ...require("./device.ts"), ...require("./attachment.ts") }));
}

interface Attached {
  readonly kind: Kind;
  readonly fd: number;
  readonly closeFd: boolean;
  readonly name: string;
  readonly client: InterfaceClient;
  /** What the fd, which has virtio headers then, is to do of segmentation offload. */
  readonly wanted: Required<OffloadOptions> | undefined;
}

/** What is the same for an opened fd and an adopted one: watch it, then apply the settings, then hand it out. */
function finish(attached: Attached, options: OpenOptions<never>, undo: Undo): TunTapDevice {
  const { kind, fd, closeFd, name, client, wanted } = attached;
  undo.push(() => client.close());
  const link = new Link(client);
  const found = findIfReachable(link);
  // Asked of netlink: in TUNGETIFF's answer IFF_NOFILTER has the bit of IFF_NO_PI (drivers/net/tun.c tun_get_iff()).
  const packetInfo = found?.tun?.packetInfo ?? false;
  const offload = wanted && enableOffload(fd, wanted);
  const headers = (kind === "tap" ? ETH_HLEN + 2 * VLAN_HLEN : 0) + (packetInfo ? TUN_PI_LEN : 0);
  const longest = offload?.raw ? VNET_HDR_LEN + ETH_MAX_MTU : (options.mtu ?? found?.mtu ?? ETH_DATA_LEN);
  const frameMax = longest + headers;
  const reuseBuffers = options.reuseBuffers ?? false;
  const { TunTapDevice, Attachment } = engine();
  const attachment = new Attachment({ kind, fd, closeFd, packetInfo, link, name, frameMax, reuseBuffers, offload });
  undo.push(() => attachment.discard());
  configure(link, fd, found, options, undo);
  return new TunTapDevice(attachment, options as DeviceOptions<TunTapDevice>, options.signal);
}

/** Undefined for an adopted fd whose interface is where rtnetlink cannot be asked. */
function findIfReachable(link: Link): LinkInfo | undefined {
  try {
    return link.info();
  } catch (error) {
    if (isUnreachable(error)) return undefined;
    throw error;
  }
}
