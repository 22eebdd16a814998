import { TunTapError, withDetails } from "../errors.ts";
import { addressKey } from "../interface/addresses.ts";
import { parseMac } from "../interface/checks.ts";
import type { Link } from "../interface/link.ts";
import type { LinkInfo } from "../netlink/link.ts";
import { tryOrUndefined, type Undo } from "../rollback.ts";
import { IFF_ALLMULTI, IFF_PERSIST, IFF_PROMISC, IFF_UP } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import type { DeviceOptions } from "./types.ts";

const names = [
  "mac",
  "mtu",
  "txQueueLength",
  "alias",
  "promiscuous",
  "allMulticast",
  "master",
  "ipv6",
  "addresses",
  "owner",
  "group",
  "up",
  "routes",
  "persist",
  "ownerless",
] as const;

/** The options that are settings of the interface. */
type Settings = Pick<DeviceOptions<never>, (typeof names)[number]>;

/**
 * Applies `settings` to the interface of `fd`, and leaves in `undo` how each
 * is taken back. An error names the option.
 *
 * @param known How the interface is; undefined if it is out of reach
 */
export function configure(link: Link, fd: number, known: LinkInfo | undefined, settings: Settings, undo: Undo): void {
  if (names.every((name) => settings[name] === undefined)) return;
  const found = known ?? link.info();
  const { mac, mtu, txQueueLength, alias, promiscuous, allMulticast, master, ipv6 } = settings;
  const { addresses = [], routes = [], persist } = settings;
  const wasUp = (found.flags & IFF_UP) !== 0;
  const { up = addresses.length + routes.length > 0 ? true : wasUp } = settings;
  const set = (option: string, apply: () => void, takeBack: () => void): void => {
    undo.push(takeBack);
    named(option, apply);
  };
  const setFlag = (option: string, flag: number, on: boolean): void =>
    set(
      option,
      () => link.setFlag(flag, on, option),
      () => link.setFlag(flag, (found.flags & flag) !== 0, option),
    );
  if (mtu !== undefined || up !== wasUp) keepNetwork(link, undo);
  const { addressMode } = found;
  // Coming up chooses one for a TUN, too (net/ipv6/addrconf.c addrconf_dev_config()).
  if (addressMode !== undefined) undo.push(() => link.setAddressMode(addressMode));
  if (ipv6 !== undefined) named("ipv6", () => link.setIPv6(ipv6, found));
  if (mac !== undefined) {
    const before = named("mac", () => tun.getHwaddr(fd));
    set(
      "mac",
      () => tun.setHwaddr(fd, parseMac(mac)),
      () => tun.setHwaddr(fd, before),
    );
  }
  if (mtu !== undefined) {
    set(
      "mtu",
      () => link.setMtu(mtu),
      () => link.setMtu(found.mtu),
    );
  }
  if (txQueueLength !== undefined) {
    set(
      "txQueueLength",
      () => link.setTxQueueLength(txQueueLength),
      () => link.setTxQueueLength(found.txQueueLength),
    );
  }
  if (alias !== undefined) {
    set(
      "alias",
      () => link.setAlias(alias),
      () => link.setAlias(found.alias ?? ""),
    );
  }
  if (promiscuous !== undefined) setFlag("promiscuous", IFF_PROMISC, promiscuous);
  if (allMulticast !== undefined) setFlag("allMulticast", IFF_ALLMULTI, allMulticast);
  if (master !== undefined) {
    set(
      "master",
      () => link.setMaster(master),
      () => link.setMaster(found.master ?? null),
    );
  }
  setOwnership(fd, found, settings, undo);
  if (up !== wasUp) {
    set(
      "up",
      () => link.setUp(up),
      () => link.setUp(wasUp),
    );
  }
  // After that: the kernel makes no route to an IPv6 peer when an interface comes up that has one (net/ipv6/addrconf.c).
  for (const [i, address] of addresses.entries()) {
    named(`addresses[${i}]`, () => link.addresses.add(address));
    undo.push(() => link.addresses.remove(address));
  }
  for (const [i, route] of routes.entries()) {
    named(`routes[${i}]`, () => link.routes.add(route));
    undo.push(() => link.routes.remove(route));
  }
  // The last of all: a process that is killed before leaves nothing behind.
  if (persist !== undefined) {
    if (persist) assertOwned(link, settings.ownerless, "persist");
    const wasPersistent = (tun.getIff(fd).flags & IFF_PERSIST) !== 0;
    set(
      "persist",
      () => tun.setPersist(fd, persist),
      () => tun.setPersist(fd, wasPersistent),
    );
  }
}

/** @throws {TunTapError} `ERR_TUNTAP_OWNERLESS` if any user may attach to the interface, unless that is asked for */
export function assertOwned(link: Link, ownerless: boolean | undefined, option?: string): void {
  const { owner, group } = link.info().tun ?? {};
  if (ownerless || owner !== undefined || group !== undefined) return;
  // drivers/net/tun.c tun_not_capable()
  throw new TunTapError(
    "ERR_TUNTAP_OWNERLESS",
    "a persistent interface without owner and group is open to every user",
    {
      option,
      hint: "give it an `owner` or a `group`, such as process.getuid(), or say that you mean it with `ownerless: true`",
    },
  );
}

function named<T>(option: string, apply: () => T): T {
  try {
    return apply();
  } catch (error) {
    throw withDetails(error, { option });
  }
}

/**
 * An interface that goes down loses its routes and its IPv6 addresses, and one
 * whose MTU becomes too small for IPv6 all of that; coming back it makes a
 * link-local address. In the end all are just as they were.
 */
function keepNetwork({ addresses, routes }: Link, undo: Undo): void {
  const before = { addresses: addresses.dump(), routes: routes.dump() };
  undo.push(() => {
    const known = new Set(before.addresses.map(({ address }) => addressKey(address)));
    const now = addresses.list();
    for (const address of now) if (!known.has(addressKey(address))) tryOrUndefined(() => addresses.remove(address));
    for (const { address, message } of before.addresses) {
      if (!now.some((each) => addressKey(each) === addressKey(address)))
        tryOrUndefined(() => addresses.restore(message));
    }
    routes.restoreMissing(before.routes);
  });
}

/** An owner that there was comes back; the kernel knows no way back to none (TUNSETOWNER refuses -1). */
function setOwnership(fd: number, { tun: before }: LinkInfo, { owner, group }: Settings, undo: Undo): void {
  if (owner !== undefined) {
    const previous = before?.owner;
    if (previous !== undefined) undo.push(() => tun.setOwner(fd, previous));
    named("owner", () => tun.setOwner(fd, owner));
  }
  if (group !== undefined) {
    const previous = before?.group;
    if (previous !== undefined) undo.push(() => tun.setGroup(fd, previous));
    named("group", () => tun.setGroup(fd, group));
  }
}
