/** The options that are settings of the interface: how each is checked, applied, and put back. */

import { type Check as AnyCheck, boolean, wrong } from "../checks.ts";
import { TunTapError, withDetails } from "../errors.ts";
import {
  checkAlias,
  checkId,
  checkMaster,
  checkMtu,
  checkSendBuffer,
  checkTxQueueLength,
  type Kind,
} from "../interface/checks.ts";
import type { Link } from "../interface/link.ts";
import { lazy } from "../lazy.ts";
import type { LinkInfo } from "../netlink/link.ts";
import type { AddressLike, RouteLike } from "../netlink/types.ts";
import { tryOrUndefined, type Undo } from "../rollback.ts";
import { IFF_ALLMULTI, IFF_PERSIST, IFF_PROMISC, IFF_UP } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import type { DeviceOptions } from "./option-types.ts";

/** A check of an option; the kind of an fd is not known before the kernel is asked. */
export type Check = AnyCheck<Kind | undefined>;

type Options = DeviceOptions<never>;

/** The interface that is configured. */
export interface Target {
  readonly link: Link;
  readonly fd: number;
  /** Its state before the first change; undefined if it is new, or out of reach of rtnetlink. */
  readonly found: LinkInfo | undefined;
  /** Tells whether closing the fd takes the interface away, so that nothing that it had before is to be restored. */
  readonly isNew: boolean;
  readonly ownerless: boolean | undefined;
}

type Reached = Target & { readonly found: LinkInfo };

/** One option: how its value is checked, and applied to an interface. */
interface Setting<T> {
  readonly check: Check;
  /** Applies `value`, and adds to `undo` how it is undone. */
  apply(target: Reached, value: T, undo: Undo, option: string): void;
}

/** Settings by their options, in the order in which they are applied; they are undone in the opposite one. */
type Table<K extends keyof Options> = { readonly [L in K]: Setting<Exclude<Options[L], undefined>> };

/**
 * Makes a setting with one value. `before` reads the previous value; undefined means that the kernel cannot restore
 * it. `set` applies a value, and restores the previous one.
 */
function single<T, B = T>(
  check: Check,
  before: (target: Reached) => B | undefined,
  set: (target: Reached, value: T | B) => void,
): Setting<T> {
  return {
    check,
    apply(target, value, undo, option) {
      named(option, () => {
        const previous = before(target);
        // Added first: a call that fails half-way is undone, too.
        if (previous !== undefined) undo.push(() => set(target, previous));
        set(target, value);
      });
    },
  };
}

/** Makes a setting with several values. Each is added, and removed to undo it. */
function list<T>(
  what: string,
  parse: (value: T) => unknown,
  add: (target: Reached, value: T) => void,
  remove: (target: Reached, value: T) => void,
): Setting<readonly T[]> {
  return {
    check(value, option) {
      if (!Array.isArray(value)) throw wrong(option, what, value);
      value.forEach(parse);
    },
    apply(target, values, undo, option) {
      for (const [i, value] of values.entries()) {
        named(`${option}[${i}]`, () => add(target, value));
        undo.push(() => remove(target, value));
      }
    },
  };
}

function flag(bit: number, option: string): Setting<boolean> {
  return single(
    boolean,
    ({ found }) => (found.flags & bit) !== 0,
    ({ link }, on) => link.setFlag(bit, on, option),
  );
}

const checkMac: Check = (value, option, kind) => {
  if (kind === "tun") {
    throw new TypeError(`Option "${option}" is for a TAP: a TUN has no MAC address, got ${Bun.inspect(value)}`);
  }
  macModule().parseMac(value as string);
};

/** Settings that can be undone. */
export const settings: Table<
  | "ipv6"
  | "mac"
  | "mtu"
  | "txQueueLength"
  | "sendBuffer"
  | "alias"
  | "promiscuous"
  | "allMulticast"
  | "master"
  | "up"
  | "addresses"
  | "routes"
> = {
  // Before `up`, which makes IPv6 send. keepNetwork() restores it.
  ipv6: single<boolean>(
    boolean,
    () => undefined,
    ({ link, found }, on) => link.setIPv6(on, found),
  ),
  mac: single<string, Uint8Array>(
    checkMac,
    ({ fd }) => tun.getHwaddr(fd),
    ({ fd }, mac) => tun.setHwaddr(fd, typeof mac === "string" ? macModule().parseMac(mac) : mac),
  ),
  mtu: single(
    (value, _option, kind) => checkMtu(value as number, kind),
    ({ found }) => found.mtu,
    ({ link }, bytes) => link.setMtu(bytes),
  ),
  txQueueLength: single(
    (value) => checkTxQueueLength(value as number),
    ({ found }) => found.txQueueLength,
    ({ link }, frames) => link.setTxQueueLength(frames),
  ),
  sendBuffer: single(
    (value) => checkSendBuffer(value as number),
    ({ fd }) => tun.getSndbuf(fd),
    ({ fd }, bytes) => tun.setSndbuf(fd, bytes),
  ),
  alias: single(
    (value) => checkAlias(value as string),
    ({ found }) => found.alias ?? "",
    ({ link }, text) => link.setAlias(text),
  ),
  promiscuous: flag(IFF_PROMISC, "promiscuous"),
  allMulticast: flag(IFF_ALLMULTI, "allMulticast"),
  master: single(
    (value) => checkMaster(value as string),
    ({ found }) => found.master ?? null,
    ({ link }, master) => link.setMaster(master),
  ),
  up: single(
    boolean,
    ({ found }) => isUp(found),
    ({ link }, on) => link.setUp(on),
  ),
  // After `up`: the kernel makes no route to an IPv6 peer when an interface comes up that has one (net/ipv6/addrconf.c).
  addresses: list(
    'a list of addresses, such as ["192.0.2.1/24"]',
    (like: AddressLike) => addressModule().parseAddress(like),
    ({ link }, address) => link.addresses.add(address),
    ({ link }, address) => link.addresses.remove(address),
  ),
  // Last: a route needs an interface that is up, and a gateway an address beside it.
  routes: list(
    'a list of routes, such as ["198.51.100.0/24"]',
    (like: RouteLike) => routeModule().parseRoute(like),
    ({ link }, route) => link.routes.add(route),
    ({ link }, route) => link.routes.remove(route),
  ),
};

