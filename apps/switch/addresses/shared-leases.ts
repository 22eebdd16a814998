/** The address book of a LAN of several hubs: the records are in a store that all hubs share. */
import { ProgramError } from "../../../src/cli/program.ts";
import type { AddressStatus } from "../status.ts";
import { agreeOnPool } from "./agree.ts";
import type { AddressBook, Applicant, LeaseOptions } from "./book.ts";
import { Booking, type Client, type Request } from "./booking.ts";
import type { SharedLease } from "./mirror.ts";
import { Pool } from "./pool.ts";
import type { AddressRecord } from "./records.ts";
import { ConflictError, type LeaseStore } from "./store.ts";
import { SyncedStore } from "./synced-store.ts";
import { Turns } from "./turns.ts";

/** Options of {@link SharedLeases}. */
export interface SharedLeasesOptions extends LeaseOptions {
  /** "198.51.100.0/24": the same at all hubs. */
  readonly pool: string;
  readonly hub: string;
  /** Name of this process of the hub. */
  readonly run: string;
  /** Milliseconds from any beginning; never compared with those of another machine. */
  readonly clock: () => number;
  readonly log: (line: string) => void;
  /** Called when a client of this hub has joined at another hub; `run` is the process that has. */
  readonly moved: (id: string, run: string) => void;
  /** Called when the address of a client of this hub was given to another, while this hub was cut off for too long. */
  readonly lost: (id: string, address: string) => void;
  /** Called when new addresses can be given again. */
  readonly recovered: () => void;
  /** Ends the wait for a store that does not answer. */
  readonly stop?: AbortSignal | undefined;
}

/** Counters for the details of the status. */
export interface AddressDetails {
  /** The reason why no new address is given. */
  readonly trouble: string | undefined;
  /** Foreign entries of the store. */
  readonly garbage: number;
  /** Writes that another hub came before. */
  readonly conflicts: number;
}

type Connection = Pick<AddressRecord, "id" | "client" | "sequence">;

/** The address of a client that is at this hub. */
interface Held {
  readonly host: number;
  readonly client: Client;
  /** Revision of the record, where it could not be written that the client is here. */
  readonly unconfirmed?: number;
}

/** A client waits so long for its address. */
const WAIT_MS = 2000;
/** Milliseconds that a client waits which has an address, as it can keep that without the store. */
const KNOWN_WAIT_MS = 700;
/** Clients that wait at a time. */
const WAITING_MAX = 1024;
/** Time until the store answers at the beginning. */
const START_MS = 10_000;
const START_AGAIN_MS = 100;
/** Time for the last words. */
const CLOSE_MS = 1000;

/** The address book of one hub of a LAN. */
export class SharedLeases implements AddressBook {
  readonly #options: SharedLeasesOptions;
  readonly #pool: Pool;
  readonly #synced: SyncedStore;
  readonly #booking: Booking;
  /** Books one address at a time for a machine: two bookings would conflict in the store. */
  readonly #turns = new Turns();
  readonly #held = new Map<string, Held>();
  readonly #idAt = new Map<number, string>();
  /** Clients that wait for an address, and how often. */
  readonly #waiting = new Map<string, number>();
  #waitingCount = 0;

  /**
   * Opens the address book.
   *
   * @throws {ProgramError} If the LAN has another pool, or the store does not answer
   */
  static async open(store: LeaseStore, options: SharedLeasesOptions): Promise<SharedLeases> {
    const leases = new SharedLeases(store, options);
    const giveUpAt = options.clock() + START_MS;
    for (;;) {
      try {
        await leases.#synced.open();
        return leases;
      } catch (error) {
        // A store that has just been made may need a moment until all servers know of it.
        const mayTry = options.clock() < giveUpAt && !options.stop?.aborted;
        if (mayTry && !(error instanceof ProgramError)) await Bun.sleep(START_AGAIN_MS);
        else {
          leases.#synced.close();
          throw new ProgramError(error instanceof Error ? error.message : String(error), { cause: error });
        }
      }
    }
  }

