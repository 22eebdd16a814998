/** The hubs' store in memory: compare-and-set with delays, cut lines and crashes. What NATS does is in tests of its own. */
import { ConflictError, type LeaseStore, type StoreEntry } from "../../apps/switch/addresses/store.ts";

/**
 * The store itself. Each hub has a line to it. With `random`, it is as careless as a cluster of nats-server 2.9: a write
 * is compared with what is there when it comes, and done later, in order.
 */
export class MemoryStore {
  readonly entries: Map<string, StoreEntry> = new Map();
  readonly lines: Set<Line> = new Set();
  /** All writes that were done. */
  readonly history: StoreEntry[] = [];
  revision = 0;
  #queue: (() => void)[] = [];

  /** Does what was taken, in order, a few at a time. */
  async take(task: () => number, delayed: boolean): Promise<number> {
    if (!delayed) return task();
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#queue.push(() => resolve(task()));
    if (this.#queue.length === 1) void this.#work();
    return await promise;
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise(setImmediate);
      for (const task of this.#queue.slice(0, 3)) {
        task();
        this.#queue.shift();
      }
    }
  }

  /** @param random Delays, in turns of the event loop */
  line(random?: () => number): Line {
    const line = new Line(this, random);
    this.lines.add(line);
    return line;
  }

  /** Writes past all hubs. */
  put(key: string, value: string | undefined): number {
    const entry = { key, value, revision: ++this.revision };
    this.entries.set(key, entry);
    this.history.push(entry);
    for (const line of this.lines) line.tell(entry);
    return entry.revision;
  }

  /** Values by key. */
  values(prefix: string): Record<string, unknown> {
    const found = [...this.entries.values()].filter(({ key, value }) => key.startsWith(prefix) && value !== undefined);
    return Object.fromEntries(found.map(({ key, value }) => [key, JSON.parse(value as string)]));
  }

  /** Loses all. */
  reset(): void {
    this.entries.clear();
    this.revision = 0;
  }
}

/** A hub's line to the store. */
export class Line implements LeaseStore {
  isConnected = true;
  /** What is lost: writes are refused, never answered, or done but not answered. */
  loses: "nothing" | "writes" | "patience" | "answers" = "nothing";
  /** True while the store says nothing of what others write. */
  deaf = false;
  /** Called before each write. */
  before: (key: string) => void = () => {};
  readonly #store: MemoryStore;
  readonly #random: () => number;
  readonly #isCareless: boolean;
  #each: ((entry: StoreEntry) => void) | undefined;
  #queue: StoreEntry[] = [];
  #telling = false;
  /** True once the watch has missed an entry: like that of NATS, it says nothing more until it begins again behind its last one. */
  #hasGap = false;

  constructor(store: MemoryStore, random: (() => number) | undefined) {
    this.#store = store;
    this.#random = random ?? (() => 0);
    this.#isCareless = random !== undefined;
  }

  async write(
    key: string,
    value: string | undefined,
    expected: number | undefined,
    timeoutMs: number,
  ): Promise<number> {
    await this.#pass();
    this.before(key);
    if (this.loses === "patience") await Bun.sleep(timeoutMs);
    if (this.loses === "writes" || this.loses === "patience") throw new Error("the store does not answer");
    const revision = this.#store.entries.get(key)?.revision ?? 0;
    if (expected !== undefined && expected !== revision) throw new ConflictError();
    const own = await this.#store.take(() => this.#store.put(key, value), this.#isCareless);
    if (this.loses === "answers") throw new Error("the store does not answer");
    await this.#pass();
    return own;
  }

  async read(key: string): Promise<StoreEntry | undefined> {
    await this.#pass();
    return this.#store.entries.get(key);
  }

  async watch(after: number, each: (entry: StoreEntry) => void): Promise<void> {
    await this.#pass();
    this.#each = each;
    this.#hasGap = false;
    const missed = [...this.#store.entries.values()].filter(({ revision }) => revision > after);
    this.#queue = missed.sort((a, b) => a.revision - b.revision);
    void this.#tell();
  }

  close(): void {
    this.#each = undefined;
    this.#store.lines.delete(this);
  }

  /** Tells what somebody has written, in order, after a while. */
  tell(entry: StoreEntry): void {
    if (!this.isConnected) this.#hasGap = true;
    if (this.#hasGap || this.deaf) return;
    this.#queue.push(entry);
    void this.#tell();
  }

  async #tell(): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    for (;;) {
      await this.#turns();
      const entry = this.#queue.shift();
      if (entry === undefined) break;
      this.#each?.(entry);
    }
    this.#telling = false;
  }

  async #pass(): Promise<void> {
    await this.#turns();
    if (!this.isConnected) throw new Error("no connection");
  }

  async #turns(): Promise<void> {
    for (let turns = Math.floor(this.#random() * 4); turns > 0; turns--) await new Promise(setImmediate);
  }
}
