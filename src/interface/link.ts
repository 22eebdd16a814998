import { systemError, TunTapError, withDetails } from "../errors.ts";
import { lazy } from "../lazy.ts";
import { IN6_ADDR_GEN_MODE_EUI64, IN6_ADDR_GEN_MODE_NONE, RTM_NEWLINK } from "../netlink/constants.ts";
import {
  type LinkInfo,
  linkAddressMode,
  linkAlias,
  linkBody,
  linkMaster,
  linkMtu,
  linkName,
  linkNetns,
  linkTxQueueLength,
} from "../netlink/link.ts";
import type { Attribute } from "../netlink/message.ts";
import { RouteSocket } from "../netlink/socket.ts";
import type { LinkStats } from "../netlink/types.ts";
import { tryOrUndefined } from "../rollback.ts";
import { EEXIST, EINVAL, IFF_UP, IPV6_MIN_MTU } from "../sys/constants.ts";
import type { Addresses } from "./addresses.ts";
import { findLink, type InterfaceClient } from "./client.ts";
import type { Routes } from "./routes.ts";

const addressModule = (): typeof import("./addresses.ts") => lazy(() => require("./addresses.ts"));
const routeModule = (): typeof import("./routes.ts") => lazy(() => require("./routes.ts"));

/** Asks and changes one interface over rtnetlink. */
export class Link {
  readonly client: InterfaceClient;
  #addresses: Addresses | undefined;
  #routes: Routes | undefined;
  /**
   * Tells whether IPv6 shall be silent. Kept here because an MTU below 1280 removes IPv6 and its settings from the
   * interface.
   */
  #silent = false;

  constructor(client: InterfaceClient) {
    this.client = client;
  }

  /** The addresses of the interface. */
  get addresses(): Addresses {
    this.#addresses ??= new (addressModule().Addresses)(this.client);
    return this.#addresses;
  }

  /** The routes through the interface. */
  get routes(): Routes {
    this.#routes ??= new (routeModule().Routes)(this.client);
    return this.#routes;
  }

  info(): LinkInfo {
    return this.client.info();
  }

  setUp(on: boolean): void {
    this.setFlag(IFF_UP, on, on ? "up" : "down");
  }

  /** @param flag IFF_* */
  setFlag(flag: number, on: boolean, what: string): void {
    this.#change(what, (index) => linkBody(index, on ? flag : 0, flag));
  }

  /**
   * Sets the MTU. IPv6 leaves an interface whose MTU falls below 1280 and comes back with the kernel's default
   * settings (net/ipv6/addrconf.c addrconf_notify(), NETDEV_CHANGEMTU), so it is made silent again.
   */
  setMtu(bytes: number): void {
    const info = this.info();
    if (info.addressMode !== undefined) this.#silent = info.addressMode === IN6_ADDR_GEN_MODE_NONE;
    const set = (): void => this.#set(`MTU ${bytes}`, linkMtu(bytes));
    // A kernel without IPv6 brings none back.
    const returns = info.addressMode === undefined && info.mtu < IPV6_MIN_MTU && bytes >= IPV6_MIN_MTU;
    if (returns && this.#silent) this.#silently(info, set);
    else set();
  }

  /**
   * Runs `change`, which brings IPv6 to the interface, while the interface is down: on one that is up IPv6 sends at
   * once.
   */
  #silently({ flags }: LinkInfo, change: () => void): void {
    const isUp = (flags & IFF_UP) !== 0;
    const before = isUp ? this.routes.dump() : [];
    if (isUp) this.setUp(false);
    try {
      change();
      if (this.info().addressMode !== undefined) this.setAddressMode(IN6_ADDR_GEN_MODE_NONE);
    } finally {
      if (isUp) this.setUp(true);
      this.routes.restoreMissing(before);
    }
  }

  setTxQueueLength(frames: number): void {
    this.#set(`queue length ${frames}`, linkTxQueueLength(frames));
  }

  rename(name: string): void {
    this.#set(`name ${name}`, linkName(name));
  }

  setAlias(text: string): void {
    this.#set(`alias ${text}`, linkAlias(text));
  }

  /** @param master name or index; null for none */
  setMaster(master: string | number | null): void {
    const index = typeof master === "string" ? this.#masterIndex(master) : (master ?? 0);
    try {
      this.#set(`master ${master}`, linkMaster(index));
    } catch (error) {
      throw withDetails(error, { hint: masterHints[(error as TunTapError).code] });
    }
  }

  /**
   * Sets whether IPv6 generates addresses. Without them it solicits no router and reports no group
   * (net/ipv6/addrconf.c addrconf_dev_config()).
   */
  setIPv6(on: boolean, { addressMode }: LinkInfo = this.info()): void {
    this.#silent = !on;
    // A kernel without IPv6 sends nothing anyway.
    if (addressMode === undefined || (addressMode !== IN6_ADDR_GEN_MODE_NONE) === on) return;
    this.setAddressMode(on ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE);
  }

  /** @param mode IN6_ADDR_GEN_MODE_* */
  setAddressMode(mode: number): void {
    this.#set("IPv6 address generation", linkAddressMode(mode));
  }

  /**
   * Moves the interface into the namespace of the fd `netns`. IPv6 begins anew there, so it is made silent again.
   *
   * @throws {TunTapError} `EEXIST` if its name is taken there
   */
  move(netns: number): void {
    const { addressMode, name } = this.info();
    // Opened first: an interface that cannot be followed does not move.
    const there = new RouteSocket(netns);
    try {
      this.#set("netns", linkNetns(netns));
    } catch (error) {
      const taken = isRefusedName(error) && tryOrUndefined(() => findLink(there, name)) !== undefined;
      there.close();
      throw taken ? systemError(-EEXIST, "netlink(RTM_NEWLINK)", { detail: `name ${name}` }) : error;
    }
    this.client.follow(there);
    if (addressMode === IN6_ADDR_GEN_MODE_NONE) this.setAddressMode(addressMode);
  }

  stats(): LinkStats {
    const { stats } = this.info();
    if (stats === undefined) throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", "the kernel gave no IFLA_STATS64");
    return stats;
  }

  #masterIndex(name: string): number {
    try {
      return this.client.indexOf(name);
    } catch (error) {
      if ((error as TunTapError).code !== "ENODEV") throw error;
      throw withDetails(error, {
        detail: `master ${name}`,
        hint: `there is no interface "${name}" here: make it first, such as \`ip link add ${name} type bridge\``,
      });
    }
  }

  #set(what: string, ...attributes: Attribute[]): void {
    this.#change(what, (index) => linkBody(index), attributes);
  }

  #change(what: string, body: (index: number) => Uint8Array, attributes: Attribute[] = []): void {
    this.client.request("RTM_NEWLINK", RTM_NEWLINK, 0, body, () => attributes, what);
  }
}

/**
 * Returns whether the kernel may mean a taken name: up to 6.1 it answers EINVAL, later EEXIST (net/core/dev.c
 * __dev_change_net_namespace()).
 */
function isRefusedName(error: unknown): boolean {
  return error instanceof TunTapError && error.errno === -EINVAL;
}

/**
 * Hints for errors without a message of the kernel (net/core/rtnetlink.c do_set_master(), net/bridge/br_if.c
 * br_add_if()).
 */
const masterHints: Readonly<Record<string, string>> = {
  EINVAL: "a bridge takes a TAP, and no TUN; an index must be that of an interface of the same network namespace",
  EOPNOTSUPP: "that interface takes no others: give a bridge, such as of `ip link add br0 type bridge`",
};
