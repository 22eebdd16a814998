import type { Link } from "./link.ts";
import type { LinkInfo } from "./netlink/link.ts";
import { parseMac } from "./options.ts";
import { IFF_PERSIST, IFF_UP } from "./sys/constants.ts";
import * as tun from "./sys/tun.ts";
import type { DeviceOptions, OpenOptions } from "./types.ts";
import type { Undo } from "./undo.ts";

/** The options that are settings of the interface. */
type Settings = Pick<DeviceOptions<never>, "mac" | "mtu" | "txQueueLength" | "addresses" | "up" | "persist"> &
  Pick<OpenOptions<never>, "owner" | "group">;

/**
 * Applies `settings` to the interface of `fd`, which is as `found` says, and
 * leaves in `undo` how each is taken back.
 */
export function configure(link: Link, fd: number, found: LinkInfo, settings: Settings, undo: Undo): void {
  const { mac, mtu, txQueueLength, addresses = [], persist } = settings;
  const wasUp = (found.flags & IFF_UP) !== 0;
  const { up = addresses.length > 0 ? true : wasUp } = settings;
  if (mtu !== undefined || up !== wasUp) keepAddresses(link, undo);
  if (mac !== undefined) {
    const before = tun.getHwaddr(fd);
    undo.push(() => tun.setHwaddr(fd, before));
    tun.setHwaddr(fd, parseMac(mac));
  }
  if (mtu !== undefined) {
    undo.push(() => link.setMtu(found.mtu));
    link.setMtu(mtu);
  }
  if (txQueueLength !== undefined) {
    undo.push(() => link.setTxQueueLength(found.txQueueLength));
    link.setTxQueueLength(txQueueLength);
  }
  for (const address of addresses) {
    link.addAddress(address);
    undo.push(() => link.removeAddress(address));
  }
  setOwnership(fd, found, settings, undo);
  if (up !== wasUp) {
    undo.push(() => link.setUp(wasUp));
    link.setUp(up);
  }
  if (persist !== undefined) {
    const wasPersistent = (tun.getIff(fd).flags & IFF_PERSIST) !== 0;
    undo.push(() => tun.setPersist(fd, wasPersistent));
    tun.setPersist(fd, persist);
  }
}

/** IPv6 drops its addresses when an interface goes down, and when its MTU is too small for it. */
function keepAddresses(link: Link, undo: Undo): void {
  const before = link.addresses();
  undo.push(() => {
    const now = new Set(link.addresses().map(({ address }) => address));
    for (const each of before) if (!now.has(each.address)) link.addAddress(each);
  });
}

/** An owner that there was comes back; the kernel knows no way back to none (TUNSETOWNER refuses -1). */
function setOwnership(fd: number, { tun: before }: LinkInfo, { owner, group }: Settings, undo: Undo): void {
  if (owner !== undefined) {
    const previous = before?.owner;
    if (previous !== undefined) undo.push(() => tun.setOwner(fd, previous));
    tun.setOwner(fd, owner);
  }
  if (group !== undefined) {
    const previous = before?.group;
    if (previous !== undefined) undo.push(() => tun.setGroup(fd, previous));
    tun.setGroup(fd, group);
  }
}
