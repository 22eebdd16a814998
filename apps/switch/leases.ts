/** The IPv4 addresses that the switch hands out: one for each client id, kept for it while it is away. */
import type { AddressBook, Applicant, LeaseOptions } from "./addresses/book.ts";
import { Pool } from "./addresses/pool.ts";
import type { AddressStatus } from "./status.ts";

interface Lease {
  readonly host: number;
  /** The machine that the client connects from. */
  readonly owner: string;
  /** Infinity while the client is there. */
  until: number;
}

/** The address book of one hub alone. */
export class Leases implements AddressBook {
  readonly trouble = undefined;
  readonly #pool: Pool;
  readonly #options: LeaseOptions;
  readonly #byId = new Map<string, Lease>();
  readonly #byHost = new Map<number, string>();

  /** @param pool "198.51.100.0/24": all of its host addresses are handed out */
  constructor(pool: string, options: LeaseOptions) {
    this.#pool = new Pool(pool);
    this.#options = options;
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
    return this.#pool.interfaceOf(host);
  }

  /**
   * Takes an address that the client has by other means, so that nobody is given it.
   *
   * @returns false if another client has it, or if all that its owner may have are in use
   */
  claim(client: Applicant, address: string): boolean {
    const host = this.#pool.hostOf(address);
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
    return { given: this.#byHost.size, size: this.#pool.last, available: true };
  }

  #choose(now: number, wish: string | undefined): number | undefined {
    const wished = wish === undefined ? undefined : this.#pool.hostOf(wish);
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
    for (let host = 1; host <= this.#pool.last; host++) {
      if (!this.#byHost.has(host)) return host;
      if (expired === undefined && this.#isFree(host, now)) expired = host;
    }
    return expired;
  }
}
