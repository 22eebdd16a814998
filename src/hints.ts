/** Hints: one sentence for each error that people meet, which says what to do next. */

import { TunTapError, withDetails } from "./errors.ts";

/** Returns `error` with a hint, if it is one of those that people meet when they configure an interface. */
export function withHint(error: unknown, netAdmin: () => boolean = hasNetAdmin): unknown {
  if (!(error instanceof TunTapError) || error.errno === undefined || error.hint !== undefined) return error;
  const { code, syscall = "" } = error;
  const hint = controlHints[`${syscall} ${code}`] ?? controlHints[code] ?? privilegeHint(code, syscall, netAdmin);
  return hint === undefined ? error : withDetails(error, { hint });
}

const movedHint =
  "the interface is in a network namespace that this process cannot reach: frames still pass, its settings are changed from there";
const unmappedHint = "the id is not mapped in this user namespace: see /proc/self/uid_map and gid_map";
const filesHint = "close what is not needed, or raise the limit on open files (`ulimit -n`)";

/** Hint for setns(2), which asks for CAP_SYS_ADMIN in the caller's user namespace and in that of the network namespace. */
export const enteringHint = "entering another network namespace takes CAP_SYS_ADMIN, here and over it: run as root";

/**
 * Hint for a process that may not open this kind of socket, because of seccomp: most often a systemd service with
 * RestrictAddressFamilies= (systemd.exec(5)), whose lines add up.
 */
const familyHint =
  "this process may not use netlink: in the systemd unit of this service add the line `RestrictAddressFamilies=AF_NETLINK AF_UNIX` under [Service], then `sudo systemctl daemon-reload` and restart it; elsewhere allow socket(AF_NETLINK) in the seccomp profile";

const noIPv6Hint =
  "this kernel has no IPv6: boot it without `ipv6.disable=1`, or load the module with `sudo modprobe ipv6`";

const noRulesHint =
  "this kernel has no policy rules for that family of addresses: use one with CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES";

/** Hints by system call and code, or by code alone. */
const controlHints: Readonly<Record<string, string>> = {
  EMFILE: filesHint,
  ENFILE: filesHint,
  "ioctl(TUNGETIFF) ENOTTY": "the fd is no TUN/TAP fd: open /dev/net/tun and attach it with TUNSETIFF first",
  "ioctl(TUNGETIFF) EBADF": "there is no open file with that number",
  "ioctl(TUNGETIFF) EBADFD": "the fd is attached to no interface: attach it with TUNSETIFF first",
  "epoll_ctl(EPOLL_CTL_ADD) EEXIST": "the fd belongs to a device already: use that one",
  "socket(NETLINK_ROUTE) EAFNOSUPPORT": familyHint,
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
  "ioctl(TUNATTACHFILTER) ENOMEM":
    "the program is longer than the kernel's limit of memory for a socket's options: shorten it, or raise the limit with `sudo sysctl net.core.optmem_max=131072`",
  "ioctl(TUNSETIFF) E2BIG": "the interface has 256 queues, which is as many as the kernel attaches: close one first",
  "ioctl(TUNSETQUEUE) E2BIG":
    "the interface has 256 queues, which is as many as the kernel attaches: detach or close one first",
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
  // rtnetlink has no function for a family that is not there (net/core/rtnetlink.c rtnetlink_rcv_msg()).
  "netlink(RTM_NEWADDR) EOPNOTSUPP": noIPv6Hint,
  "netlink(RTM_NEWADDR) EAFNOSUPPORT": noIPv6Hint,
  "netlink(RTM_NEWROUTE) EOPNOTSUPP": noIPv6Hint,
  "netlink(RTM_NEWROUTE) EAFNOSUPPORT": noIPv6Hint,
  "netlink(RTM_DELADDR) EADDRNOTAVAIL": "the interface has no such address: addresses() lists those it has",
  "netlink(RTM_NEWROUTE) EEXIST": "there is such a route already: give another `metric`, or remove that one first",
  "netlink(RTM_NEWROUTE) ENETDOWN": "a route needs an interface that is up: call up() first",
  "netlink(RTM_NEWROUTE) ENETUNREACH":
    "the gateway is on no network of this interface: give the interface an address there first, with the network's prefix length (`192.0.2.1/24`: without one an address is a network of its own), or the route `onLink: true`",
  "netlink(RTM_NEWROUTE) EHOSTUNREACH":
    "the gateway is on no network of this interface: give the interface an address there first, with the network's prefix length (`192.0.2.1/24`: without one an address is a network of its own), or the route `onLink: true`",
  "netlink(RTM_NEWROUTE) ENODEV": "IPv6 is switched off for the interface, or its MTU is below 1280: see `mtu`",
  "netlink(RTM_DELROUTE) ESRCH": "there is no such route: routes() lists those there are",
  "netlink(RTM_NEWRULE) EEXIST":
    "there is such a rule already: give another `priority`, or remove that one first with removeRule()",
  "netlink(RTM_NEWRULE) EAFNOSUPPORT": noRulesHint,
  "netlink(RTM_NEWRULE) EOPNOTSUPP": noRulesHint,
  "netlink(RTM_GETRULE) EAFNOSUPPORT": noRulesHint,
  "netlink(RTM_GETRULE) EOPNOTSUPP": noRulesHint,
  "netlink(RTM_DELRULE) ENOENT": "there is no such rule: listRules() lists those there are",
  "netlink(RTM_NEWLINK) EEXIST": "another interface has that name, here or where this one is to go: rename() it first",
  // Newer kernels check the length before they ask for memory (6.1.19x, 6.12, 7.2).
  "netlink(RTM_NEWLINK) ERANGE": "this kernel takes a queue of 32767 frames at most: see `txQueueLength`",
  "netlink(RTM_NEWLINK) EBUSY": "this kernel renames an interface only while it is down: call down() first",
};

function privilegeHint(code: string, syscall: string, netAdmin: () => boolean): string | undefined {
  if (code !== "EPERM" || !syscall.startsWith("netlink")) return undefined;
  return netAdmin()
    ? "privilege is there, so it is the value that the kernel refuses (a queue too long for its memory), or another user namespace owns the network namespace"
    : "changing an interface needs CAP_NET_ADMIN: run as root, or `sudo setcap cap_net_admin+ep $(command -v bun)`";
}

/** Returns whether CAP_NET_ADMIN, number 12 of include/uapi/linux/capability.h, is effective. */
export function hasNetAdmin(): boolean {
  return hasCapability(12);
}

/** Returns whether a capability (CAP_*) is effective in this process; false if /proc does not tell. */
export function hasCapability(capability: number): boolean {
  try {
    const status = process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "latin1");
    const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0";
    return ((BigInt(`0x${effective}`) >> BigInt(capability)) & 1n) === 1n;
  } catch {
    return false;
  }
}
