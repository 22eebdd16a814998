import { TunTapError, withDetails } from "../errors.ts";
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
import { IFF_UP } from "../sys/constants.ts";
import { Addresses } from "./addresses.ts";
import type { InterfaceClient } from "./client.ts";
import { Routes } from "./routes.ts";

/** The control plane of one interface. */
export class Link {
  readonly client: InterfaceClient;
  readonly addresses: Addresses;
  readonly routes: Routes;

  constructor(client: InterfaceClient) {
    this.client = client;
    this.addresses = new Addresses(client);
    this.routes = new Routes(client);
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

  setMtu(bytes: number): void {
    this.#set(`MTU ${bytes}`, linkMtu(bytes));
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

  /** Without addresses of its own making, IPv6 solicits no router and reports no group (net/ipv6/addrconf.c addrconf_dev_config()). */
  setIPv6(on: boolean, { addressMode }: LinkInfo = this.info()): void {
    // A kernel without IPv6 says nothing anyway.
    if (addressMode === undefined || (addressMode !== IN6_ADDR_GEN_MODE_NONE) === on) return;
    this.setAddressMode(on ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE);
  }

  /** @param mode IN6_ADDR_GEN_MODE_* */
  setAddressMode(mode: number): void {
    this.#set("IPv6 address generation", linkAddressMode(mode));
  }

  /** Moves the interface into the namespace of the fd `netns`. IPv6 begins anew there, so it is told again to be silent. */
  move(netns: number): void {
    const { addressMode } = this.info();
    // First: what cannot be followed does not move.
    const there = new RouteSocket(netns);
    try {
      this.#set("netns", linkNetns(netns));
    } catch (error) {
      there.close();
      throw error;
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

/** The kernel gives no words to these (net/core/rtnetlink.c do_set_master(), net/bridge/br_if.c br_add_if()). */
const masterHints: Readonly<Record<string, string>> = {
  EINVAL: "a bridge takes a TAP, and no TUN; an index must be that of an interface of the same network namespace",
  EOPNOTSUPP: "that interface takes no others: give a bridge, such as of `ip link add br0 type bridge`",
};
