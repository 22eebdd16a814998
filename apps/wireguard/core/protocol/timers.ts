import { JITTER_MS, KEEPALIVE_TIMEOUT_MS, NEW_HANDSHAKE_MS, REKEY_TIMEOUT_MS, WIPE_AFTER_MS } from "./constants.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** Actions of a peer when one of its timers is due. */
export interface TimerActions {
  /** The response to an initiation is overdue. */
  retransmit(now: number): void;
  /** Data came in, and nothing went out since. */
  keepAlive(now: number): void;
  /** Data went out, and nothing came in since. */
  startHandshake(now: number): void;
  /** No new session has come for long. */
  wipe(now: number): void;
  persistentKeepAlive(now: number): void;
}

/** The five timers of a peer, each the time at which it is due (the WireGuard paper, section 6; Infinity: not armed). */
export class Timers {
  #retransmit = NEVER;
  #keepAlive = NEVER;
  #newHandshake = NEVER;
  #wipe = NEVER;
  #persistent = NEVER;
  #needsAnotherKeepAlive = false;
  /** Milliseconds between persistent keep-alives; 0 for none. */
  persistentMs = 0;
  /** Returns a number from 0 to 1, of which the jitter is made. */
  readonly #chance: () => number;

  constructor(chance: () => number) {
    this.#chance = chance;
  }

  get deadline(): number {
    return Math.min(this.#retransmit, this.#keepAlive, this.#newHandshake, this.#wipe, this.#persistent);
  }

  initiationSent(now: number): void {
    this.#retransmit = now + REKEY_TIMEOUT_MS + this.#chance() * JITTER_MS;
  }

  handshakeComplete(): void {
    this.#retransmit = NEVER;
  }

  sessionDerived(now: number): void {
    this.#wipe = now + WIPE_AFTER_MS;
  }

  /** The handshake was given up: what is left of older sessions is wiped in time. */
  handshakeGivenUp(now: number): void {
    this.#retransmit = NEVER;
    this.#keepAlive = NEVER;
    if (this.#wipe === NEVER) this.#wipe = now + WIPE_AFTER_MS;
  }

  dataSent(now: number): void {
    if (this.#newHandshake === NEVER) this.#newHandshake = now + NEW_HANDSHAKE_MS + this.#chance() * JITTER_MS;
  }

  dataReceived(now: number): void {
    if (this.#keepAlive === NEVER) this.#keepAlive = now + KEEPALIVE_TIMEOUT_MS;
    else this.#needsAnotherKeepAlive = true;
  }

  /** Any authentic message was sent, handshakes and keep-alives included. */
  messageSent(now: number): void {
    this.#keepAlive = NEVER;
    this.#traversal(now);
  }

  /** Any authentic message was received. */
  messageReceived(now: number): void {
    this.#newHandshake = NEVER;
    this.#traversal(now);
  }

  #traversal(now: number): void {
    if (this.persistentMs > 0) this.#persistent = now + this.persistentMs;
  }

  /** Persistent keep-alives were switched on, off, or to another interval. */
  setPersistent(milliseconds: number, now: number): void {
    this.persistentMs = milliseconds;
    this.#persistent = milliseconds > 0 ? now : NEVER;
  }

  stop(): void {
    this.#retransmit = this.#keepAlive = this.#newHandshake = this.#wipe = this.#persistent = NEVER;
  }

  /** Runs what is due; each timer is off when its action begins, which may arm it again. */
  run(now: number, actions: TimerActions): void {
    if (this.#retransmit <= now) {
      this.#retransmit = NEVER;
      actions.retransmit(now);
    }
    if (this.#keepAlive <= now) {
      this.#keepAlive = this.#needsAnotherKeepAlive ? now + KEEPALIVE_TIMEOUT_MS : NEVER;
      const rearmed = this.#keepAlive;
      this.#needsAnotherKeepAlive = false;
      actions.keepAlive(now);
      this.#keepAlive = rearmed;
    }
    if (this.#newHandshake <= now) {
      this.#newHandshake = NEVER;
      actions.startHandshake(now);
    }
    if (this.#wipe <= now) {
      this.#wipe = NEVER;
      actions.wipe(now);
    }
    if (this.#persistent <= now) {
      this.#persistent = this.persistentMs > 0 ? now + this.persistentMs : NEVER;
      actions.persistentKeepAlive(now);
    }
  }
}
