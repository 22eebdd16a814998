/**
 * Books addresses in the store. An address has a record that says whose it is; a machine has a list of its
 * addresses, which holds its quota. Each change is a compare-and-set. The record of an address is written first: a list
 * never has an address whose record is still to come, and a crash in between leaves a lease like any other.
 */
import type { Applicant } from "./book.ts";
import type { LeaseMirror, SharedLease } from "./mirror.ts";
import type { Pool } from "./pool.ts";
import { type AddressRecord, addressKey, ownerKey } from "./records.ts";
import { ConflictError } from "./store.ts";
import type { SyncedStore } from "./synced-store.ts";

/** Options of {@link Booking}. */
export interface BookingOptions {
  readonly hub: string;
  /** Name of this process of the hub. */
  readonly run: string;
  readonly perOwnerMax: number;
  readonly clock: () => number;
  /** Tells whether a client that is at this hub has an address. */
  readonly isInUse: (host: number) => boolean;
}

/** The client that has an address. */
export type Client = Pick<Applicant, "id" | "owner" | "run" | "sequence">;

/** A client and the address that it is to have. */
export interface Request extends Applicant {
  /** The address that it has by other means. */
  readonly claim: number | undefined;
  /** The address to try first. */
  readonly wish: number | undefined;
  /** Time by the clock until which the answer must be there. */
  readonly until: number;
}

/** An address that is in no list for so long was left over by a crash; before, its hub may be about to list it. */
const UNLISTED_MS = 10_000;

/** Books addresses for the clients of one hub. */
export class Booking {
  readonly #synced: SyncedStore;
  readonly #pool: Pool;
  readonly #options: BookingOptions;
  /** Addresses that this hub is about to give. */
  readonly #reserved = new Set<number>();

  constructor(synced: SyncedStore, pool: Pool, options: BookingOptions) {
    this.#synced = synced;
    this.#pool = pool;
    this.#options = options;
  }