/**
 * Settings that cannot be undone if there was no owner or group: TUNSETOWNER and TUNSETGROUP refuse -1. So they come
 * after the others.
 */
export const ownership: Table<"owner" | "group"> = {
  owner: single(
    (value, option) => checkId(value as number, option),
    ({ found }) => found.tun?.owner,
    ({ fd }, uid) => tun.setOwner(fd, uid),
  ),
  group: single(
    (value, option) => checkId(value as number, option),
    ({ found }) => found.tun?.group,
    ({ fd }, gid) => tun.setGroup(fd, gid),
  ),
};

/** Persistence comes last of all, after `owner` and `group`: a process that is killed before leaves nothing behind. */
export const persistence: Table<"persist"> = {
  persist: single(
    boolean,
    ({ fd }) => (tun.getIff(fd).flags & IFF_PERSIST) !== 0,
    ({ fd, link, ownerless }, on) => {
      if (on) assertOwned(link, ownerless, "persist");
      tun.setPersist(fd, on);
    },
  ),
};

/**
 * Applies the `options` that are in `table`, in its order, and adds to `undo` how each is undone. An error names the
 * option.
 */
export function apply(table: Table<never>, target: Target, options: Options, undo: Undo): void {
  const rows: Readonly<Record<string, Setting<unknown>>> = table;
  const given = Object.keys(rows).filter((option) => wanted(options, option) !== undefined);
  if (given.length === 0) return;
  const reached = { ...target, found: target.found ?? target.link.info() };
  if (table === settings && !target.isNew) keepNetwork(reached, options, undo);
  for (const option of given) rows[option]?.apply(reached, wanted(options, option), undo, option);
}

/**
 * Returns the value of an option, with the default of `up`: an interface that is given addresses or routes comes up.
 * The options themselves are never copied, because a copy has nothing of what an instance of a class inherits.
 */
function wanted(options: Options, option: string): unknown {
  const { addresses = [], routes = [], [option as "up"]: value } = options;
  return option === "up" && addresses.length + routes.length > 0 ? (value ?? true) : value;
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

function isUp({ flags }: LinkInfo): boolean {
  return (flags & IFF_UP) !== 0;
}

function named<T>(option: string, apply: () => T): T {
  try {
    return apply();
  } catch (error) {
    throw withDetails(error, { option });
  }
}

/**
 * Adds to `undo` how addresses, routes and the mode of IPv6 address generation are restored, after all settings. An
 * interface that goes down loses its routes and its IPv6 addresses; one whose MTU becomes too small for IPv6 loses
 * the mode, too, and makes a link-local address when IPv6 comes back.
 */
function keepNetwork({ link, found }: Reached, options: Options, undo: Undo): void {
  const up = wanted(options, "up");
  if (options.mtu !== undefined || (up !== undefined && up !== isUp(found))) keepAddresses(link, undo);
  const { addressMode } = found;
  // The kernel chooses a mode when a TUN comes up, too (net/ipv6/addrconf.c addrconf_dev_config()).
  if (addressMode !== undefined) undo.push(() => link.setAddressMode(addressMode));
}

function keepAddresses({ addresses, routes }: Link, undo: Undo): void {
  const { addressKey } = lazy((): typeof import("../interface/addresses.ts") => require("../interface/addresses.ts"));
  const before = { addresses: addresses.dump(), routes: routes.dump() };
  undo.push(() => {
    const kept = new Set(before.addresses.map(({ address }) => addressKey(address)));
    const now = new Map(addresses.list().map((address) => [addressKey(address), address]));
    for (const [key, address] of now) if (!kept.has(key)) tryOrUndefined(() => addresses.remove(address));
    for (const { address, message } of before.addresses) {
      if (!now.has(addressKey(address))) tryOrUndefined(() => addresses.restore(message));
    }
    routes.restoreMissing(before.routes);
  });
}

function macModule(): typeof import("../interface/mac.ts") {
  return lazy(() => require("../interface/mac.ts"));
}

function addressModule(): typeof import("../netlink/address.ts") {
  return lazy(() => require("../netlink/address.ts"));
}

function routeModule(): typeof import("../netlink/route.ts") {
  return lazy(() => require("../netlink/route.ts"));
}
