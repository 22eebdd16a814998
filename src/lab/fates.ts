import { chance, Purpose } from "./chance.ts";
import type { Settings } from "./settings.ts";

/** The end of a frame that goes no further; PASSED is that of one that does. */
export const Fate = { PASSED: 0, QUEUE: 1, TOO_LONG: 2, LOST: 3 } as const;

/** Bytes of an Ethernet header. */
const HEADER = 14;
/** Frames that overtake one that is late, at most. */
const HOLD_MAX = 3;

/**
 * Decides the fate of each frame of one direction: by the time at which it
 * comes, its length, and chance. Pure: it knows no clock and no bytes. The
 * answer to {@link decide} stands in the fields, until the next one.
 */
export class Fates {
  settings: Settings;
  readonly #key: number;
  /** The number of the frame, among those that chance is about. */
  #frame = 0;
  #isBad = false;
  /** The time at which the bottleneck has sent all that waits for it, in microseconds. */
  #busyUntil = 0;
  #lastAt = 0;

  /** The time at which the frame arrives, in microseconds. */
  at = 0;
  /** 2 if it arrives twice. */
  copies = 1;
  /** Frames that are to overtake it. */
  hold = 0;
  /** Tells whether it is one of the frames that overtake others: those that are exempt do not count. */
  overtakes = true;
  /** The bit that is flipped, counted from the first of the frame; -1 for none. */
  bit = -1;

  constructor(key: number, settings: Settings) {
    this.#key = key;
    this.settings = settings;
  }

  /**
   * @param now microseconds, never before those of the last call
   * @param isExempt the frame is not subject to chance
   * @param extraUs microseconds beyond the delay
   */
  decide(length: number, now: number, isExempt: boolean, extraUs = 0): number {
    const { settings } = this;
    this.copies = 1;
    this.hold = 0;
    this.bit = -1;
    this.overtakes = !isExempt;
    if (!isExempt) this.#frame++;
    // Before the bottleneck: the chain of bursts moves with every frame, whatever becomes of it.
    const isLost = !isExempt && settings.loss !== 0 && this.#loses();
    if (length - HEADER > settings.mtu) return Fate.TOO_LONG;
    const sent = this.#sentAt(length, now);
    if (sent < 0) return Fate.QUEUE;
    if (isLost) return Fate.LOST;
    this.at = this.#arrivesAt(sent, isExempt) + extraUs;
    if (!isExempt) this.#change(length);
    return Fate.PASSED;
  }

  /** Returns when the bottleneck has sent a frame; -1 if its queue has no room. */
  #sentAt(length: number, now: number): number {
    const { rate, queue } = this.settings;
    if (rate === Number.POSITIVE_INFINITY) return now;
    const waitingUs = this.#busyUntil - now;
    if (waitingUs > 0 && (waitingUs * rate) / 8e6 + length > queue) return -1;
    this.#busyUntil = (waitingUs > 0 ? this.#busyUntil : now) + (length * 8e6) / rate;
    return this.#busyUntil;
  }

  /** Frames keep their order: one that jitter would let overtake arrives with the one before it. */
  #arrivesAt(sent: number, isExempt: boolean): number {
    const { delayUs, jitterUs } = this.settings;
    let at = sent + delayUs;
    if (jitterUs > 0 && !isExempt) at += jitterUs * (2 * this.#chance(Purpose.JITTER) - 1);
    this.#lastAt = Math.max(at, this.#lastAt, sent);
    return this.#lastAt;
  }

  #change(length: number): void {
    const { duplicate, reorder, corrupt } = this.settings;
    if (duplicate > 0 && this.#chance(Purpose.DUPLICATE) < duplicate) this.copies = 2;
    if (reorder > 0 && this.#chance(Purpose.REORDER) < reorder) {
      this.hold = 1 + Math.floor(HOLD_MAX * this.#chance(Purpose.HOLD));
    }
    if (corrupt > 0 && length > HEADER && this.#chance(Purpose.CORRUPT) < corrupt) {
      this.bit = 8 * HEADER + Math.floor(8 * (length - HEADER) * this.#chance(Purpose.BIT));
    }
  }

  #loses(): boolean {
    const { loss } = this.settings;
    if (typeof loss === "number") return this.#chance(Purpose.LOSS) < loss;
    const { enter, leave, lossInGood, lossInBad } = loss;
    if (this.#chance(Purpose.BURST) < (this.#isBad ? leave : enter)) this.#isBad = !this.#isBad;
    return this.#chance(Purpose.LOSS) < (this.#isBad ? lossInBad : lossInGood);
  }

  #chance(purpose: number): number {
    return chance(this.#key, this.#frame, purpose);
  }
}
