import { MAX_ATTEMPTS, MAX_STAGED, REKEY_TIMEOUT_MS } from "./constants.ts";
import { CookieHolder } from "./cookie.ts";
import type { Timed } from "./deadlines.ts";
import { createInitiation, type HandshakeState, type Remote, type SessionKeys } from "./handshake.ts";
import type { PeerContext } from "./peer-context.ts";
import { Session } from "./session.ts";
import { type TimerActions, Timers } from "./timers.ts";
import { KeyPair } from "./x25519.ts";

const NEVER = Number.POSITIVE_INFINITY;
const KEEPALIVE: readonly Uint8Array[] = [new Uint8Array(0)];
/** Shared by all peers that have none. Never written to. */
const NO_PRESHARED_KEY = new Uint8Array(32);

/** A handshake that this host has begun. */
interface Begun {
  readonly state: HandshakeState;
  readonly index: number;
}

/** One peer: its keys, sessions and timers, and the packets that wait for a handshake. */
export class Peer<E> implements Timed, TimerActions, Remote {
  readonly publicKey: Uint8Array;
  presharedKey: Uint8Array = NO_PRESHARED_KEY;
  endpoint: E | undefined;
  deadline: number = NEVER;
  queuedFor: number = NEVER;
  /** Bytes of all authentic messages, headers included. */
  receivedBytes = 0;
  sentBytes = 0;
  /** Time at which the last handshake was complete, in milliseconds since 1970; 0 for never. */
  lastHandshake = 0;
  /** Timestamp of the last initiation that was accepted: one that is not later is a replay. */
  lastTimestamp: Uint8Array | undefined;
  lastInitiationReceived: number = -NEVER;
  readonly timers: Timers;
  /** Packets that were dropped because too many waited for a handshake, or it was given up. */
  dropped = 0;
  readonly #context: PeerContext<E, Peer<E>>;
  #staticSecret: Uint8Array | undefined;
  #cookies: CookieHolder | undefined;
  #current: Session | undefined;
  #previous: Session | undefined;
  #next: Session | undefined;
  #begun: Begun | undefined;
  #attempts = 0;
  #lastInitiationSent = -NEVER;
  #hasRenewedOnReceipt = false;
  #staged: Uint8Array[] = [];

  constructor(context: PeerContext<E, Peer<E>>, publicKey: Uint8Array) {
    this.#context = context;
    this.publicKey = publicKey;
    this.timers = new Timers(() => (context.random(1)[0] as number) / 255);
  }

  /** Computed when it is first needed: with many peers most never are. */
  get staticSecret(): Uint8Array | undefined {
    this.#staticSecret ??= this.#context.identity?.keys.sharedWith(this.publicKey);
    return this.#staticSecret;
  }

  /** Made when it is first needed, as the secret is. */
  get cookies(): CookieHolder {
    this.#cookies ??= new CookieHolder(this.publicKey);
    return this.#cookies;
  }

  get keepAliveSeconds(): number {
    return this.timers.persistentMs / 1000;
  }

  /** @param seconds 0 for none. */
  setPersistentKeepAlive(seconds: number, now: number): void {
    this.timers.setPersistent(seconds * 1000, now);
    this.reschedule();
  }

  /** Sends packets, or keeps copies of them until a handshake is complete. */
  send(packets: readonly Uint8Array[], now: number): void {
    const session = this.#current;
    if (session === undefined || !session.canSend(now) || this.endpoint === undefined) {
      this.#stage(packets);
      this.startHandshake(now);
      return;
    }
    this.#seal(session, packets, now);
    this.timers.dataSent(now);
    if (session.isStaleForSending(now)) this.startHandshake(now);
    this.reschedule();
  }

