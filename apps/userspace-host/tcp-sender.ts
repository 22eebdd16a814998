import { TcpFlag } from "../../src/packet/index.ts";
import { Congestion } from "./congestion.ts";
import type { Counters } from "./counters.ts";
import { type RoundTrip, TIMEOUT_MAX_MS } from "./round-trip.ts";
import { SendBuffer } from "./send-buffer.ts";
import { advance, distance } from "./sequence.ts";

/** Without window scaling (RFC 7323) no peer takes more at once. */
const BUFFER_BYTES = 65_535;
/**
 * Time for which nothing new may be acknowledged: RFC 9293 section 3.8.3 asks for 100 s at least. It holds
 * for a peer whose window stays closed, too: RFC 6429 lets us end that one where room is short.
 */
const GIVE_UP_MS = 100_000;

/** Part of an arriving segment that concerns the sender. */
export interface Acknowledgment {
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly window: number;
  /** True if it carries nothing else: only such a one can be a duplicate (RFC 5681 section 2). */
  readonly bare: boolean;
}

/** Options of {@link TcpSender}. */
export interface SenderOptions {
  /** Sequence number of the first byte. */
  readonly sequence: number;
  /** The most payload that a segment may have. */
  readonly mss: number;
  readonly roundTrip: RoundTrip;
  /** Segment that opened the connection, with the first window of the peer. */
  readonly opening: Acknowledgment;
  readonly counters: Counters;
  /** Up to `limit` bytes to send; none: not now; null: nothing more, ever. */
  read(limit: number): Uint8Array | null;
  /** `flags`: FIN and PSH, where they belong. */
  emit(sequence: number, payload: Uint8Array, flags: number): void;
}

/**
 * The sending half of a connection: windows, acknowledgments, sending again. RFC 9293 section 3.8; the names are of its
 * section 3.3.1.
 */
export class TcpSender {
  readonly #options: SenderOptions;
  readonly #congestion: Congestion;
  readonly #buffer = new SendBuffer(BUFFER_BYTES);
  /** SND.UNA */
  #unacknowledged: number;
  /** SND.NXT. After a timeout it goes back to what is not acknowledged, and all of that is sent again. */
  #next: number;
  /** The highest value that SND.NXT has had. */
  #highest: number;
  /** SND.WND, and the segment that said so: SND.WL1, SND.WL2. */
  #window: number;
  #windowSequence: number;
  #windowAcknowledgment: number;
  #windowMax: number;
  /** Nothing follows what is in the buffer, but a FIN. */
  #ended = false;
  #endAcknowledged = false;
  /** A byte that was sent for the first time, and when: its acknowledgment ends a round trip. One at a time. */
  #timed: { sequence: number; at: number } | undefined;
  #probes = 0;
  #progressAt = 0;
  /** Time at which {@link timedOut} is to be called. */
  deadline: number = Number.POSITIVE_INFINITY;

  constructor(options: SenderOptions) {
    const { sequence, mss, opening } = options;
    this.#options = options;
    this.#congestion = new Congestion(mss, sequence);
    this.#unacknowledged = sequence;
    this.#next = sequence;
    this.#highest = sequence;
    this.#window = opening.window;
    this.#windowMax = opening.window;
    this.#windowSequence = opening.sequence;
    this.#windowAcknowledgment = opening.acknowledgment;
  }

  /** True once a FIN has been sent, or will be. */
  get ended(): boolean {
    return this.#ended;
  }

  get endAcknowledged(): boolean {
    return this.#endAcknowledged;
  }

