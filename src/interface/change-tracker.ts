import { decodeAddress } from "../netlink/address.ts";
import { RTM_DELADDR, RTM_NEWADDR, RTM_NEWLINK } from "../netlink/constants.ts";
import { decodeLink, type LinkInfo } from "../netlink/link.ts";
import type { Message } from "../netlink/message.ts";
import type { Address } from "../netlink/types.ts";
import { formatMac } from "../packet/address-text.ts";
import { IFF_UP } from "../sys/constants.ts";
import { addressKey } from "./addresses.ts";
import type { LinkChange } from "./types.ts";

/**
 * Keeps the known state of an interface and turns each notification into changes: the kernel reports states, not
 * changes, and reports some twice. Pure.
 */
export class ChangeTracker {
  #link: LinkInfo;
  readonly #addresses = new Map<string, Address>();

  constructor(link: LinkInfo, addresses: readonly Address[]) {
    this.#link = link;
    for (const address of addresses) this.#addresses.set(addressKey(address), address);
  }

  get up(): boolean {
    return isUp(this.#link);
  }

  /** Replaces the state of the link; returns the changes. */
  setLink(link: LinkInfo): LinkChange[] {
    const before = this.#link;
    this.#link = link;
    const changes: (LinkChange | false)[] = [
      link.name !== before.name && { type: "name", name: link.name, before: before.name },
      link.mtu !== before.mtu && { type: "mtu", mtu: link.mtu },
      link.mac?.toHex() !== before.mac?.toHex() && { type: "mac", mac: formatMac(link.mac ?? new Uint8Array(6), 0) },
      link.master !== before.master && { type: "master", master: link.master },
      isUp(link) !== isUp(before) && { type: isUp(link) ? "up" : "down" },
      link.carrier !== before.carrier && { type: "carrier", carrier: link.carrier },
    ];
    return changes.filter((change) => change !== false);
  }

  /** Sets whether the interface is up, which is all that is known without rtnetlink; returns the changes. */
  setUp(up: boolean): LinkChange[] {
    const flags = up ? this.#link.flags | IFF_UP : this.#link.flags & ~IFF_UP;
    return this.setLink({ ...this.#link, flags });
  }

  setAddress(address: Address): LinkChange[] {
    const key = addressKey(address);
    const before = this.#addresses.get(key);
    this.#addresses.set(key, address);
    if (before === undefined) return [{ type: "address-added", address }];
    return isSame(before, address) ? [] : [{ type: "address-changed", address }];
  }

  removeAddress(address: Address): LinkChange[] {
    return this.#addresses.delete(addressKey(address)) ? [{ type: "address-removed", address }] : [];
  }

  /** Returns the changes that a message about this interface tells of. */
  take({ type, body }: Message): LinkChange[] {
    if (type === RTM_NEWLINK) {
      const link = decodeLink(body);
      return link === null ? [] : this.setLink(link);
    }
    if (type !== RTM_NEWADDR && type !== RTM_DELADDR) return [];
    const found = decodeAddress(body);
    if (found === null) return [];
    return type === RTM_NEWADDR ? this.setAddress(found.address) : this.removeAddress(found.address);
  }

  /** Replaces the whole state, after notifications were lost; returns the changes. */
  reset(link: LinkInfo, addresses: readonly Address[]): LinkChange[] {
    const kept = new Set(addresses.map(addressKey));
    const gone = [...this.#addresses].filter(([key]) => !kept.has(key)).map(([, address]) => address);
    return [
      ...gone.flatMap((address) => this.removeAddress(address)),
      ...this.setLink(link),
      ...addresses.flatMap((address) => this.setAddress(address)),
    ];
  }
}

function isUp({ flags }: LinkInfo): boolean {
  return (flags & IFF_UP) !== 0;
}

/** Compares two addresses without their lifetimes, which count down by themselves. */
function isSame(one: Address, other: Address): boolean {
  const settled = { validLifetime: undefined, preferredLifetime: undefined };
  return Bun.deepEquals({ ...one, ...settled }, { ...other, ...settled });
}