  keepAlive(now: number): void {
    if (this.#current?.canSend(now)) this.#seal(this.#current, KEEPALIVE, now);
    else this.startHandshake(now);
    this.reschedule();
  }

  persistentKeepAlive(now: number): void {
    this.keepAlive(now);
  }

  /** Begins a handshake, unless one was begun just now. */
  startHandshake(now: number): void {
    this.#attempts = 0;
    this.#initiate(now);
  }

  retransmit(now: number): void {
    if (this.#attempts >= MAX_ATTEMPTS) {
      this.dropped += this.#staged.length;
      this.#staged = [];
      this.#forgetBegun();
      this.timers.handshakeGivenUp(now);
      this.#context.report(this, "handshake given up");
      return;
    }
    this.#attempts++;
    if (this.endpoint !== undefined) this.endpoint = this.#context.withoutSource(this.endpoint);
    this.#initiate(now);
  }

  wipe(): void {
    for (const session of [this.#current, this.#previous, this.#next]) this.#end(session);
    this.#current = this.#previous = this.#next = undefined;
    this.#forgetBegun();
    this.#context.report(this, "keys wiped");
  }

  /** The peer is removed, the interface is down, or this host's key has changed: nothing of the old keys stays. */
  reset(): void {
    this.wipe();
    // No timer is left that would begin a handshake later.
    this.#lastInitiationSent = -NEVER;
    this.#staticSecret?.fill(0);
    this.#staticSecret = undefined;
    this.dropped += this.#staged.length;
    this.#staged = [];
    this.timers.stop();
    this.reschedule();
  }

  /** Called for what the timers have due. */
  run(now: number): void {
    this.timers.run(now, this);
    this.reschedule();
  }

  reschedule(): void {
    this.deadline = this.timers.deadline;
    this.#context.deadlineChanged(this);
  }

  /** The handshake that this host has begun under `index`, if it is still under way. */
  begunAs(index: number): HandshakeState | undefined {
    return this.#begun?.index === index ? this.#begun.state : undefined;
  }

  sessionOf(index: number): Session | undefined {
    for (const session of [this.#current, this.#previous, this.#next])
      if (session?.localIndex === index) return session;
    return undefined;
  }

  /** This host's handshake was answered. */
  completeAsInitiator(keys: SessionKeys, now: number): void {
    const begun = this.#begun;
    if (begun === undefined) return;
    const session = new Session(this.#context.aead, keys, begun.index, true, now);
    // The index is the session's now.
    this.#begun = undefined;
    if (this.#next !== undefined) {
      // Both sides began at once: the other one's session may be in use there.
      this.#end(this.#previous);
      this.#end(this.#current);
      this.#previous = this.#next;
      this.#next = undefined;
    } else {
      this.#end(this.#previous);
      this.#previous = this.#current;
    }
    this.#current = session;
    this.timers.sessionDerived(now);
    this.#complete(now);
    // The responder may not send before it has heard something by the new keys.
    if (this.#staged.length === 0) this.keepAlive(now);
    else this.#flush(now);
  }

  /** This host has answered a handshake; the session is used once the peer does. */
  prepareAsResponder(keys: SessionKeys, localIndex: number, now: number): void {
    this.#end(this.#next);
    this.#next = new Session(this.#context.aead, keys, localIndex, false, now);
    this.timers.sessionDerived(now);
  }

  /** Authentic messages have come by `session`, from `endpoint`; `dataBytes` counts those with a packet in them. */
  received(session: Session, endpoint: E, bytes: number, hasData: boolean, now: number): void {
    this.endpoint = endpoint;
    this.receivedBytes += bytes;
    if (session === this.#next) this.#confirm(session, now);
    if (session.isStaleForReceiving(now) && !this.#hasRenewedOnReceipt && session === this.#current) {
      this.#hasRenewedOnReceipt = true;
      this.startHandshake(now);
    }
    this.timers.messageReceived(now);
    if (hasData) this.timers.dataReceived(now);
    this.reschedule();
  }

  /** Sends a handshake message, with its MACs. */
  sendHandshake(message: Uint8Array, now: number): void {
    if (this.endpoint === undefined) return;
    this.cookies.sign(message, now);
    this.sentBytes += message.length;
    this.timers.messageSent(now);
    this.#transmit([message], 0);
  }

  /** Sends messages, from another address of this host where the one that the peer knows has gone. */
  #transmit(messages: readonly Uint8Array[], ecn: number): void {
    const endpoint = this.endpoint as E;
    if (this.#context.transmit(endpoint, messages, ecn)) return;
    this.endpoint = this.#context.withoutSource(endpoint);
    if (this.endpoint !== endpoint) this.#context.transmit(this.endpoint, messages, ecn);
  }

  /** The peer uses the session that this host has answered with. */
  #confirm(session: Session, now: number): void {
    this.#end(this.#previous);
    this.#previous = this.#current;
    this.#current = session;
    this.#next = undefined;
    this.#complete(now);
    this.#flush(now);
  }

  #complete(now: number): void {
    this.#attempts = 0;
    this.#hasRenewedOnReceipt = false;
    this.lastHandshake = now;
    this.timers.handshakeComplete();
    this.#context.report(this, "handshake complete");
  }

  #initiate(now: number): void {
    const { identity, indices } = this.#context;
    if (identity === undefined || this.endpoint === undefined) return;
    if (now - this.#lastInitiationSent < REKEY_TIMEOUT_MS) return;
    this.#forgetBegun();
    const index = indices.claim(this);
    const made = createInitiation(identity, this, new KeyPair(this.#context.random(32)), index, now);
    if (made === undefined) {
      indices.release(index);
      return;
    }
    this.#begun = { state: made.state, index };
    this.#lastInitiationSent = now;
    this.timers.initiationSent(now);
    this.sendHandshake(made.message, now);
    this.#context.report(this, "initiation sent");
    this.reschedule();
  }

  #seal(session: Session, packets: readonly Uint8Array[], now: number): void {
    this.timers.messageSent(now);
    this.#context.outbox.seal(session, packets, this.#context.mtu, (messages, ecn) => {
      for (const { length } of messages) this.sentBytes += length;
      this.#transmit(messages, ecn);
    });
  }

  #stage(packets: readonly Uint8Array[]): void {
    // Copies: the packets' memory is used again. Of more than fit, the oldest go.
    const total = this.#staged.length + packets.length;
    const copies = packets.slice(-MAX_STAGED).map((packet) => packet.slice());
    this.#staged = [...this.#staged, ...copies].slice(-MAX_STAGED);
    this.dropped += total - this.#staged.length;
  }

  #flush(now: number): void {
    const staged = this.#staged;
    if (staged.length === 0) return;
    this.#staged = [];
    this.send(staged, now);
  }

  #forgetBegun(): void {
    if (this.#begun === undefined) return;
    this.#context.indices.release(this.#begun.index);
    this.#begun.state.ephemeral?.wipe();
    this.#begun = undefined;
  }

  #end(session: Session | undefined): void {
    if (session === undefined) return;
    this.#context.indices.release(session.localIndex);
    session.wipe();
  }
}