  get #mirror(): LeaseMirror {
    return this.#synced.mirror;
  }

  /**
   * Books an address: the one that the client has, else the one that it claims or wishes, else a free one.
   *
   * @returns undefined if there is none, another has it, or its machine may not have more
   * @throws {ConflictError} If another hub came before: to be tried again
   */
  async book(request: Request): Promise<number | undefined> {
    const { id, owner, claim, until } = request;
    const before = this.#mirror.byId(id);
    const target = claim ?? before?.host;
    if (before !== undefined && before.host === target && this.#mirror.listedOf(owner).includes(before)) {
      await this.put(before.host, request, until);
      return target;
    }
    if (target !== undefined && !this.#mayTake(target, id)) return undefined;
    await this.#checkList(request);
    if (!(await this.#makeRoom(request))) return undefined;
    const host = target ?? this.#choose(request);
    if (host === undefined) return undefined;
    this.#reserved.add(host);
    try {
      return await this.#enter(request, host, before);
    } finally {
      this.#reserved.delete(host);
    }
  }

  /** Writes that a client of this hub has an address, where its record has not changed since this was called. */
  async put(host: number, client: Client, until: number): Promise<number> {
    const { hub, run } = this.#options;
    const { id, owner, sequence = 0 } = client;
    const record: AddressRecord = { id, owner, client: client.run ?? "", sequence, hub, run, here: true };
    const key = this.#key(host);
    return await this.#synced.write(key, record, this.#mirror.revisionOf(key), until);
  }

  /** Writes that a client is away. */
  async putAway({ host, revision, seenAt: _, ...lease }: SharedLease, until: number): Promise<void> {
    const record: AddressRecord = { ...lease, here: false };
    await this.#synced.write(this.#key(host), record, revision, until);
  }

  /** Writes the record of an address, then the list of its machine. */
  async #enter(request: Request, host: number, before: SharedLease | undefined): Promise<number | undefined> {
    const { until } = request;
    const revision = await this.put(host, request, until);
    if (!(await this.#enlist(request, host, before))) {
      await this.#remove(host, revision, until);
      return undefined;
    }
    // One client, one lease: what it had before is free again.
    if (before !== undefined && before.host !== host) await this.#remove(before.host, before.revision, until);
    return host;
  }

  /** Puts an address on the list of its machine. Resolves to false if there is no room for it. */
  async #enlist(request: Request, host: number, before: SharedLease | undefined): Promise<boolean> {
    const { id, owner, until } = request;
    for (;;) {
      await this.#checkList(request);
      const others = this.#mirror.listedOf(owner).filter((lease) => lease.id === id && lease.host !== host);
      // The client has joined at another hub meanwhile, and is to have the address that it got there.
      if (others.some((lease) => lease.host !== before?.host)) {
        await this.#remove(host, this.#mirror.revisionOf(this.#key(host)), until);
        throw new ConflictError();
      }
      if (!(await this.#makeRoom(request))) return false;
      const hosts = [...new Set([...this.#heldBy(request).map((lease) => lease.host), host])];
      try {
        const key = ownerKey(owner);
        await this.#synced.write(key, { hosts }, this.#mirror.revisionOf(key), until);
        return true;
      } catch (error) {
        if (!(error instanceof ConflictError) || this.#options.clock() >= until) throw error;
      }
    }
  }

  /** Reads addresses that a list has, but that are not known as its machine's: they may be new, or another's by now. */
  async #checkList({ owner, until }: Request): Promise<void> {
    const known = new Set(this.#mirror.listedOf(owner).map(({ host }) => host));
    for (const host of this.#mirror.hostsOf(owner))
      if (!known.has(host) && host <= this.#pool.last) await this.#synced.refresh(this.#key(host), until);
  }

  /** Leases of a client's machine, without its own. Fresh ones that are in no list belong to a hub that is at work. */
  #heldBy({ id, owner }: Applicant): SharedLease[] {
    const listed = this.#mirror.listedOf(owner);
    const isLeftOver = (lease: SharedLease): boolean =>
      !listed.includes(lease) && this.#options.clock() - lease.seenAt > UNLISTED_MS;
    return [...listed, ...this.#mirror.leasesOf(owner).filter(isLeftOver)].filter((lease) => lease.id !== id);
  }

  /**
   * Makes sure that a machine may have one more lease. One that has as many as it may loses the lease whose client left
   * first: see {@link Leases}.
   */
  async #makeRoom(request: Request): Promise<boolean> {
    for (;;) {
      const held = this.#heldBy(request);
      if (held.length < this.#options.perOwnerMax) return true;
      const away = held.filter((lease) => this.#mirror.isAway(lease) && !this.#options.isInUse(lease.host));
      const [oldest] = away.sort((a, b) => this.#mirror.quietMs(b) - this.#mirror.quietMs(a));
      if (oldest === undefined) return false;
      await this.#remove(oldest.host, oldest.revision, request.until);
    }
  }

  #mayTake(host: number, id: string): boolean {
    if (this.#reserved.has(host)) return false;
    return this.#mirror.byHost(host)?.id === id || this.#mirror.isFree(host);
  }

  /**
   * Chooses an address that nobody has had, else one that is kept for nobody any more. The search begins at a place that
   * follows from the id: hubs do not all begin at the first one, and a store that was lost gives most clients theirs.
   */
  #choose({ id, wish }: Request): number | undefined {
    if (wish !== undefined && this.#mayTake(wish, id)) return wish;
    const { last } = this.#pool;
    const start = Bun.hash.crc32(id) % last;
    let expired: number | undefined;
    for (let i = 0; i < last; i++) {
      const host = 1 + ((start + i) % last);
      if (!this.#mayTake(host, id)) continue;
      if (this.#mirror.byHost(host) === undefined) return host;
      expired ??= host;
    }
    return expired;
  }

  async #remove(host: number, revision: number, until: number): Promise<void> {
    await this.#synced.write(this.#key(host), undefined, revision, until);
  }

  #key(host: number): string {
    return addressKey(this.#pool.addressOf(host));
  }
}
