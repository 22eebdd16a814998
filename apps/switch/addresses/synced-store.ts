/** The store and what this hub has seen of it, kept together: signs of life, and whether the store answers. */
import { Fence } from "./fence.ts";
import { LeaseMirror, type MirrorOptions } from "./mirror.ts";
import type { Pool } from "./pool.ts";
import { hubKey } from "./records.ts";
import { ConflictError, type LeaseStore } from "./store.ts";

/** Options of {@link SyncedStore}. */
export interface SyncedStoreOptions extends MirrorOptions {
  readonly hub: string;
  /** Name of this process of the hub. */
  readonly run: string;
  readonly log: (line: string) => void;
  /** Called when an address has changed hands, or its client has come or left. */
  readonly changed: (host: number) => void;
  /** Called now and then while all is well: for what could not be written earlier. */
  readonly tidy: () => void;
  /** Called when the store answers again. */
  readonly recovered: () => void;
  /** Called before the records of a store are read: makes sure that it is the right one. */
  readonly check: () => Promise<void>;
}

/** Time between two signs of life of this hub. */
const BEAT_MS = 5000;
/** Milliseconds between two signs of life while the store does not answer. */
const BEAT_AGAIN_MS = 500;
/** Time for one answer of the store. */
const ANSWER_MS = 1000;
/** Milliseconds for which a look at the store counts as current: later, a hub that is alive may look gone. */
const CURRENT_MS = 15_000;
/** Time between two lines of the log about a store that comes and goes. */
const SAY_AGAIN_MS = 10_000;
const NO_ANSWER = "the store does not answer";

/** Writes to the store, follows it, and notices when it does not answer. */
export class SyncedStore {
  /** The reason why the store is of no use at the moment. */
  trouble: string | undefined;
  /** Writes that another hub came before. */
  conflicts = 0;
  readonly #store: LeaseStore;
  readonly #pool: Pool;
  readonly #options: SyncedStoreOptions;
  #mirror: LeaseMirror;
  #currentAt = Number.NEGATIVE_INFINITY;
  #beatRevision = 0;
  /** True if something may have been missed while there was no connection. */
  #hasMissed = false;
  #beating: Promise<void> | undefined;
  #watching: Promise<void> | undefined;
  /** True if a record has been seen that is not there any more. */
  #hasLost = false;
  /** True if trouble was written to the log, so that its end is to be written, too. */
  #hasSaid = false;
  /** Time at which trouble was written to the log last. */
  #saidAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  readonly #fence: Fence;
  #closed = false;

  constructor(store: LeaseStore, pool: Pool, options: SyncedStoreOptions) {
    this.#store = store;
    this.#pool = pool;
    this.#options = options;
    this.#mirror = this.#newMirror();
    this.#fence = new Fence(() => this.#sign());
  }

  /** The records as this hub has seen them. */
  get mirror(): LeaseMirror {
    return this.#mirror;
  }

  /** Reads all that is there, and follows it from now on. @throws If the store does not answer */
  async open(): Promise<void> {
    await this.#options.check();
    await this.#watch();
    await this.#beat();
    if (this.trouble !== undefined) throw new Error(this.trouble);
    this.#schedule(BEAT_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#store.close();
  }

