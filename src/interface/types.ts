/** Changes of an interface, and network namespaces. */

import type { Address } from "../netlink/types.ts";

/** A network namespace: a name as in `ip netns` (`/run/netns/NAME`), a path such as `"/proc/123/ns/net"`, or the id of a process in it. */
export type NetnsLike = string | number;

/** One change of an interface, in the order in which the kernel made them. */
export type LinkChange =
  | { readonly type: "up" | "down" }
  | { readonly type: "carrier"; readonly carrier: boolean }
  | { readonly type: "mtu"; readonly mtu: number }
  | { readonly type: "name"; readonly name: string; readonly before: string }
  | { readonly type: "mac"; readonly mac: string }
  | { readonly type: "master"; readonly master: number | undefined }
  | { readonly type: "address-added" | "address-changed" | "address-removed"; readonly address: Address }
  /**
   * Only from `changes()`: too many changes waited, so the oldest `count` were dropped, and the newest follow.
   * `info()` and `addresses()` return the current state.
   */
  | { readonly type: "lost"; readonly count: number }
  /**
   * The interface is in another network namespace now, and may have another index. It came down on the way and lost
   * its addresses and routes.
   */
  | { readonly type: "moved"; readonly index: number | undefined }
  /** The last change of all. */
  | { readonly type: "deleted" };
