/** What the failures of an open device mean, and what to do about each. */

import { systemError, TunTapError, withDetails } from "./errors.ts";
import { enteringHint } from "./netns.ts";
import { EBADF, EBADFD, EFAULT, EINVAL, EIO, ETH_HLEN, TUN_PI_LEN, VNET_HDR_LEN } from "./sys/constants.ts";

/** Whether a negative errno says that the fd has no interface any more. */
export function isGone(errno: number): boolean {
  return errno === -EBADFD || errno === -EBADF;
}

/** Whether a device ended because its interface did, and not because its fd was closed behind its back. */
export function wasDeleted(reason: TunTapError | undefined): boolean {
  return reason?.code === "EBADFD" || reason?.code === "EFAULT";
}

/** Why a device ends whose interface is gone. */
export function goneError(errno: number, syscall: string): TunTapError {
  if (errno === -EBADF) {
    return systemError(errno, syscall, {
      detail: "the fd was closed behind the device's back",
      hint: "close a device with close(), and do not close its fd yourself",
    });
  }
  if (errno === -EBADFD || errno === -EFAULT) {
    return systemError(errno, syscall, {
      detail: "the interface was deleted, or the network namespace that it was in has ended",
      hint: "open the device again",
    });
  }
  return systemError(errno, syscall);
}

/** What calls on a closed device throw. */
export function closedError(reason: TunTapError | undefined): TunTapError {
  return new TunTapError("ERR_TUNTAP_CLOSED", "the device is closed", {
    hint: reason === undefined ? "open a new one, or check `closed` first" : `it ended because of ${reason.message}`,
    cause: reason,
  });
}

export function abortedError(cause: unknown): TunTapError {
  return new TunTapError("ERR_TUNTAP_ABORTED", "the device's signal was aborted", { cause });
}

export function handlerError(name: string, cause: unknown): TunTapError {
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : Bun.inspect(cause);
  return new TunTapError("ERR_TUNTAP_HANDLER", `the ${name} handler threw ${what}`, { cause });
}

/** `error` with a hint, where it is one of those that people meet when they configure an interface. */
export function explain(error: unknown, netAdmin: () => boolean = hasNetAdmin): unknown {
  if (!(error instanceof TunTapError) || error.errno === undefined || error.hint !== undefined) return error;
  const { code, syscall = "" } = error;
  const hint = controlHints[`${syscall} ${code}`] ?? controlHints[code] ?? privilegeHint(code, syscall, netAdmin);
  return hint === undefined ? error : withDetails(error, { hint });
}

const movedHint =
  "the interface is in a network namespace that this process cannot reach: frames still pass, its settings are changed from there";
const unmappedHint = "the id is not mapped in this user namespace: see /proc/self/uid_map and gid_map";
const filesHint = "close what is not needed, or raise the limit on open files (`ulimit -n`)";

