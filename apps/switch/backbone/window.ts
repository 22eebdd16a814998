/**
 * How much may be on its way to the NATS server. The client library keeps what the server does not take, without a
 * bound, and does not tell how much that is. So the window counts what the server has not confirmed yet, by the PONG of
 * a PING behind it, and is as large as the server takes in a short time.
 */

/** Time in which what waits must be taken: less than a lost connection takes to be noticed. */
const DELAY_MAX_MS = 300;
/** Below this, the window grows. */
const DELAY_GOOD_MS = 100;
const BYTES_MIN = 32 * 1024;
const BYTES_FIRST = 256 * 1024;
/** Markers in a full window. */
const MARKERS = 4;

/** Bytes that are on their way. The caller tells the time. */
export class Window {
  readonly #max: number;
  readonly #flush: () => Promise<void>;
  readonly #clock: () => number;
  #size: number;
  /** Counted from the beginning. */
  #sent = 0;
  #confirmed = 0;
  #marked = 0;
  /** Counts connections: a marker of an earlier one says nothing. */
  #epoch = 0;

  /** @param flush See {@link Bus.flush} */
  constructor(max: number, flush: () => Promise<void>, clock: () => number) {
    this.#max = max;
    this.#size = Math.min(max, BYTES_FIRST);
    this.#flush = flush;
    this.#clock = clock;
  }

  /** Bytes that the server has not confirmed. */
  get pending(): number {
    return this.#sent - this.#confirmed;
  }

  /** Bytes that may be on their way at a time. */
  get size(): number {
    return this.#size;
  }

  /** Tells whether there is room for so many more bytes. */
  admits(bytes: number): boolean {
    if (this.pending + bytes <= this.#size) return true;
    // A window that has shrunk may be full of what no marker is behind yet: it would stay so for ever.
    this.#markAll();
    return false;
  }

  /** Notes that so many bytes have been published. */
  sent(bytes: number): void {
    this.#sent += bytes;
    if (this.#sent - this.#marked >= this.#size / MARKERS) this.#markAll();
  }

  #markAll(): void {
    if (this.#marked === this.#sent) return;
    this.#marked = this.#sent;
    void this.#mark(this.#sent, this.#confirmed, this.#clock(), this.#epoch);
  }

  async #mark(position: number, confirmedThen: number, since: number, epoch: number): Promise<void> {
    try {
      await this.#flush();
    } catch {
      if (epoch === this.#epoch) this.reset();
      return;
    }
    if (epoch !== this.#epoch) return;
    this.#confirmed = Math.max(this.#confirmed, position);
    this.#adapt(position - confirmedThen, this.#clock() - since);
  }

  #adapt(bytes: number, delayMs: number): void {
    if (delayMs < DELAY_GOOD_MS) this.#size = Math.min(this.#max, this.#size * 2);
    else if (delayMs > DELAY_MAX_MS)
      this.#size = Math.min(this.#size, Math.max(BYTES_MIN, (bytes / delayMs) * DELAY_MAX_MS));
  }

  /** Begins anew after the connection was lost: what was on its way is lost, or has arrived. */
  reset(): void {
    this.#epoch++;
    this.#confirmed = this.#sent;
    this.#marked = this.#sent;
    this.#size = Math.min(this.#max, BYTES_FIRST);
  }
}
