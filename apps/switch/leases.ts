/** The IPv4 addresses that the switch hands out: one for each client id, kept for it while it is away. */
import { isIPv4 } from "node:net";
import type { AddressStatus } from "./status.ts";

interface Lease {
  readonly host: number;
  /** The machine that the client connects from. */
  readonly owner: string;
  /** Infinity while the client is there. */
  until: number;
}

/** The shortest prefix of a pool: each client that joins may cause a look at all addresses. */
const PREFIX_MIN = 16;
/** The longest prefix of a pool: it has two hosts, the fewest that can talk. */
const PREFIX_MAX = 30;

export interface LeaseOptions {
  /** Milliseconds for which the address of a client that has left is kept for it. */
  readonly keepMs: number;
  /** The most addresses that clients of one owner hold, those that have left included. */
  readonly perOwnerMax: number;
}

/** Who asks for an address, and when. Time is in milliseconds from any start. */
export interface Applicant {
  readonly id: string;
  /** The machine that the client connects from. One owner cannot use up the addresses of all. */
  readonly owner: string;
  readonly now: number;
}

export class Leases {
  readonly #network: number;
  readonly #prefix: number;
  readonly #options: LeaseOptions;
  readonly #byId = new Map<string, Lease>();
  readonly #byHost = new Map<number, string>();

  /** @param pool "198.51.100.0/24": all of its host addresses are handed out */
  constructor(pool: string, options: LeaseOptions) {
    const [network = "", prefix = ""] = pool.split("/");
    this.#prefix = /^\d\d$/.test(prefix) ? Number(prefix) : 0;
    this.#network = isIPv4(network) ? toNumber(network) : 0;
    const inRange = this.#prefix >= PREFIX_MIN && this.#prefix <= PREFIX_MAX;
    if (!isIPv4(network) || !inRange || this.#network % this.#size !== 0) {
      throw new RangeError(
        `The pool must be an IPv4 network with a prefix of ${PREFIX_MIN} to ${PREFIX_MAX}, such as "198.51.100.0/24", got "${pool}"`,
      );
    }
    this.#options = options;
  }

  get #size(): number {
    return 2 ** (32 - this.#prefix);
  }

  /**
   * Leases an address to a client, with prefix length: the one that it has or had, else the one that it wishes if that
   * is free, else the first free one.
   *
   * @returns undefined if all are taken, or all that its owner may have are in use
   */
  lease(client: Applicant, wish?: string): string | undefined {
    const own = this.#byId.get(client.id)?.host;
    const host = own ?? (this.#makeRoom(client) ? this.#choose(client.now, wish) : undefined);
    if (host === undefined) return undefined;
    this.#give(host, client);
    return `${toText(this.#network + host)}/${this.#prefix}`;
  }

  /**
   * Takes an address that the client has by other means, so that nobody is given it.
   *
   * @returns false if another client has it, or if all that its owner may have are in use
   */
  claim(client: Applicant, address: string): boolean {
    const host = this.#hostOf(address);
    if (host === undefined) return true;
    if (this.#byHost.get(host) !== client.id && !this.#isFree(host, client.now)) return false;
    if (!this.#byId.has(client.id) && !this.#makeRoom(client)) return false;
    this.#give(host, client);
    return true;
  }

  /** The client has left: its address is kept for a while. */
  release(id: string, now: number): void {
    const lease = this.#byId.get(id);
    if (lease !== undefined) lease.until = now + this.#options.keepMs;
  }

  /** Addresses that somebody has or is kept, of how many. */
  status(): AddressStatus {
    return { given: this.#byHost.size, size: this.#size - 2, available: true };
  }

  #choose(now: number, wish: string | undefined): number | undefined {
    const wished = wish === undefined ? undefined : this.#hostOf(wish);
    return wished !== undefined && this.#isFree(wished, now) ? wished : this.#firstFree(now);
  }

  /**
   * Makes sure that the owner may have one more lease. An owner that has as many as it may loses the one whose client
   * left first: ids that come and go use up its own share, never the share of others.
   */
  #makeRoom({ owner }: Applicant): boolean {
    const held = [...this.#byId].filter(([, lease]) => lease.owner === owner);
    if (held.length < this.#options.perOwnerMax) return true;
    const [oldest] = held.sort(([, a], [, b]) => a.until - b.until);
    if (oldest === undefined || oldest[1].until === Number.POSITIVE_INFINITY) return false;
    this.#byId.delete(oldest[0]);
    this.#byHost.delete(oldest[1].host);
    return true;
  }

  #give(host: number, { id, owner }: Applicant): void {
    const holder = this.#byHost.get(host);
    if (holder !== undefined) this.#byId.delete(holder);
    const before = this.#byId.get(id);
    if (before !== undefined) this.#byHost.delete(before.host);
    this.#byId.set(id, { host, owner, until: Number.POSITIVE_INFINITY });
    this.#byHost.set(host, id);
  }

  #isFree(host: number, now: number): boolean {
    const holder = this.#byHost.get(host);
    return holder === undefined || (this.#byId.get(holder) as Lease).until <= now;
  }

  /** Prefers an address that nobody has had: a client that comes back late still finds its own. */
  #firstFree(now: number): number | undefined {
    let expired: number | undefined;
    for (let host = 1; host < this.#size - 1; host++) {
      if (!this.#byHost.has(host)) return host;
      if (expired === undefined && this.#isFree(host, now)) expired = host;
    }
    return expired;
  }

  /** The number of an address within the pool; undefined outside, and for the network and broadcast address. */
  #hostOf(address: string): number | undefined {
    const [ip = ""] = address.split("/");
    if (!isIPv4(ip)) return undefined;
    const host = toNumber(ip) - this.#network;
    return host > 0 && host < this.#size - 1 ? host : undefined;
  }
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}
