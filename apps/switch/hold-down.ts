/**
 * Addresses that flap: seen now here, now there, because two places of the LAN are bridged by accident, and frames go in
 * circles. Such an address is held at the place where it was before, so that the copies that come in elsewhere are
 * dropped and the circle ends, while the station itself goes on.
 */

/** Limits of {@link HoldDown}. */
export interface HoldDownOptions {
  /** Moves of one address within `withinMs` that are followed; one more, and it is held. */
  readonly movesMax: number;
  readonly withinMs: number;
  /** First time to hold an address; each time that it flaps again at once, twice as long. */
  readonly holdMs: number;
  /** Addresses to watch at a time. Above it, addresses move freely. */
  readonly watchedMax: number;
}

/** Defaults: a client that roams by hand or by failures of hubs never moves so often. */
export const HOLD_DOWN: HoldDownOptions = { movesMax: 5, withinMs: 5000, holdMs: 10_000, watchedMax: 4096 };

/** The longest time to hold an address, as a multiple of the first. */
const HOLD_FACTOR_MAX = 16;

/** Moves of one address. */
interface Watch<Port> {
  /** Its place before it began to move. */
  readonly home: Port;
  since: number;
  moves: number;
  /** 0 while it may move. */
  heldUntil: number;
  holds: number;
}

/** An address that is held, for the status. */
export interface Held<Port> {
  readonly mac: number;
  readonly port: Port;
  readonly untilMs: number;
}

/** Counts the moves of addresses, and decides where an address is. The caller tells the time. */
export class HoldDown<Port> {
  /** Number of times that an address was held. */
  holds = 0;
  readonly #options: HoldDownOptions;
  readonly #watches = new Map<number, Watch<Port>>();
  readonly #held: (mac: number, home: Port, other: Port, forMs: number) => void;

  /** @param held Called once when an address begins to be held */
  constructor(options: HoldDownOptions, held: (mac: number, home: Port, other: Port, forMs: number) => void) {
    this.#options = options;
    this.#held = held;
  }

  /** Returns where `mac` is to be after it was known at `from` and seen at `to`. */
  place(mac: number, from: Port, to: Port, now: number): Port {
    const watch = this.#watchOf(mac, from, now);
    if (watch === undefined) return to;
    if (now < watch.heldUntil) return watch.home;
    if (++watch.moves <= this.#options.movesMax) return to;
    this.#begin(mac, watch, watch.home === to ? from : to, now);
    return watch.home;
  }

  /**
   * Holds `mac` at `home` from now on, where other signs than its moves say that it flaps.
   *
   * @returns false if it is held already, there or elsewhere, or if there are too many
   */
  hold(mac: number, home: Port, other: Port, now: number): boolean {
    const known = this.#watches.get(mac);
    if (known === undefined ? this.#watches.size >= this.#options.watchedMax : now < known.heldUntil) return false;
    const watch = { home, since: now, moves: 0, heldUntil: 0, holds: known?.holds ?? 0 };
    this.#watches.set(mac, watch);
    this.#begin(mac, watch, other, now);
    return true;
  }

  #begin(mac: number, watch: Watch<Port>, other: Port, now: number): void {
    const forMs = this.#options.holdMs * Math.min(2 ** watch.holds, HOLD_FACTOR_MAX);
    watch.holds++;
    watch.heldUntil = now + forMs;
    this.holds++;
    this.#held(mac, watch.home, other, forMs);
  }

  #watchOf(mac: number, from: Port, now: number): Watch<Port> | undefined {
    const { withinMs, watchedMax } = this.#options;
    const known = this.#watches.get(mac);
    if (known !== undefined) {
      const isOver = known.heldUntil > 0 && now >= known.heldUntil;
      if (isOver) Object.assign(known, { heldUntil: 0, moves: 0, since: now });
      if (known.heldUntil > 0 || now - known.since < withinMs) return known;
      this.#watches.delete(mac);
    }
    if (this.#watches.size >= watchedMax) return undefined;
    const fresh = { home: from, since: now, moves: 0, heldUntil: 0, holds: 0 };
    this.#watches.set(mac, fresh);
    return fresh;
  }

  /** Drops what is over, to be called now and then. */
  sweep(now: number): void {
    const { withinMs } = this.#options;
    for (const [mac, { since, heldUntil }] of this.#watches)
      if (now >= Math.max(heldUntil, since) + withinMs) this.#watches.delete(mac);
  }

  /** Lets go of the addresses whose home has gone. */
  forget(port: Port): void {
    for (const [mac, { home }] of this.#watches) if (home === port) this.#watches.delete(mac);
  }

  /** Addresses that are held now. */
  list(now: number): Held<Port>[] {
    return [...this.#watches]
      .filter(([, { heldUntil }]) => now < heldUntil)
      .map(([mac, { home, heldUntil }]) => ({ mac, port: home, untilMs: heldUntil }));
  }
}
