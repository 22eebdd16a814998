import { TcpFlag } from "../../src/packet/index.ts";
import type { Counters } from "./counters.ts";
import { RoundTrip } from "./round-trip.ts";
import { advance, distance } from "./sequence.ts";
import { type Acknowledgment, TcpSender } from "./tcp-sender.ts";

/** Part of a TCP segment that a connection takes and gives: everything except ports and checksum. */
export interface Segment {
  readonly sequence: number;
  readonly acknowledgment: number;
  /** Bits of `TcpFlag`. */
  readonly flags: number;
  readonly window: number;
  readonly payload: Uint8Array;
}

/** The program at our end. */
export interface Application {
  /** Takes what has arrived, in order. */
  receive(bytes: Uint8Array): void;
  /** The peer sends no more. */
  peerEnded(): void;
  /** Up to `limit` bytes to send; none: not now; null: nothing more, ever. */
  read(limit: number): Uint8Array | null;
}

/** Options of {@link TcpConnection}. */
export interface ConnectionOptions {
  readonly syn: Segment;
  /** ISS: our own first sequence number. */
  readonly sequence: number;
  /** The most payload that a segment to the peer may have. */
  readonly mss: number;
  readonly counters: Counters;
  /** Called once the connection is established. */
  accept(): Application;
  emit(segment: Segment): void;
}

/** RFC 9293 section 3.3.2. LISTEN is the table's, `tcp.ts`; SYN-SENT is left out. */
export type TcpState =
  | "SYN-RECEIVED"
  | "ESTABLISHED"
  | "FIN-WAIT-1"
  | "FIN-WAIT-2"
  | "CLOSING"
  | "TIME-WAIT"
  | "CLOSE-WAIT"
  | "LAST-ACK"
  | "CLOSED";

/** RCV.WND, which stays: the application takes at once what arrives. */
const RECEIVE_WINDOW = 16_384;
/** SYN-ACKs: after 1, 2 and 4 seconds without an answer the opening is forgotten. */
const SYN_ACKS_MAX = 3;
/** Time for which a peer may be silent while nothing is sent to it. */
const IDLE_MS = 30_000;
/** Twice the time that a segment may be on its way: RFC 9293 says 4 minutes, for an internet; this is one link. */
const TIME_WAIT_MS = 10_000;
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * One connection that a peer has opened: RFC 9293 section 3.10, from segments to segments. It
 * has no timer of its own: whoever owns it calls {@link tick} at {@link deadline}.
 */
export class TcpConnection {
  readonly #options: ConnectionOptions;
  readonly #roundTrip = new RoundTrip();
  #sender: TcpSender | undefined;
  #application: Application | undefined;
  /** RCV.NXT */
  #receiveNext: number;
  #synAckDeadline: number;
  #synAcks = 0;
  #openedAt: number;
  #heardAt: number;
  #peerEnded = false;
  /** True if we ended before the peer did: it is for us then to stay until no segment can be on its way. */
  #endedFirst = false;
  #owesAck = false;
  #closed = false;

  constructor(options: ConnectionOptions, now: number) {
    this.#options = options;
    this.#receiveNext = advance(options.syn.sequence, 1);
    this.#openedAt = now;
    this.#heardAt = now;
    this.#synAckDeadline = now;
    this.#sendSynAck(now);
  }

