import { check } from "../errors.ts";
import { O_NONBLOCK, O_RDONLY, O_RDWR } from "./constants.ts";
import { native } from "./native.ts";

/** In place of an fd: a network namespace made for the purpose, which lives as long as what is opened in it. */
export const NEW_NETNS = -1;

/** Opens the file that stands for a namespace. */
export function openNetns(path: string): number {
  return check(native().fd_open(encoder.encode(`${path}\0`), O_RDONLY), "open", path);
}

/** The clone device; what the fd is attached to will be in `netns`, or where this thread is. Non-blocking and close-on-exec. */
export function openClone(path: string, netns?: number): number {
  const file = encoder.encode(`${path}\0`);
  return netns === undefined ? check(native().fd_open(file, O_RDWR | O_NONBLOCK), "open") : open(netns, file, "open");
}

/** A socket to the rtnetlink of `netns`, or of where this thread is. */
export function openRouteSocket(netns?: number): number {
  const syscall = "socket(NETLINK_ROUTE)";
  return netns === undefined ? check(native().nl_open(), syscall) : open(netns, null, syscall);
}

function open(netns: number, path: Uint8Array | null, syscall: string): number {
  const entered = new Int32Array(1);
  const result = native().netns_open(netns, path, O_RDWR | O_NONBLOCK, entered);
  const entering = netns === NEW_NETNS ? "unshare(CLONE_NEWNET)" : "setns(CLONE_NEWNET)";
  return check(result, entered[0] === 1 ? syscall : entered[0] === 0 ? entering : "pthread_create");
}

/** 0 if this process may make a user namespace, else -errno of clone(2). */
export function tryUserNamespace(): number {
  return native().userns_try();
}

const encoder = new TextEncoder();