/** By system call and code, or by code alone. */
const controlHints: Readonly<Record<string, string>> = {
  EMFILE: filesHint,
  ENFILE: filesHint,
  "ioctl(TUNGETIFF) ENOTTY": "the fd is no TUN/TAP fd: open /dev/net/tun and attach it with TUNSETIFF first",
  "ioctl(TUNGETIFF) EBADF": "there is no open file with that number",
  "ioctl(TUNGETIFF) EBADFD": "the fd is attached to no interface: attach it with TUNSETIFF first",
  "epoll_ctl(EPOLL_CTL_ADD) EEXIST": "the fd belongs to a device already: use that one",
  "setns(CLONE_NEWNET) EPERM": enteringHint,
  "ioctl(TUNGETDEVNETNS) EPERM": movedHint,
  "netlink(RTM_NEWLINK) ENODEV": movedHint,
  "netlink(RTM_GETLINK) ENODEV": movedHint,
  "netlink(RTM_NEWADDR) ENODEV": movedHint,
  "netlink(RTM_DELADDR) ENODEV": movedHint,
  "netlink(RTM_GETADDR) ENODEV": movedHint,
  "ioctl(TUNSETTXFILTER) EINVAL": "a TUN has no MAC addresses to filter by: open a TAP",
  "ioctl(TUNATTACHFILTER) EINVAL":
    "a TAP takes a classic BPF program of 1 to 4096 instructions whose every path ends in a return; a TUN takes none",
  "ioctl(TUNSETQUEUE) EINVAL":
    "the queue is attached, or detached, already; or the device was opened without multiQueue",
  "ioctl(TUNSETSTEERINGEBPF) EBADF": "there is no open file with that number",
  "ioctl(TUNSETSTEERINGEBPF) EINVAL": "the fd must be that of an eBPF program of the type BPF_PROG_TYPE_SOCKET_FILTER",
  "ioctl(TUNSETQUEUE) EBUSY":
    "while a TAP has a BPF filter the kernel attaches no queue: detachFilter() first, and attach it again when all queues are",
  "ioctl(TUNDETACHFILTER) EINVAL": "a TUN has no filter: open a TAP",
  "ioctl(TUNSETOWNER) EINVAL": unmappedHint,
  "ioctl(TUNSETGROUP) EINVAL": unmappedHint,
  "ioctl(SIOCSIFHWADDR) EOPNOTSUPP": "a TUN carries IP packets and has no MAC address: open a TAP",
  "ioctl(SIOCSIFHWADDR) EADDRNOTAVAIL":
    "the address of an interface is no multicast address, and not all zeros: the lowest bit of the first octet must be 0",
  "netlink(RTM_NEWADDR) EEXIST": "the interface has that address already",
  "netlink(RTM_NEWADDR) EINVAL": "an IPv6 address needs an MTU of 1280 bytes or more (RFC 8200 section 5)",
  "netlink(RTM_NEWADDR) EACCES": "IPv6 is switched off for the interface: `sysctl net.ipv6.conf.NAME.disable_ipv6=0`",
  "netlink(RTM_DELADDR) EADDRNOTAVAIL": "the interface has no such address: addresses() lists those it has",
  "netlink(RTM_NEWROUTE) EEXIST": "there is such a route already: give another `metric`, or remove that one first",
  "netlink(RTM_NEWROUTE) ENETDOWN": "a route needs an interface that is up: call up() first",
  "netlink(RTM_NEWROUTE) ENETUNREACH":
    "the gateway is on no network of this interface: give the interface an address there first, or the route `onLink: true`",
  "netlink(RTM_NEWROUTE) EHOSTUNREACH":
    "the gateway is on no network of this interface: give the interface an address there first, or the route `onLink: true`",
  "netlink(RTM_NEWROUTE) ENODEV": "IPv6 is switched off for the interface, or its MTU is below 1280: see `mtu`",
  "netlink(RTM_DELROUTE) ESRCH": "there is no such route: routes() lists those there are",
  "netlink(RTM_NEWLINK) EEXIST": "another interface has that name, here or where this one is to go: rename() it first",
  "netlink(RTM_NEWLINK) EBUSY": "this kernel renames an interface only while it is down: call down() first",
};

function privilegeHint(code: string, syscall: string, netAdmin: () => boolean): string | undefined {
  if (code !== "EPERM" || !syscall.startsWith("netlink")) return undefined;
  return netAdmin()
    ? "privilege is there, so it is the value that the kernel refuses (a queue too long for its memory), or another user namespace owns the network namespace"
    : "changing an interface needs CAP_NET_ADMIN: run as root, or `sudo setcap cap_net_admin+ep $(command -v bun)`";
}

/** Whether CAP_NET_ADMIN, number 12 of include/uapi/linux/capability.h, is effective; false if /proc does not tell. */
export function hasNetAdmin(): boolean {
  try {
    const status = process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "latin1");
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
    return (BigInt(`0x${effective}`) & (1n << 12n)) !== 0n;
  } catch {
    return false;
  }
}

/**
 * Why the kernel refused a frame (drivers/net/tun.c tun_get_user()).
 *
 * @param head Bytes of packet information or virtio header that stand before it
 */
export function sendRefused(
  errno: number,
  frame: Uint8Array,
  kind: "tun" | "tap",
  head: number,
  frameIndex: number | undefined,
): TunTapError {
  return systemError(errno, "write", { ...refusal(errno, frame, kind, head), frameIndex });
}

const heads: Readonly<Record<number, string>> = {
  [TUN_PI_LEN]: `a packet-information header of ${TUN_PI_LEN} bytes and `,
  [VNET_HDR_LEN]: `a virtio header of ${VNET_HDR_LEN} bytes and `,
};

function refusal(
  errno: number,
  frame: Uint8Array,
  kind: "tun" | "tap",
  head: number,
): { detail?: string; hint?: string } {
  if (errno === -EIO) return { detail: "the interface is down", hint: "bring it up first, with up()" };
  if (errno !== -EINVAL) return {};
  if (frame.byteLength < head + (kind === "tap" ? ETH_HLEN : 1)) {
    const what = kind === "tap" ? `an Ethernet frame of at least ${ETH_HLEN} bytes` : "an IP packet";
    return { detail: `this frame has ${frame.byteLength} bytes`, hint: `give ${heads[head] ?? ""}${what}` };
  }
  if (kind === "tun" && head === 0) {
    const first = (frame[0] as number).toString(16).padStart(2, "0");
    return {
      detail: `this packet starts with 0x${first}`,
      hint: "give an IP packet, whose first half-byte is 4 or 6, without any header before it (packetInfo is false, and a TUN has no Ethernet header)",
    };
  }
  if (head === VNET_HDR_LEN) return { hint: "give a virtio header that agrees with the bytes behind it" };
  return { hint: "give one whole, well-formed frame" };
}