  /** The sequence number of a segment without payload: no peer may find it outside of its window. */
  get sequence(): number {
    const edge = advance(this.#unacknowledged, this.#window);
    return distance(edge, this.#highest) > 0 ? edge : this.#highest;
  }

  /** Tells whether bytes are acknowledged that were never sent. */
  isAhead(acknowledgment: number): boolean {
    return distance(this.#highest, acknowledgment) > 0;
  }

  /** Tells whether an acknowledgment is older than anything that can still be on its way: RFC 5961 section 5.2. */
  isStale(acknowledgment: number): boolean {
    return distance(acknowledgment, this.#unacknowledged) > this.#windowMax;
  }

  /** Takes what a segment says of ours; {@link transmit} is to follow. */
  acknowledge(segment: Acknowledgment, now: number): void {
    const bytes = distance(this.#unacknowledged, segment.acknowledgment);
    if (bytes < 0) return;
    if (bytes > 0) this.#advance(bytes, segment.acknowledgment, now);
    else if (this.#isDuplicate(segment) && this.#congestion.duplicate(this.#unacknowledged, this.#highest)) {
      this.#resendFirst();
    }
    this.#updateWindow(segment);
  }

  /** Sends what both windows allow. */
  transmit(now: number): void {
    this.#fill();
    while (this.#sendNext(now)) {}
    const waiting = this.#buffer.length > 0 || (this.#ended && !this.#endAcknowledged);
    if (!waiting) this.deadline = Number.POSITIVE_INFINITY;
    else if (this.deadline === Number.POSITIVE_INFINITY) {
      // It runs too while nothing may be sent: the update that opens the window may have been lost.
      this.deadline = now + this.#options.roundTrip.timeoutMs;
      this.#progressAt = now;
    }
  }

  /** Does what is due after a timeout. Returns false if the peer is given up. */
  timedOut(now: number): boolean {
    if (now - this.#progressAt >= GIVE_UP_MS) return false;
    const { roundTrip } = this.#options;
    this.#timed = undefined;
    if (this.#window === 0 || this.#next === this.#unacknowledged) {
      this.#resendFirst(Math.max(1, this.#window));
      this.#probes++;
      this.deadline = now + Math.min(TIMEOUT_MAX_MS, roundTrip.timeoutMs * 2 ** this.#probes);
      return true;
    }
    this.#congestion.timedOut(this.#unacknowledged, this.#highest);
    roundTrip.backOff();
    this.#next = this.#unacknowledged;
    this.#sendNext(now);
    this.deadline = now + roundTrip.timeoutMs;
    return true;
  }

  #fill(): void {
    while (!this.#ended && this.#buffer.room > 0) {
      const bytes = this.#options.read(this.#buffer.room);
      if (bytes === null) this.#ended = true;
      else if (bytes.length === 0) return;
      else this.#buffer.append(bytes);
    }
  }

  #sendNext(now: number): boolean {
    if (this.#endAcknowledged) return false;
    const sent = distance(this.#unacknowledged, this.#next);
    const room = Math.min(this.#congestion.windowBytes, this.#window) - sent;
    const unsent = this.#buffer.length - sent;
    const full = Math.min(unsent, this.#options.mss);
    const size = Math.min(full, room);
    // Less than nothing is unsent once the FIN is. Small pieces of a small window would go on for ever: RFC 9293 section 3.8.6.2.1.
    if (size < 0 || (size < full && size < this.#windowMax / 2)) return false;
    const fin = this.#ended && size === unsent && room > size;
    if (size === 0 && !fin) return false;
    if (this.#timed === undefined && this.#next === this.#highest) this.#timed = { sequence: this.#next, at: now };
    this.#emit(this.#next, sent, size, fin);
    this.#next = advance(this.#next, size + Number(fin));
    return true;
  }

  /** Sends from the oldest byte that is not acknowledged; SND.NXT stays. */
  #resendFirst(limit: number = this.#options.mss): void {
    const size = Math.min(this.#buffer.length, this.#options.mss, limit);
    // Karn: nobody can tell which of the two is acknowledged (RFC 6298 section 3).
    const timed = this.#timed !== undefined && distance(this.#unacknowledged, this.#timed.sequence) < size;
    if (timed) this.#timed = undefined;
    this.#emit(this.#unacknowledged, 0, size, this.#ended && size === this.#buffer.length && limit > size);
  }

  #emit(sequence: number, offset: number, size: number, fin: boolean): void {
    const end = advance(sequence, size + Number(fin));
    if (sequence !== this.#highest) this.#options.counters.segmentsSentAgain++;
    if (distance(this.#highest, end) > 0) this.#highest = end;
    // RFC 9293 section 3.9.1.2: where nothing more is to be sent, the peer is to hand it on.
    const push = size > 0 && offset + size === this.#buffer.length;
    const flags = (fin ? TcpFlag.FIN : 0) | (push ? TcpFlag.PSH : 0);
    this.#options.emit(sequence, this.#buffer.view(offset, size), flags);
  }

  #advance(bytes: number, acknowledgment: number, now: number): void {
    const ofData = Math.min(bytes, this.#buffer.length);
    this.#buffer.drop(ofData);
    // One more than there are bytes: the FIN.
    if (bytes > ofData) this.#endAcknowledged = true;
    this.#unacknowledged = acknowledgment;
    if (distance(this.#next, acknowledgment) > 0) this.#next = acknowledgment;
    if (this.#timed !== undefined && distance(this.#timed.sequence, acknowledgment) > 0) {
      this.#options.roundTrip.measured(now - this.#timed.at);
      this.#timed = undefined;
    }
    this.#restartTimer();
    if (this.#congestion.acknowledged(bytes, acknowledgment) && this.#buffer.length > 0) this.#resendFirst();
  }

  #isDuplicate({ bare, window }: Acknowledgment): boolean {
    // While the window is closed it is an answer to a probe.
    return bare && window === this.#window && window > 0 && this.#highest !== this.#unacknowledged;
  }

  #updateWindow({ sequence, acknowledgment, window }: Acknowledgment): void {
    // Only from a segment as new as the one before: this one may have been overtaken.
    const newer = distance(this.#windowSequence, sequence);
    if (newer < 0 || (newer === 0 && distance(this.#windowAcknowledgment, acknowledgment) < 0)) return;
    if (window > this.#window && this.#next === this.#unacknowledged) this.#restartTimer();
    this.#window = window;
    this.#windowMax = Math.max(this.#windowMax, window);
    this.#windowSequence = sequence;
    this.#windowAcknowledgment = acknowledgment;
  }

  #restartTimer(): void {
    this.deadline = Number.POSITIVE_INFINITY;
    this.#probes = 0;
  }
}
