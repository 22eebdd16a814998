/** Rates: how much counters grew in the last interval. */

/** Rates of the counters of whatever has some. What is not looked at any more is forgotten. */
export class Rates<Key> {
  readonly #intervalMs: number;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #counters = new Map<Key, readonly number[]>();
  #rates = new Map<Key, readonly number[]>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Takes the counters of all keys at the time `now`, in milliseconds. Looks that come too early change nothing. */
  sample(now: number, counters: Iterable<readonly [Key, readonly number[]]>): void {
    const passed = now - this.#sampledAt;
    // A timer is a little early at times.
    if (passed < this.#intervalMs * 0.75) return;
    const [latest, rates] = [new Map(counters), new Map<Key, readonly number[]>()];
    for (const [key, values] of latest) {
      const before = this.#counters.get(key);
      if (before === undefined) continue;
      rates.set(
        key,
        values.map((value, i) => (Math.max(0, value - (before[i] ?? 0)) / passed) * 1000),
      );
    }
    this.#sampledAt = now;
    this.#counters = latest;
    this.#rates = rates;
  }

  /** The rates of `key`, each per second; undefined until it has been there for an interval. */
  of(key: Key): readonly number[] | undefined {
    return this.#rates.get(key);
  }
}
