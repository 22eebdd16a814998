import { check } from "../errors.ts";
import { O_RDONLY, O_RDWR, O_NONBLOCK } from "./constants.ts";
import { native } from "./native.ts";

/** In place of an fd: a network namespace made for the purpose, which lives as long as what is opened in it. */
export const NEW_NETNS = -1;

/** Opens the file that stands for a namespace. */
export function openNetns(path: string): number {
  return check(native().fd_open(encoder.encode(`${path}\0`), O_RDONLY), "open", path);
}

/** As `openClone` of tun.ts, but what it attaches to is in the network namespace of the fd `netns`. */
export function openCloneIn(netns: number, path: string): number {
  return open(netns, encoder.encode(`${path}\0`), "open");
}

/** A socket to the rtnetlink of the network namespace of the fd `netns`. */
export function openRouteSocketIn(netns: number): number {
  return open(netns, null, "socket(NETLINK_ROUTE)");
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