  /** To be called when the connection to the store was lost, or is there again. */
  connectionChanged(): void {
    if (this.#closed) return;
    this.#currentAt = Number.NEGATIVE_INFINITY;
    this.#hasMissed = true;
    if (!this.#store.isConnected) this.fail(new Error("the hub is cut off from the store"));
    this.#schedule(0);
  }

  /** Resolves to whether the store answers, and all that it has is known here. */
  async isCurrent(until: number): Promise<boolean> {
    const now = this.#options.clock();
    if (now >= until || !this.#store.isConnected) return false;
    if (this.trouble === undefined && now - this.#currentAt < CURRENT_MS) return true;
    await Promise.race([this.#beat(), Bun.sleep(until - now)]);
    return this.trouble === undefined && this.#options.clock() < until;
  }

  /** Notes that the store is of no use. */
  fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const isNew = this.trouble === undefined && !this.#closed;
    this.trouble = reason;
    if (!isNew) return;
    this.#schedule(BEAT_AGAIN_MS);
    const now = this.#options.clock();
    if (now - this.#saidAt < SAY_AGAIN_MS) return;
    this.#saidAt = now;
    this.#hasSaid = true;
    this.#options.log(`addresses: ${reason}: known clients keep theirs, no new ones are given`);
  }

  /**
   * Writes a record, or removes it, and waits until that is certain.
   *
   * A cluster of nats-server 2.9 compares a write with what it has stored, not with writes that are still under way: of
   * several that expect one revision it may take all, one after the other. So the last of them counts. A write that
   * begins when this one was taken comes after all those that were under way; if the record is the same then, it stays.
   *
   * @param expected Revision that it must have
   * @throws {ConflictError} If it has another one: what the other hub wrote is known here then
   */
  async write(key: string, value: object | undefined, expected: number, until: number): Promise<number> {
    const left = (): number => Math.max(1, Math.min(ANSWER_MS, until - this.#options.clock()));
    const text = value && JSON.stringify(value);
    let revision: number | undefined;
    try {
      revision = await this.#store.write(key, text, expected, left());
      await this.#fence.pass();
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
    if ((await this.refresh(key, until)) === revision) return revision as number;
    this.conflicts++;
    throw new ConflictError();
  }

  /** Reads the newest record of a key, past the watch, which may lag. Resolves to its revision. */
  async refresh(key: string, until: number): Promise<number> {
    const before = this.#mirror.revisionOf(key);
    const left = Math.max(1, Math.min(ANSWER_MS, until - this.#options.clock()));
    const newest = (await this.#store.read(key, left)) ?? { key, value: undefined, revision: 0 };
    // Servers that are killed and stopped one after the other may come back without some records (nats-server 2.9).
    const isLost = newest.revision < before;
    if (isLost) this.#hasLost = true;
    if (isLost || newest.revision > this.#mirror.revisionOf(key)) this.#mirror.set(newest);
    return newest.revision;
  }

  /** Waits until a revision is seen here; begins to watch anew if it does not come. */
  async #see(revision: number): Promise<void> {
    if (await this.#mirror.reached(revision, ANSWER_MS / 2)) return;
    await this.#watch();
    if (!(await this.#mirror.reached(revision, ANSWER_MS))) throw new Error(NO_ANSWER);
  }

  /** Reads what has come since, and follows the store from then on. */
  async #watch(): Promise<void> {
    this.#watching ??= this.#watchOnce().finally(() => {
      this.#watching = undefined;
    });
    await this.#watching;
  }

  async #watchOnce(): Promise<void> {
    const mirror = this.#mirror;
    await this.#store.watch(mirror.revision, (entry) => mirror.apply(entry));
  }

  #newMirror(): LeaseMirror {
    const mirror = new LeaseMirror(this.#pool, this.#options);
    mirror.changed = (host) => this.#options.changed(host);
    return mirror;
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    // Not all hubs at the same moment.
    this.#timer = setTimeout(() => void this.#round(), afterMs * (0.75 + Math.random() / 2));
    this.#timer.unref();
  }

  async #round(): Promise<void> {
    if (this.#store.isConnected) await this.#beat();
    this.#mirror.sweep();
    this.#schedule(this.trouble === undefined ? BEAT_MS : BEAT_AGAIN_MS);
  }

  /** Gives a sign of life, and waits until it is seen here: then all that was written before is, too. */
  async #beat(): Promise<void> {
    this.#beating ??= this.#beatOnce().finally(() => {
      this.#beating = undefined;
    });
    await this.#beating;
  }

  async #beatOnce(): Promise<void> {
    const began = this.#options.clock();
    try {
      if (this.#hasMissed) await this.#watch();
      this.#hasMissed = false;
      const revision = await this.#fence.pass();
      if (revision <= this.#beatRevision || this.#hasLost) await this.#startOver();
      this.#beatRevision = revision;
      await this.#see(revision);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#currentAt = began;
    const hadTrouble = this.trouble !== undefined;
    this.trouble = undefined;
    if (this.#closed) return;
    this.#options.tidy();
    if (!hadTrouble) return;
    if (this.#hasSaid) this.#options.log("addresses: the store is there again");
    this.#hasSaid = false;
    this.#options.recovered();
  }

  /** Writes a sign of life. */
  async #sign(): Promise<number> {
    const { hub, run } = this.#options;
    return await this.#store.write(hubKey(hub), JSON.stringify({ run }), undefined, ANSWER_MS);
  }

  /** The store is another one, or has lost records: what was seen of it does not count any more. */
  async #startOver(): Promise<void> {
    this.#options.log("addresses: the store has lost records: all are read anew");
    this.#hasLost = false;
    await this.#options.check();
    this.#mirror = this.#newMirror();
    // Not one that is under way, which is of the records before.
    await this.#watching?.catch(() => {});
    await this.#watch();
  }
}