  get state(): TcpState {
    if (this.#closed) return "CLOSED";
    if (this.#sender === undefined) return "SYN-RECEIVED";
    const { ended, endAcknowledged } = this.#sender;
    if (!this.#peerEnded) return ended ? (endAcknowledged ? "FIN-WAIT-2" : "FIN-WAIT-1") : "ESTABLISHED";
    if (!ended) return "CLOSE-WAIT";
    if (this.#endedFirst) return endAcknowledged ? "TIME-WAIT" : "CLOSING";
    return endAcknowledged ? "CLOSED" : "LAST-ACK";
  }

  /**
   * Tells whether a segment would open it anew: RFC 9293 section 3.6.1 lets a SYN end TIME-WAIT if nothing old can be taken
   * for new.
   */
  isReopenedBy({ flags, sequence }: Segment): boolean {
    const opening = (flags & (TcpFlag.SYN | TcpFlag.ACK | TcpFlag.RST)) === TcpFlag.SYN;
    return opening && this.state === "TIME-WAIT" && distance(this.#receiveNext, sequence) > 0;
  }

  /** Time at which {@link tick} is to be called; it may change with every segment. */
  get deadline(): number {
    if (this.#sender === undefined) return this.#synAckDeadline;
    if (this.#sender.deadline < Number.POSITIVE_INFINITY) return this.#sender.deadline;
    return this.#heardAt + (this.state === "TIME-WAIT" ? TIME_WAIT_MS : IDLE_MS);
  }

  tick(now: number): void {
    if (now < this.deadline) return;
    if (this.#sender === undefined) this.#sendSynAck(now);
    else if (this.#sender.deadline <= now) {
      if (!this.#sender.timedOut(now)) this.#abort();
    } else if (this.state === "TIME-WAIT") this.#closed = true;
    else this.#abort();
  }

  /** The steps of RFC 9293 section 3.10.7.4, with the stricter checks of RFC 5961. */
  receive(segment: Segment, now: number): void {
    const { flags, sequence } = segment;
    if (!this.#isInWindow(segment)) this.#answerOutside(segment, now);
    else if (flags & TcpFlag.RST && sequence === this.#receiveNext) this.#reset();
    // Any other RST or SYN is somebody's guess, or of a peer that has started anew: our answer has that one send the right RST.
    else if (flags & (TcpFlag.RST | TcpFlag.SYN)) this.#sendAck();
    else if (flags & TcpFlag.ACK) this.#receiveInWindow(segment, now);
  }

  #receiveInWindow(segment: Segment, now: number): void {
    this.#sender ??= this.#establish(segment, now);
    const sender = this.#sender;
    if (sender === undefined) return;
    const { acknowledgment } = segment;
    if (sender.isAhead(acknowledgment) || sender.isStale(acknowledgment)) {
      this.#sendAck();
      return;
    }
    this.#heardAt = now;
    sender.acknowledge(acknowledgmentOf(segment), now);
    this.#receivePayload(segment);
    sender.transmit(now);
    if (this.#owesAck) this.#sendAck();
  }

  #isInWindow({ sequence, flags, payload }: Segment): boolean {
    const length = payload.length + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
    const first = distance(this.#receiveNext, sequence);
    const last = first + Math.max(0, length - 1);
    return (first >= 0 && first < RECEIVE_WINDOW) || (last >= 0 && last < RECEIVE_WINDOW);
  }

  /** Answers a segment outside of the window: an old one, most likely because its acknowledgment was lost. */
  #answerOutside({ flags, sequence }: Segment, now: number): void {
    if (flags & TcpFlag.RST) return;
    if (this.state === "TIME-WAIT" && flags & TcpFlag.FIN) this.#heardAt = now;
    const synAgain = this.#sender === undefined && flags & TcpFlag.SYN && sequence === this.#options.syn.sequence;
    if (synAgain) this.#emitSynAck();
    else this.#sendAck();
  }

  #establish(segment: Segment, now: number): TcpSender | undefined {
    const { sequence, mss, counters, accept } = this.#options;
    const { acknowledgment } = segment;
    const first = advance(sequence, 1);
    if (acknowledgment !== first) {
      this.#options.emit({
        sequence: acknowledgment,
        acknowledgment: 0,
        flags: TcpFlag.RST,
        window: 0,
        payload: NOTHING,
      });
      return undefined;
    }
    if (this.#synAcks === 1) this.#roundTrip.measured(now - this.#openedAt);
    const application = accept();
    this.#application = application;
    counters.connectionsOpened++;
    return new TcpSender({
      sequence: first,
      mss,
      roundTrip: this.#roundTrip,
      opening: acknowledgmentOf(segment),
      counters,
      read: (limit) => application.read(limit),
      emit: (at, payload, flags) => this.#emit(at, flags | TcpFlag.ACK, payload),
    });
  }

  #receivePayload({ sequence, payload, flags }: Segment): void {
    const overlap = distance(sequence, this.#receiveNext);
    const end = payload.length - overlap;
    const hasContent = payload.length > 0 || (flags & TcpFlag.FIN) !== 0;
    if (!hasContent || this.#peerEnded) return;
    this.#owesAck = true;
    if (overlap < 0) {
      this.#options.counters.segmentsOutOfOrder++;
      return;
    }
    const fresh = payload.subarray(overlap, overlap + RECEIVE_WINDOW);
    if (fresh.length > 0) this.#application?.receive(fresh);
    this.#receiveNext = advance(this.#receiveNext, fresh.length);
    if (!(flags & TcpFlag.FIN) || end !== fresh.length) return;
    this.#receiveNext = advance(this.#receiveNext, 1);
    this.#endedFirst = this.#sender?.ended ?? false;
    this.#peerEnded = true;
    this.#application?.peerEnded();
  }

  #sendSynAck(now: number): void {
    if (this.#synAcks === SYN_ACKS_MAX) {
      this.#options.counters.connectionsDropped++;
      this.#closed = true;
      return;
    }
    if (this.#synAcks > 0) this.#roundTrip.backOff();
    this.#synAckDeadline = now + this.#roundTrip.timeoutMs;
    this.#emitSynAck();
  }

  #emitSynAck(): void {
    this.#synAcks++;
    this.#emit(this.#options.sequence, TcpFlag.SYN | TcpFlag.ACK, NOTHING);
  }

  #sendAck(): void {
    this.#emit(this.#sender?.sequence ?? advance(this.#options.sequence, 1), TcpFlag.ACK, NOTHING);
  }

  #emit(sequence: number, flags: number, payload: Uint8Array): void {
    this.#owesAck = false;
    this.#options.emit({ sequence, acknowledgment: this.#receiveNext, flags, window: RECEIVE_WINDOW, payload });
  }

  #reset(): void {
    this.#options.counters.connectionsReset++;
    this.#closed = true;
  }

  #abort(): void {
    this.#emit(this.#sender?.sequence ?? 0, TcpFlag.RST | TcpFlag.ACK, NOTHING);
    this.#reset();
  }
}

function acknowledgmentOf({ sequence, acknowledgment, window, flags, payload }: Segment): Acknowledgment {
  return { sequence, acknowledgment, window, bare: payload.length === 0 && (flags & TcpFlag.FIN) === 0 };
}
