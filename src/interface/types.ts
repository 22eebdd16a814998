/** Changes of an interface, and network namespaces. */

import type { Address } from "../netlink/types.ts";

/** A network namespace: a name as in `ip netns` (`/run/netns/NAME`), a path such as `"/proc/123/ns/net"`, or the id of a process in it. */
export type NetnsLike = string | number;

/** One change of an interface, in the order in which the kernel made them. */
export type LinkChange =
  | { readonly type: "up" | "down" }
  | {
      readonly type: "carrier";
      /** Tells whether the interface has a carrier now. */
      readonly carrier: boolean;
    }
  | {
      readonly type: "mtu";
      /** The new MTU, in bytes. */
      readonly mtu: number;
    }
  | {
      readonly type: "name";
      /** The new name. */
      readonly name: string;
      /** The name before. */
      readonly before: string;
    }
  | {
      readonly type: "mac";
      /** The new MAC address, as text. */
      readonly mac: string;
    }
  | {
      readonly type: "master";
      /** The index of the bridge, bond or VRF; undefined if it has left one. */
      readonly master: number | undefined;
    }
  | {
      readonly type: "address-added" | "address-changed" | "address-removed";
      /** The address as it is now, or was. */
      readonly address: Address;
    }
  /**
   * Only from `changes()`: too many changes waited, so the oldest `count` were dropped, and the newest follow.
   * `info()` and `addresses()` return the current state.
   */
  | {
      readonly type: "lost";
      /** The number of dropped changes. */
      readonly count: number;
    }
  /**
   * The interface is in another network namespace now, and may have another index. It came down on the way and lost
   * its addresses and routes.
   */
  | {
      readonly type: "moved";
      /** The index there; undefined if it cannot be told from here. */
      readonly index: number | undefined;
    }
  /** The last change of all. */
  | { readonly type: "deleted" };

/** Frames that a TAP's transmit filter lets through beside those to the addresses given. */
export interface TxFilterOptions {
  /** Lets every multicast frame through. Default false. */
  readonly allMulticast?: boolean;
  /** Lets broadcast frames through, which ARP needs. Default true. */
  readonly broadcast?: boolean;
}