  private constructor(store: LeaseStore, options: SharedLeasesOptions) {
    this.#options = options;
    this.#pool = new Pool(options.pool);
    const isInUse = (host: number): boolean => this.#idAt.has(host);
    const changed = (host: number): void => this.#changed(host);
    const tidy = (): void => this.#tidy();
    const check = (): Promise<void> => agreeOnPool(store, this.#pool);
    this.#synced = new SyncedStore(store, this.#pool, { ...options, changed, tidy, check });
    this.#booking = new Booking(this.#synced, this.#pool, { ...options, isInUse });
  }

  get trouble(): string | undefined {
    return this.#synced.trouble;
  }

  status(): AddressStatus {
    return { given: this.#synced.mirror.size, size: this.#pool.last, available: this.trouble === undefined };
  }

  /** More for the details of the status. */
  details(): AddressDetails {
    const { mirror, trouble, conflicts } = this.#synced;
    return { trouble, garbage: mirror.garbage, conflicts };
  }

  async lease(client: Applicant, wish?: string): Promise<string | undefined> {
    const host = await this.#wait(client, { wish: wish === undefined ? undefined : this.#pool.hostOf(wish) });
    return host === undefined ? undefined : this.#pool.interfaceOf(host);
  }

  async claim(client: Applicant, address: string): Promise<boolean> {
    const claim = this.#pool.hostOf(address);
    return claim === undefined || (await this.#wait(client, { claim })) !== undefined;
  }

  release(id: string): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    this.#idAt.delete(held.host);
    // Behind the booking of a client that has come back already, which makes it untrue.
    void this.#inTurn(held.client, true, async () => {
      const lease = this.#synced.mirror.byHost(held.host);
      if (lease?.id === id && !this.#held.has(id)) await this.#putAway(lease);
    });
  }

  /** To be called when the connection to the store was lost, or is there again. */
  connectionChanged(): void {
    this.#synced.connectionChanged();
  }

  /** Ends; waits a moment until the store knows who is away. */
  async close(): Promise<void> {
    await Promise.race([this.#turns.done(), Bun.sleep(CLOSE_MS)]);
    this.#synced.close();
  }

  async #wait(client: Applicant, { claim, wish }: { claim?: number | undefined; wish?: number | undefined }) {
    const { id } = client;
    if (this.#waitingCount >= WAITING_MAX) return undefined;
    this.#waitingCount++;
    this.#waiting.set(id, (this.#waiting.get(id) ?? 0) + 1);
    const isKnown = this.#synced.mirror.byId(id) !== undefined;
    const until = this.#options.clock() + (isKnown ? KNOWN_WAIT_MS : WAIT_MS);
    try {
      return await this.#inTurn(client, isKnown, () => this.#book({ ...client, claim, wish, until }));
    } finally {
      this.#waitingCount--;
      const left = (this.#waiting.get(id) ?? 1) - 1;
      if (left > 0) this.#waiting.set(id, left);
      else this.#waiting.delete(id);
    }
  }

  /** A client that has an address does not wait for others of its machine that want one. */
  async #inTurn<T>({ id, owner }: Client, isKnown: boolean, task: () => Promise<T>): Promise<T> {
    const own = isKnown ? task : () => this.#turns.take(`owner ${owner}`, task);
    return await this.#turns.take(`id ${id}`, own);
  }

  /** Tries until the address is booked, or there is none, or the time is over. */
  async #book(request: Request): Promise<number | undefined> {
    const known = this.#synced.mirror.byId(request.id)?.host;
    const before = request.claim === undefined || request.claim === known ? known : undefined;
    if (before !== undefined && this.trouble !== undefined) return this.#known(request, before);
    while (await this.#synced.isCurrent(request.until)) {
      const lease = this.#synced.mirror.byId(request.id);
      // Its later connection is at another hub, which is to keep it; this one is about to be ended.
      if (lease?.here && isOlder(connectionOf(request), lease)) return lease.host;
      try {
        const host = await this.#booking.book(request);
        if (host === undefined) return undefined;
        // Another hub may have come again in the meantime.
        if (!this.#isOurs(this.#synced.mirror.byHost(host), request.id)) continue;
        this.#hold({ host, client: request });
        return host;
      } catch (error) {
        if (error instanceof ConflictError) continue;
        this.#synced.fail(error);
        if (before !== undefined) break;
      }
    }
    return this.#known(request, before);
  }

  /** The address that a client is known to have, for as long as no other hub can have given it away. */
  #known(client: Client, before: number | undefined): number | undefined {
    const lease = this.#synced.mirror.byId(client.id);
    if (lease === undefined || lease.host !== before || this.#synced.mirror.isOver(lease)) return undefined;
    this.#hold({ host: lease.host, client, unconfirmed: lease.revision });
    return lease.host;
  }

  #hold(held: Held): void {
    const { id } = held.client;
    const before = this.#held.get(id);
    if (before !== undefined) this.#idAt.delete(before.host);
    this.#held.set(id, held);
    this.#idAt.set(held.host, id);
  }

  #isOurs(lease: SharedLease | undefined, id: string): boolean {
    const { hub, run } = this.#options;
    return lease !== undefined && lease.id === id && lease.here && lease.hub === hub && lease.run === run;
  }

  /** Looks at an address of a client of this hub that has changed in the store. */
  #changed(host: number): void {
    const id = this.#idAt.get(host);
    const lease = this.#synced.mirror.byHost(host);
    // One that waits is being booked, and one that was removed is written again.
    if (id === undefined || this.#waiting.has(id) || lease === undefined || this.#isOurs(lease, id)) return;
    if (lease.id === id && lease.hub === this.#options.hub) return;
    const held = this.#held.get(id);
    if (held !== undefined && isOlder(lease, connectionOf(held.client))) {
      void this.#inTurn(held.client, true, () => this.#confirm(held));
      return;
    }
    this.#held.delete(id);
    this.#idAt.delete(host);
    if (lease.id === id) this.#options.moved(id, lease.client);
    else this.#options.lost(id, this.#pool.addressOf(host));
  }

  /** Brings the store and the clients of this hub together, after whatever could not be written. */
  #tidy(): void {
    const { mirror } = this.#synced;
    for (const held of [...this.#held.values()]) {
      if (this.#isOurs(mirror.byHost(held.host), held.client.id)) continue;
      void this.#inTurn(held.client, true, () => this.#confirm(held));
    }
    for (const lease of mirror.leases()) {
      const isHere = this.#held.get(lease.id)?.host === lease.host || this.#waiting.has(lease.id);
      if (this.#isOurs(lease, lease.id) && !isHere) void this.#inTurn(lease, true, () => this.#putAway(lease));
    }
  }

  /** Writes that a client is here, unless another hub has written anything about it since it has come. */
  async #confirm(held: Held): Promise<void> {
    const { host, client, unconfirmed } = held;
    const lease = this.#synced.mirror.byHost(host);
    if (this.#held.get(client.id) !== held || this.#isOurs(lease, client.id)) return;
    const isUntouched =
      lease?.revision === unconfirmed ||
      lease?.hub === this.#options.hub ||
      (lease && isOlder(lease, connectionOf(client)));
    if (lease !== undefined && !(isUntouched && lease.id === client.id)) this.#changed(host);
    else await this.#booking.put(host, client, this.#options.clock() + WAIT_MS).catch(() => {});
  }

  /** Leaves to the next tidying whatever fails now. */
  async #putAway(lease: SharedLease): Promise<void> {
    if (this.trouble !== undefined) return;
    if (this.#synced.mirror.byHost(lease.host) !== lease || this.#held.get(lease.id)?.host === lease.host) return;
    await this.#booking.putAway(lease, this.#options.clock() + WAIT_MS).catch(() => {});
  }
}

/** Tells whether a connection of a client is an earlier one of the same process. */
function isOlder(one: Connection, other: Connection): boolean {
  return one.id === other.id && one.client === other.client && one.sequence < other.sequence;
}

function connectionOf({ id, run = "", sequence = 0 }: Client): Connection {
  return { id, client: run, sequence };
}
