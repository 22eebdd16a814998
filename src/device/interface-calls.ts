import { checkBoolean, checkFd } from "../checks.ts";
import type { TunTapError } from "../errors.ts";
import { withHint } from "../hints.ts";
import { checkAlias, checkId, checkMaster, checkMtu, checkName, checkTxQueueLength } from "../interface/checks.ts";
import type { Link } from "../interface/link.ts";
import { checkNetns } from "../interface/namespace.ts";
import type { LinkChange, NetnsLike, TxFilterOptions } from "../interface/types.ts";
import { lazy } from "../lazy.ts";
import type { Address, AddressLike, InterfaceInfo, LinkStats, Route, RouteLike } from "../netlink/types.ts";
import { ETH_ALEN, IFF_ALLMULTI, IFF_MULTICAST, IFF_PROMISC } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import type { Attachment } from "./attachment.ts";
import { assertOwned } from "./configure.ts";
import type { DeviceInterface, Queue } from "./interface-types.ts";
import { checkCallOptions, DEFAULT_PATH } from "./options.ts";
import type { Device } from "./types.ts";

// Most programs do not use these modules, and every module that is loaded costs some 0.2 ms: they load on first use.
const changes = (): typeof import("../interface/change-queue.ts") =>
  lazy(() => require("../interface/change-queue.ts"));
const filters = (): typeof import("../interface/filters.ts") => lazy(() => require("../interface/filters.ts"));
const interfaces = (): typeof import("../interface/info.ts") => lazy(() => require("../interface/info.ts"));
const macs = (): typeof import("../interface/mac.ts") => lazy(() => require("../interface/mac.ts"));
const queues = (): typeof import("./queue.ts") => lazy(() => require("./queue.ts"));
const usableAddress = (): typeof import("./usable-address.ts") => lazy(() => require("./usable-address.ts"));

/** The calls of a device that ask or change its network interface. See {@link DeviceInterface}. */
export abstract class InterfaceCalls implements DeviceInterface {
  readonly #attachment: Attachment;
  /** See {@link Device.closeReason}. */
  abstract readonly closeReason: TunTapError | undefined;

  constructor(attachment: Attachment) {
    this.#attachment = attachment;
  }

  get name(): string {
    this.#attachment.checkAlive();
    return this.#attachment.name;
  }

  get index(): number {
    return this.#ask((link) => link.client.index);
  }

  get mac(): string {
    return macs().formatMac(this.macBytes, 0);
  }

