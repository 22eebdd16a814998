/**
 * Bounds what is on its way. The client library keeps what the NATS server does not take, and the server what a hub
 * does not take: neither tells how much, and signs of life wait behind it. So a window counts what the other side has
 * not confirmed, and is as large as that takes in a short time.
 */

/** Time for which bytes may wait beyond the time of a round trip: less than it takes until a connection counts as lost. */
const DELAY_MAX_MS = 300;
/** Below this, the window grows. */
const DELAY_GOOD_MS = 100;
/** An answer that has not come by then counts as lost, and is asked for again. */
const LOST_MS = 1000;
const BYTES_MIN = 32 * 1024;
/** Nothing is known of the receiver yet: a slow one takes this within a second, too. */
const BYTES_FIRST = BYTES_MIN;
/** Markers in a full window. */
const MARKERS = 4;

/** A place in the stream that the other side confirms. */
interface Marker {
  readonly key: number;
  /** Bytes up to it, and those that were confirmed when it was set. */
  readonly position: number;
  readonly confirmedThen: number;
  readonly at: number;
}

/** Bytes on their way to one receiver. */
export class Window {
  readonly #max: number;
  readonly #clock: () => number;
  #size: number;
  /** Counted from the beginning. */
  #sent = 0;
  #confirmed = 0;
  /** Number of the last message. */
  #key = 0;
  #markers: Marker[] = [];
  /** The shortest round trip: what is longer, waits. */
  #roundTripMs = Number.POSITIVE_INFINITY;

  /** @param max The most bytes, however fast the receiver is */
  constructor(max: number, clock: () => number) {
    this.#max = max;
    this.#size = Math.min(max, BYTES_FIRST);
    this.#clock = clock;
  }

  /** Bytes that have not been confirmed. */
  get pending(): number {
    return this.#sent - this.#confirmed;
  }

  /** Bytes that may be on their way at a time. */
  get size(): number {
    return this.#size;
  }

  /**
   * Tells whether there is room for so many more bytes, behind others that wait to be sent. One message always finds room
   * in an empty window: it may be longer than a window that has shrunk.
   */
  admits(bytes: number, waiting = 0): boolean {
    const before = this.pending + waiting;
    return before === 0 || before + bytes <= this.#size;
  }

  /**
   * Notes that so many bytes are sent.
   *
   * @param key Number of their message, of 32 bits
   * @returns true if the receiver is to be asked to confirm it
   */
  sent(bytes: number, key: number): boolean {
    const isDue = this.isDue(bytes);
    this.#sent += bytes;
    this.#key = key;
    if (isDue) this.#mark();
    return isDue;
  }

  /** Tells whether the receiver is to be asked to confirm the message that sends so many more bytes. */
  isDue(bytes: number): boolean {
    const marked = this.#markers.at(-1)?.position ?? this.#confirmed;
    return this.#sent + bytes - marked >= this.#size / MARKERS;
  }

  /**
   * Has the last message confirmed where nothing else is to be, or what was to be is overdue. A window that has shrunk may
   * be full of bytes with no marker behind them; and the question or the answer may be lost, as the other hub lost its
   * server. Either would stay full.
   *
   * @returns the number of the message; undefined if there is no need
   */
  markLast(): number | undefined {
    const waitedMs = this.#clock() - (this.#markers[0]?.at ?? Number.NEGATIVE_INFINITY);
    if (this.pending === 0 || waitedMs < LOST_MS) return undefined;
    this.#markers = [];
    this.#mark();
    return this.#key;
  }

  #mark(): void {
    this.#markers.push({ key: this.#key, position: this.#sent, confirmedThen: this.#confirmed, at: this.#clock() });
  }

  /** Notes that the receiver has got all up to the message with the number `key`. */
  confirm(key: number): void {
    let last: Marker | undefined;
    while (this.#markers[0] !== undefined && ((key - this.#markers[0].key) | 0) >= 0) last = this.#markers.shift();
    if (last === undefined) return;
    this.#confirmed = last.position;
    this.#adapt(last.position - last.confirmedThen, this.#clock() - last.at);
  }

  #adapt(bytes: number, delayMs: number): void {
    // A first answer that takes long says nothing yet: the way may be long, or something has waited.
    const isKnown = this.#roundTripMs < Number.POSITIVE_INFINITY;
    this.#roundTripMs = Math.min(this.#roundTripMs, delayMs);
    const waitedMs = isKnown ? delayMs - this.#roundTripMs : delayMs;
    if (waitedMs < DELAY_GOOD_MS) this.#size = Math.min(this.#max, this.#size * 2);
    else if (waitedMs > DELAY_MAX_MS) {
      const rate = bytes / delayMs;
      this.#size = Math.min(this.#size, Math.max(BYTES_MIN, rate * (this.#roundTripMs + DELAY_MAX_MS)));
    }
  }

  /** Begins anew after the connection was lost: what was on its way is lost, or has arrived. */
  reset(): void {
    this.#confirmed = this.#sent;
    this.#markers = [];
    this.#size = Math.min(this.#max, BYTES_FIRST);
    this.#roundTripMs = Number.POSITIVE_INFINITY;
  }
}
