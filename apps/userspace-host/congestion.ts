import { distance } from "./sequence.ts";

/** Duplicate acknowledgments that mean a lost segment, not one that was overtaken: RFC 5681 section 3.2. */
const DUPLICATES_OF_LOSS = 3;

/**
 * The congestion window, which bounds the bytes on the way: slow start from ten segments (RFC 6928),
 * congestion avoidance and fast retransmit (RFC 5681), limited transmit (RFC 3042), fast recovery
 * as NewReno does it (RFC 6582).
 */
export class Congestion {
  readonly #mss: number;
  #windowBytes: number;
  /** Slow start threshold: below it the window doubles each round trip, above it grows by a segment. */
  #threshold = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  #recovering = false;
  /** Sequence number up to which all has to be acknowledged before one more loss counts. */
  #recover: number;

  constructor(mss: number, sequence: number) {
    this.#mss = mss;
    this.#windowBytes = Math.min(10 * mss, Math.max(2 * mss, 14_600));
    this.#recover = sequence;
  }

  get windowBytes(): number {
    // RFC 3042: one new segment for each of the first duplicates, so that a small flight gives enough of them.
    const limitedTransmit = this.#recovering ? 0 : Math.min(this.#duplicates, DUPLICATES_OF_LOSS - 1) * this.#mss;
    return Math.floor(this.#windowBytes) + limitedTransmit;
  }

  /**
   * Takes an acknowledgment of all before `unacknowledged`. Returns true if another segment of the same flight is lost,
   * so that the first one has to be sent again.
   */
  acknowledged(bytes: number, unacknowledged: number): boolean {
    this.#duplicates = 0;
    if (!this.#recovering) {
      this.#grow(bytes);
      return false;
    }
    if (distance(this.#recover, unacknowledged) >= 0) {
      this.#recovering = false;
      this.#windowBytes = this.#threshold;
      return false;
    }
    this.#windowBytes = Math.max(this.#mss, this.#windowBytes - bytes + this.#mss);
    return true;
  }

  /** Takes a duplicate acknowledgment. Returns true if the first segment is lost, so that it has to be sent again. */
  duplicate(unacknowledged: number, highest: number): boolean {
    if (this.#recovering) {
      // One more segment has left the network.
      this.#windowBytes += this.#mss;
      return false;
    }
    // What is repaired after a timeout gives duplicates too, which are no loss.
    if (distance(this.#recover, unacknowledged) < 0) return false;
    this.#duplicates++;
    if (this.#duplicates !== DUPLICATES_OF_LOSS) return false;
    this.#halve(distance(unacknowledged, highest));
    this.#windowBytes = this.#threshold + DUPLICATES_OF_LOSS * this.#mss;
    this.#recovering = true;
    this.#recover = highest;
    return true;
  }

  timedOut(unacknowledged: number, highest: number): void {
    this.#halve(distance(unacknowledged, highest));
    this.#windowBytes = this.#mss;
    this.#duplicates = 0;
    this.#recovering = false;
    this.#recover = highest;
  }

  #halve(flightBytes: number): void {
    this.#threshold = Math.max(flightBytes / 2, 2 * this.#mss);
  }

  #grow(bytes: number): void {
    const slowStart = this.#windowBytes < this.#threshold;
    this.#windowBytes += slowStart ? Math.min(bytes, this.#mss) : (this.#mss * this.#mss) / this.#windowBytes;
  }
}
