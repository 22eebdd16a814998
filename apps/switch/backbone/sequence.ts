/** Loss, reordering and duplicates of a stream of numbered messages. */

/** Numbers behind the newest one of which it is known whether they have come. */
const SEEN_BITS = 32;

/** Fate of a message. */
export type Arrival = "in order" | "late" | "duplicate";

/** Counts what comes of one stream. Numbers have 32 bits and go round. */
export class SequenceTracker {
  received = 0;
  lost = 0;
  reordered = 0;
  duplicates = 0;
  #newest: number | undefined;
  /** Bit n: the message with the number `newest - n` has come. */
  #seen = 0;

  /** Number of the newest message; 0 before the first. */
  get newest(): number {
    return this.#newest ?? 0;
  }

  /** Begins anew: the next message is the first one. What has been counted stays. */
  restart(): void {
    this.#newest = undefined;
  }

  /** Counts a message. A duplicate is to be dropped. */
  arrive(sequence: number): Arrival {
    const ahead = this.#newest === undefined ? 1 : (sequence - this.#newest) | 0;
    if (ahead <= 0) return this.#arriveLate(-ahead);
    if (this.#newest !== undefined) this.#skip(ahead - 1);
    this.#advance(sequence, ahead, 1);
    this.received++;
    return "in order";
  }

  /** Notes that the sender has sent all up to `sequence` before now: what has not come by now is lost. */
  expect(sequence: number): void {
    if (this.#newest === undefined) {
      // Nobody knows yet what came before.
      this.#advance(sequence, SEEN_BITS, 0);
      this.#seen = -1;
      return;
    }
    const ahead = (sequence - this.#newest) | 0;
    if (ahead <= 0) return;
    this.#skip(ahead);
    this.#advance(sequence, ahead, 0);
  }

  #skip(messages: number): void {
    this.lost += messages;
  }

  #advance(sequence: number, ahead: number, bit: 0 | 1): void {
    // A first message: what came before it is not missed.
    const before = this.#newest === undefined ? -1 : this.#seen;
    this.#seen = (ahead >= SEEN_BITS ? 0 : before << ahead) | bit;
    this.#newest = sequence;
  }

  #arriveLate(behind: number): Arrival {
    const bit = 1 << behind;
    // So old that nobody knows: it may have come before, and no frame is to come twice.
    if (behind >= SEEN_BITS || (this.#seen & bit) !== 0) {
      this.duplicates++;
      return "duplicate";
    }
    this.#seen |= bit;
    this.received++;
    this.reordered++;
    this.lost--;
    return "late";
  }
}
