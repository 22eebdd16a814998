import { check } from "../errors.ts";
import { O_NONBLOCK, O_RDONLY, O_RDWR } from "./constants.ts";
import { native } from "./native.ts";

/** Argument in place of an fd: a new network namespace, which lives as long as the fd that is opened in it. */
export const NEW_NETNS = -1;

/**
 * Creates a network namespace in which nothing is up, and returns an owned fd
 * of it. It lives until that fd is closed and nothing else is in it.
 *
 * @throws {TunTapError} `EPERM` without CAP_SYS_ADMIN, `ENOSPC` at the limit of
 * `user.max_net_namespaces`, `ENOENT` where /proc is not mounted
 */
export function createNetns(): number {
  return open(NEW_NETNS, ownNetns, "open(/proc/thread-self/ns/net)", O_RDONLY);
}

/** Opens the file that stands for a namespace. */
export function openNetns(path: string): number {
  return check(native().fd_open(encoder.encode(`${path}\0`), O_RDONLY | O_NONBLOCK), "open", path);
}

/**
 * Opens the clone device in `netns`, or in the namespace of this thread, non-blocking and close-on-exec. The
 * interface that the fd is attached to will be there.
 */
export function openClone(path: string, netns?: number): number {
  const file = encoder.encode(`${path}\0`);
  return netns === undefined ? check(native().fd_open(file, O_RDWR | O_NONBLOCK), "open") : open(netns, file, "open");
}

/** Opens a socket to the rtnetlink of `netns`, or of the namespace of this thread. */
export function openRouteSocket(netns?: number): number {
  const syscall = "socket(NETLINK_ROUTE)";
  return netns === undefined ? check(native().nl_open(), syscall) : open(netns, null, syscall);
}

/** Opens `path`, or an rtnetlink socket without one. A thread of the shim enters `netns` for it, and ends. */
function open(netns: number, path: Uint8Array | null, syscall: string, flags: number = O_RDWR | O_NONBLOCK): number {
  const entered = new Int32Array(1);
  const result = native().netns_open(netns, path, flags, entered);
  const entering = netns === NEW_NETNS ? "unshare(CLONE_NEWNET)" : "setns(CLONE_NEWNET)";
  return check(result, entered[0] === 1 ? syscall : entered[0] === 0 ? entering : "pthread_create");
}

/** Opens the namespace that this thread is in. */
export function openOwnNetns(): number {
  return check(native().fd_open(ownNetns, O_RDONLY), "open(/proc/thread-self/ns/net)");
}

/** Moves this JavaScript thread into a network namespace: its sockets, its children, and the Workers that it starts. */
export function enterNetns(netns: number): void {
  check(native().netns_enter(netns), "setns(CLONE_NEWNET)");
}

/** Brings up the loopback interface of a network namespace. */
export function bringLoopbackUp(netns: number): void {
  const socket = openRouteSocket(netns);
  try {
    check(native().loopback_up(socket), "ioctl(SIOCSIFFLAGS)", "lo");
  } finally {
    native().fd_close(socket);
  }
}

/** Opens a raw, non-blocking socket for ICMP or ICMPv6 where this thread is. */
export function openIcmp(family: number): number {
  return check(native().icmp_open(family), "socket(SOCK_RAW)");
}

/** Returns 0 if this process may make a user namespace, else -errno of clone(2). */
export function tryUserNamespace(): number {
  return native().userns_try();
}

const encoder = new TextEncoder();

/** Names the namespace of the calling thread, not of the process. */
const ownNetns = encoder.encode("/proc/thread-self/ns/net\0");