  get macBytes(): Uint8Array {
    return this.#ask(() =>
      this.#attachment.kind === "tap" ? tun.getHwaddr(this.#attachment.fd) : new Uint8Array(ETH_ALEN),
    );
  }

  get mtu(): number {
    return this.#ask((link) => link.info().mtu);
  }

  get isUp(): boolean {
    this.#attachment.checkAlive();
    return !this.#attachment.closed && this.#ask(() => this.#attachment.isUp());
  }

  up(): void {
    this.#ask((link) => link.setUp(true));
  }

  down(): void {
    this.#ask((link) => link.setUp(false));
  }

  info(): InterfaceInfo {
    return this.#ask((link) => interfaces().interfaceInfo(link.info()) as InterfaceInfo);
  }

  setMtu(bytes: number): void {
    checkMtu(bytes, this.#attachment.kind);
    this.#ask((link) => link.setMtu(bytes));
  }

  setMac(mac: string): void {
    const octets = macs().parseMac(mac);
    this.#ask(() => tun.setHwaddr(this.#attachment.fd, octets));
  }

  setTxQueueLength(frames: number): void {
    checkTxQueueLength(frames);
    this.#ask((link) => link.setTxQueueLength(frames));
  }

  rename(name: string): void {
    checkName(name, false);
    this.#ask((link) => link.rename(name));
  }

  setAlias(text: string): void {
    checkAlias(text);
    this.#ask((link) => link.setAlias(text));
  }

  setMaster(master: string | number | null): void {
    checkMaster(master);
    this.#ask((link) => link.setMaster(master));
  }

  setPromiscuous(on: boolean): void {
    this.#setFlag(IFF_PROMISC, on, "promiscuous");
  }

  setAllMulticast(on: boolean): void {
    this.#setFlag(IFF_ALLMULTI, on, "allMulticast");
  }

  setMulticast(on: boolean): void {
    this.#setFlag(IFF_MULTICAST, on, "multicast");
  }

  setIPv6(on: boolean): void {
    checkBoolean(on, "ipv6");
    this.#ask((link) => link.setIPv6(on));
  }

  addAddress(address: AddressLike): void;
  addAddress(address: AddressLike, options: { untilUsable: true; signal?: AbortSignal }): Promise<Address>;
  addAddress(
    address: AddressLike,
    options: { untilUsable?: boolean; signal?: AbortSignal } = {},
  ): Promise<Address> | undefined {
    checkCallOptions(options, "untilUsable", "signal");
    if (options.untilUsable) return usableAddress().untilUsable(this, address, options.signal);
    this.#ask((link) => link.addresses.add(address));
    return undefined;
  }

  replaceAddress(address: AddressLike): void {
    this.#ask((link) => link.addresses.replace(address));
  }

  removeAddress(address: AddressLike): void {
    this.#ask((link) => link.addresses.remove(address));
  }

  addresses(): Address[] {
    return this.#ask((link) => link.addresses.list());
  }

  addRoute(route: RouteLike): void {
    this.#ask((link) => link.routes.add(route));
  }

  removeRoute(route: RouteLike): void {
    this.#ask((link) => link.routes.remove(route));
  }

  routes(): Route[] {
    return this.#ask((link) => link.routes.list());
  }

  stats(): LinkStats {
    return this.#ask((link) => link.stats());
  }

  changes(options: { signal?: AbortSignal } = {}): AsyncIterableIterator<LinkChange> {
    checkCallOptions(options, "signal");
    return this.#ask(() => changes().changesOf(this.#attachment.monitor, this, options.signal));
  }

  moveToNetns(netns: NetnsLike): void {
    checkNetns(netns);
    this.#ask(() => this.#attachment.moveTo(netns));
  }

  setPersist(on: boolean, options: { ownerless?: boolean } = {}): void {
    checkBoolean(on, "persist");
    checkCallOptions(options, "ownerless");
    this.#ask((link) => {
      if (on) assertOwned(link, options.ownerless);
      tun.setPersist(this.#attachment.fd, on);
    });
  }

  setOwner(uid: number): void {
    checkId(uid, "owner");
    this.#ask(() => tun.setOwner(this.#attachment.fd, uid));
  }

  setGroup(gid: number): void {
    checkId(gid, "group");
    this.#ask(() => tun.setGroup(this.#attachment.fd, gid));
  }

  openQueue(options: { path?: string } = {}): Queue {
    checkCallOptions(options, "path");
    return this.#ask(({ client }) => queues().openQueue(client, options.path ?? DEFAULT_PATH));
  }

  setQueue(on: boolean): void {
    checkBoolean(on, "on");
    this.#ask(() => tun.setQueue(this.#attachment.fd, on));
  }

  setSteering(program: number | null): void {
    if (program !== null) checkFd(program, "program");
    this.#ask(() => tun.setSteering(this.#attachment.fd, program ?? -1));
  }

  setCarrier(on: boolean): void {
    checkBoolean(on, "carrier");
    this.#ask(() => tun.setCarrier(this.#attachment.fd, on));
  }

  setTxFilter(addresses: readonly string[] | null, options?: TxFilterOptions): void {
    const filter = addresses === null ? null : filters().encodeTxFilter(addresses, options);
    this.#ask(() => tun.setTxFilter(this.#attachment.fd, filter));
  }

  attachFilter(program: readonly (readonly number[])[]): void {
    const instructions = filters().encodeBpf(program);
    this.#ask(() => tun.attachFilter(this.#attachment.fd, instructions));
  }

  detachFilter(): void {
    this.#ask(() => tun.detachFilter(this.#attachment.fd));
  }

  /** Asks the kernel about the interface; a device that turns out to be gone is closed. */
  #ask<T>(question: (link: Link) => T): T {
    const attachment = this.#attachment;
    attachment.assertOpen();
    try {
      return question(attachment.link);
    } catch (error) {
      attachment.checkAlive();
      attachment.assertOpen();
      throw withHint(error);
    }
  }

  #setFlag(flag: number, on: boolean, name: string): void {
    checkBoolean(on, name);
    this.#ask((link) => link.setFlag(flag, on, name));
  }
}
