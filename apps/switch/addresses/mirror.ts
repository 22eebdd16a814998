/**
 * The records of the store as one hub has seen them, and for how long. Times are of this machine's own clock, which
 * never goes back; nothing in the store is a time.
 */
import type { Pool } from "./pool.ts";
import {
  type AddressRecord,
  addressKey,
  ownerKey,
  parseAddressRecord,
  parseHubRecord,
  parseOwnerRecord,
} from "./records.ts";
import type { StoreEntry } from "./store.ts";

/** An address that somebody has. */
export interface SharedLease extends AddressRecord {
  readonly host: number;
  readonly revision: number;
  /** Time at which this hub saw the record first. */
  readonly seenAt: number;
}

/** Options of {@link LeaseMirror}. */
export interface MirrorOptions {
  /** Milliseconds for which the address of a client that has left is kept for it. */
  readonly keepMs: number;
  readonly clock: () => number;
}

/** A hub whose sign of life has not been seen for so long is gone, and its clients are away. */
export const HUB_GONE_MS = 30_000;
const ADDRESS_PREFIX = addressKey("");
/** The most machines and processes of hubs that are known: strangers in the store do not fill the memory. */
const NAMES_MAX = 131_072;

/** Follows the store. Of each key the newest entry counts, in whichever order they come. */
export class LeaseMirror {
  /** Entries that no hub of this version can have written. */
  garbage = 0;
  /** The newest revision that has come by the watch: all before has come, too. */
  revision = 0;
  /** Called when an address has changed hands, or its client has come or left. */
  changed: ((host: number) => void) | undefined;
  readonly #pool: Pool;
  readonly #options: MirrorOptions;
  readonly #byHost = new Map<number, SharedLease>();
  readonly #byId = new Map<string, number>();
  readonly #byOwner = new Map<string, Set<number>>();
  readonly #listed = new Map<string, { readonly hosts: readonly number[]; readonly revision: number }>();
  /** Revisions of records whose addresses no client holds any longer. */
  readonly #removed = new Map<number, number>();
  /** Time at which a process of a hub was seen last. */
  readonly #signs = new Map<string, number>();
  #waiting: { readonly revision: number; readonly done: () => void }[] = [];

  constructor(pool: Pool, options: MirrorOptions) {
    this.#pool = pool;
    this.#options = options;
  }

  /** Takes an entry of the watch. */
  apply(entry: StoreEntry): void {
    if (entry.revision <= this.revision) return;
    if (entry.revision > this.revisionOf(entry.key)) this.set(entry);
    this.revision = entry.revision;
    const due = this.#waiting.filter(({ revision }) => revision <= this.revision);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ revision }) => revision > this.revision);
    for (const { done } of due) done();
  }

  /** Takes an entry that was read past the watch, or written here. */
  set(entry: StoreEntry): void {
    if (!this.#take(entry)) this.garbage++;
  }

  /** Resolves to whether all up to a revision has been seen within a time. */
  async reached(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.revision >= revision) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { revision, done: () => resolve(true) };
    this.#waiting.push(waiter);
    const timer = setTimeout(() => resolve(false), Math.max(0, timeoutMs));
    return await promise.finally(() => {
      clearTimeout(timer);
      this.#waiting = this.#waiting.filter((each) => each !== waiter);
    });
  }

  /** Number of addresses that somebody has. */
  get size(): number {
    return this.#byHost.size;
  }

  /** All addresses that somebody has. */
  leases(): IterableIterator<SharedLease> {
    return this.#byHost.values();
  }

  /** The lease of an address. */
  byHost(host: number): SharedLease | undefined {
    return this.#byHost.get(host);
  }

  /** The lease of a client; the newest one, should it have got two. */
  byId(id: string): SharedLease | undefined {
    const host = this.#byId.get(id);
    return host === undefined ? undefined : this.#byHost.get(host);
  }

  /** Revision that an address or a list has, for the next write; 0 if it was never written. */
  revisionOf(key: string): number {
    const host = this.#pool.hostOf(key.slice(ADDRESS_PREFIX.length));
    if (!key.startsWith(ADDRESS_PREFIX) || host === undefined) return this.#listed.get(key)?.revision ?? 0;
    return this.#byHost.get(host)?.revision ?? this.#removed.get(host) ?? 0;
  }

