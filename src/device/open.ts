import { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import type { Kind } from "../interface/checks.ts";
import { findLink, InterfaceClient } from "../interface/client.ts";
import { withNetns } from "../interface/namespace.ts";
import type { NetnsLike } from "../interface/types.ts";
import { lazy } from "../lazy.ts";
import type { LinkInfo } from "../netlink/link.ts";
import type { RouteSocket } from "../netlink/socket.ts";
import { withRollback } from "../rollback.ts";
import { IFF_PERSIST, IFF_TUN_EXCL } from "../sys/constants.ts";
import { openClone } from "../sys/netns.ts";
import * as tun from "../sys/tun.ts";
import { deviceOf, openSocket, wantedOffload } from "./assemble.ts";
import type { TunTapDevice } from "./device.ts";
import type { OpenOptions } from "./option-types.ts";
import { checkOpenOptions, DEFAULT_PATH } from "./options.ts";
import type { Tap, Tun } from "./types.ts";

/**
 * Opens a TUN interface, which carries IP packets.
 *
 * Creates it, or attaches to a persistent one of that name. A call that fails leaves nothing behind: no fd, no
 * interface, no setting.
 *
 * @throws {TunTapError} with `code`, `syscall` and a `hint`: `ENOENT`, `EACCES` or `EPERM` (device node or
 * privilege), `EBUSY`, `EINVAL` (name or type), `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 * @throws {TypeError | RangeError} for wrong options
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

/** Opens a TAP interface, which carries Ethernet frames. Otherwise does the same as {@link openTun}. */
export function openTap(options: OpenOptions<Tap> = {}): Tap {
  return open("tap", options as OpenOptions<never>) as TunTapDevice & Tap;
}

function open(kind: Kind, options: OpenOptions<never>): TunTapDevice {
  checkOpenOptions(options, kind);
  options.signal?.throwIfAborted();
  const { path = DEFAULT_PATH, exclusive = false, packetInfo = false, multiQueue = false } = options;
  const wanted = options.name ?? `${kind}%d`;
  return withRollback((undo) => {
    let socket: RouteSocket | undefined;
    try {
      const offload = wantedOffload(options.offload);
      return withNetns(options.netns, (netns) => {
        const fd = openClone(path, netns);
        undo.push(() => tun.closeFd(fd));
        socket = openSocket(undo, netns);
        const before = findLink(socket, wanted);
        const isShared = (before?.tun?.queues ?? 0) > 0;
        // Attaching rewrites these flags of a persistent interface; attaching an fd with the previous ones restores
        // them.
        if (before?.tun?.kind === kind && !isShared) undo.unshift(() => restoreFlags(path, before, options.netns));
        const vnetHeader = offload !== undefined;
        const flags = tun.attachFlags({ kind, packetInfo, vnetHeader, multiQueue });
        assertFeatures(fd, flags);
        if (isShared && before?.tun?.kind === kind) assertSameFrames(before, flags);
        const name = tun.setIff(fd, wanted, flags | (exclusive ? IFF_TUN_EXCL : 0));
        const client = new InterfaceClient(fd, socket);
        const persists = (tun.getIff(fd).flags & IFF_PERSIST) !== 0;
        const isNew = before === undefined && !persists;
        const hadUsers = persists && !isShared;
        return deviceOf({ kind, fd, closeFd: true, name, client, wanted: offload, isNew, hadUsers }, options, undo);
      });
    } catch (error) {
      const explained = withHint(error);
      if (!(explained instanceof TunTapError) || explained.hint !== undefined) throw explained;
      throw openFailures().withOpenHint(explained, { kind, name: wanted, path, exclusive }, socket);
    }
  });
}

/**
 * Refuses flags that differ: attaching one more queue gives all queues its flags (drivers/net/tun.c tun_set_iff()),
 * and their users would find headers that they do not expect.
 */
function assertSameFrames({ name, tun: before }: LinkInfo, flags: number): void {
  if (before === undefined || !before.multiQueue || tun.attachFlags(before) === flags) return;
  throw new TunTapError("EBUSY", `"${name}" is in use with other headers on its frames, or with a single queue`, {
    hint: "open it with `multiQueue`, `offload` and `packetInfo` as the others have it, or choose another name",
  });
}

/** Checks what the kernel has before, because TUNSETIFF ignores bits that it does not know. */
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
