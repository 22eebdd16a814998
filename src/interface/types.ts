/** How an interface changes, and where it is. */

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
   * From `changes()` alone: nobody took so many changes that the oldest `count`
   * of those that waited were dropped, and the newest follow. `info()` and
   * `addresses()` tell how things are.
   */
  | { readonly type: "lost"; readonly count: number }
  /** It is in another network namespace now, where it may have another index. It came down on the way and lost its addresses and routes. */
  | { readonly type: "moved"; readonly index: number | undefined }
  /** The last change of all. */
  | { readonly type: "deleted" };