  /** Addresses of a machine that its list has, without those that are not its own any more. */
  listedOf(owner: string): SharedLease[] {
    return this.hostsOf(owner)
      .map((host) => this.#byHost.get(host))
      .filter((lease) => lease?.owner === owner) as SharedLease[];
  }

  /** Numbers of the addresses that the list of a machine has. */
  hostsOf(owner: string): readonly number[] {
    return this.#listed.get(ownerKey(owner))?.hosts ?? [];
  }

  /** All addresses of a machine, whether its list has them or not. */
  leasesOf(owner: string): SharedLease[] {
    return [...(this.#byOwner.get(owner) ?? [])].map((host) => this.#byHost.get(host) as SharedLease);
  }

  /** Tells whether an address may be given to another client. */
  isFree(host: number): boolean {
    const lease = this.#byHost.get(host);
    return lease === undefined || this.isOver(lease);
  }

  /** Tells whether nothing has been seen of a client for so long that its address is not kept for it any more. */
  isOver(lease: SharedLease): boolean {
    const { keepMs } = this.#options;
    return this.quietMs(lease) >= (lease.here ? Math.max(keepMs, HUB_GONE_MS) : keepMs);
  }

  /** Tells whether a client is away, or its hub is gone. */
  isAway(lease: SharedLease): boolean {
    return !lease.here || this.quietMs(lease) >= HUB_GONE_MS;
  }

  /** Milliseconds since the last sign of a lease: that its record has changed, or that its hub is alive. */
  quietMs({ here, hub, run, seenAt }: SharedLease): number {
    const sign = here ? (this.#signs.get(processName(hub, run)) ?? seenAt) : seenAt;
    return this.#options.clock() - Math.max(seenAt, sign);
  }

  /** Forgets processes of hubs that have not been seen for so long that it makes no difference. */
  sweep(): void {
    const before = this.#options.clock() - Math.max(this.#options.keepMs, HUB_GONE_MS);
    for (const [name, seenAt] of this.#signs) if (seenAt < before) this.#signs.delete(name);
  }

  /** Returns false if the entry is of no known kind. */
  #take({ key, value, revision }: StoreEntry): boolean {
    const [kind = "", ...rest] = key.split(".");
    const name = rest.join(".");
    if (kind === "address") return this.#takeAddress(name, value, revision);
    if (kind === "owner") return this.#takeOwner(key, value, revision);
    if (kind === "hub") return this.#takeHub(name, value);
    return kind === "pool";
  }

  #takeAddress(name: string, value: string | undefined, revision: number): boolean {
    const host = this.#pool.hostOf(name);
    if (host === undefined || addressKey(this.#pool.addressOf(host)) !== `address.${name}`) return false;
    const record = value === undefined ? null : parseAddressRecord(value);
    this.#forget(host);
    this.#removed.delete(host);
    if (record === null) this.#removed.set(host, revision);
    else this.#keep({ ...record, host, revision, seenAt: this.#options.clock() });
    this.changed?.(host);
    return value === undefined || record !== null;
  }

  #keep(lease: SharedLease): void {
    this.#byHost.set(lease.host, lease);
    this.#byId.set(lease.id, lease.host);
    const own = this.#byOwner.get(lease.owner) ?? new Set();
    this.#byOwner.set(lease.owner, own.add(lease.host));
  }

  #forget(host: number): void {
    const lease = this.#byHost.get(host);
    if (lease === undefined) return;
    this.#byHost.delete(host);
    const own = this.#byOwner.get(lease.owner);
    own?.delete(host);
    if (own?.size === 0) this.#byOwner.delete(lease.owner);
    if (this.#byId.get(lease.id) !== host) return;
    this.#byId.delete(lease.id);
    // A client that came to two hubs at once may have got two.
    const other = this.leasesOf(lease.owner).find(({ id }) => id === lease.id);
    if (other !== undefined) this.#byId.set(lease.id, other.host);
  }

  #takeOwner(key: string, value: string | undefined, revision: number): boolean {
    if (!this.#listed.has(key) && this.#listed.size >= NAMES_MAX) return false;
    const record = value === undefined ? { hosts: [] } : parseOwnerRecord(value);
    this.#listed.set(key, { hosts: record?.hosts ?? [], revision });
    return record !== null;
  }

  #takeHub(hub: string, value: string | undefined): boolean {
    const record = value === undefined ? null : parseHubRecord(value);
    if (record === null) return value === undefined;
    if (this.#signs.size >= NAMES_MAX) return false;
    this.#signs.set(processName(hub, record.run), this.#options.clock());
    return true;
  }
}

function processName(hub: string, run: string): string {
  return `${hub} ${run}`;
}
