/** Hints for the errors of UDP sockets. */

import { TunTapError, withDetails } from "../errors.ts";

/** Hints for buffers beyond the kernel's limit. */
const privileged = "takes CAP_NET_ADMIN: run as root, or `sudo setcap cap_net_admin+ep $(command -v bun)`";

/** Hints by system call and code. */
const openHints: Readonly<Record<string, string>> = {
  "socket EAFNOSUPPORT": 'this kernel has no IPv6: give an IPv4 address, or `address: "0.0.0.0"`',
  "socket EMFILE": "close what is not needed, or raise the limit on open files (`ulimit -n`)",
  "socket ENFILE": "close what is not needed, or raise the limit on open files (`ulimit -n`)",
  "bind EADDRINUSE": "another socket has that port: choose another one, or give `reusePort` to all that share it",
  "bind EACCES":
    "ports below net.ipv4.ip_unprivileged_port_start (1024) take CAP_NET_BIND_SERVICE: run as root, or choose a higher port",
  "bind EADDRNOTAVAIL":
    "no interface of this network namespace has that address, or it is an IPv6 address that is still tentative: `ip address` shows both",
  "bind ENODEV": "the interface of that link-local address does not exist here: `ip link` lists those that do",
  "bind EINVAL": "a link-local address needs its interface, as in fe80::1%eth0",
  "connect ENETUNREACH": "there is no route to the peer: `ip route get` shows the same",
  "connect EHOSTUNREACH": "there is no route to the peer: `ip route get` shows the same",
  "connect EINVAL": "no interface has the local address that was given, or the peer cannot be reached from it",
  "connect EACCES": "the peer is a broadcast address, or a rule forbids it: give the address of a host",
  "setsockopt(SO_BINDTODEVICE) ENODEV":
    "there is no such interface in this network namespace: `ip link` lists those there are",
  "setsockopt(SO_BINDTODEVICE) EPERM": `a socket that is bound to an interface ${privileged}`,
  "setsockopt(SO_MARK) EPERM": `a mark ${privileged}`,
  "setsockopt(SO_SNDBUF) EPERM": `ask for less, raise net.core.wmem_max, or give CAP_NET_ADMIN: more than that ${privileged}`,
  "setsockopt(SO_RCVBUF) EPERM": `ask for less, raise net.core.rmem_max, or give CAP_NET_ADMIN: more than that ${privileged}`,
};

/** Returns `error` with a hint, if it is one that opening a socket may meet. */
export function withUdpHint(error: unknown): unknown {
  if (!(error instanceof TunTapError) || error.hint !== undefined) return error;
  const hint = openHints[`${error.syscall} ${error.code}`];
  return hint === undefined ? error : withDetails(error, { hint });
}
