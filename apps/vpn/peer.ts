/**
 * The other host: the sessions with it, when a new one is due, and where it is.
 * No input or output of its own, so that it can be tested without a network.
 *
 * One host connects and begins each handshake; the other one listens. While a
 * new session takes over, datagrams of the one before are still accepted.
 */
import { randomInt } from "node:crypto";
import { Counters } from "./counters.ts";
import { answeredIndexOf, Handshakes, indexOf, type Pending, type SessionKeys, timeOf } from "./handshake.ts";
import { addressBytes, isFor } from "./loop.ts";
import { Session, sessionIndexOf } from "./session.ts";
import { MessageType, typeOf } from "./wire.ts";

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface PeerOptions {
  readonly key: Buffer;
  /** Where it is, for the host that connects. The other one learns it. */
  readonly endpoint?: Endpoint | undefined;
  /** How long to say nothing at most, so that the other side and the NATs between know that we are there. */
  readonly keepAliveMs: number;
  /** When new keys are due. It is the host that connects who sees to that. */
  readonly rekeyAfterMs: number;
  readonly rekeyAfterPackets: number;
  readonly transmit: (datagram: Buffer, to: Endpoint) => void;
  readonly tell: (event: "session" | "moved", endpoint: Endpoint) => void;
  /** Where packets are sealed in another way: the bench looks at what that costs. */
  readonly makeSession?: ((keys: SessionKeys) => Session) | undefined;
  readonly now?: () => number;
}

/** A session and when it began. */
interface Term {
  readonly session: Session;
  readonly since: number;
}

/** However long the host that connects keeps its keys, the one that listens has to keep them too. */
export const REKEY_AFTER_MS_MAX = 3_600_000;
/** How long handshakes may fail before a session that should have been replaced is given up. */
const OVERTIME_MS = 60_000;
/** How long datagrams of the session before are accepted. */
const OLD_KEYS_MS = 10_000;
/** A peer that is silent for so many keep-alives has perhaps started again, and lost the session. */
const SILENT_KEEP_ALIVES = 3;
const RETRY_MS = 500;
/** Keep-alives by which a host that connects confirms a session, if it has nothing else to send. */
const CONFIRMATIONS = 4;
const RETRY_MS_MAX = 8000;
const INDEX_MAX = 2 ** 32;
const NOTHING = new Uint8Array(0);

export class Peer {
  readonly counters: Counters = new Counters();
  readonly #options: PeerOptions;
  readonly #handshakes: Handshakes;
  readonly #now: () => number;
  readonly #makeSession: (keys: SessionKeys) => Session;
  #endpoint: Endpoint | undefined;
  /** Its address as it is in packets. */
  #endpointBytes: Uint8Array | undefined;
  #current: Term | undefined;
  #previous: Term | undefined;
  /** Of the host that listens: agreed on, but not yet confirmed by data. */
  #next: Term | undefined;
  /** Of the host that connects: sent, but not yet answered. */
  #pending: Pending | undefined;
  /** Of the host that connects: keep-alives that are still to show the other one that it can use the new session. */
  #confirmations = 0;
  #attempts = 0;
  #retryAt = 0;
  #sentAt = 0;
  #heardAt = 0;
  /** The time in the last initiation, ours or theirs. */
  #handshakeTime = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#handshakes = new Handshakes(options.key);
    this.#now = options.now ?? (() => performance.now());
    this.#makeSession = options.makeSession ?? ((keys) => new Session(keys));
    if (options.endpoint !== undefined) this.#place(options.endpoint);
  }

  /** Where it was last. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /** The datagram for a packet, which goes to `endpoint`; undefined if there is no session, or it would come back. */
  seal(packet: Uint8Array): Buffer | undefined {
    if (this.#current === undefined) return this.counters.drop("no session");
    if (this.#endpointBytes !== undefined && isFor(this.#endpointBytes, packet)) return this.counters.drop("looped");
    const { sent } = this.counters;
    sent.packets++;
    sent.bytes += packet.length;
    this.#sentAt = this.#now();
    return this.#current.session.seal(packet);
  }

  /** The packet in a datagram, if there is one and it is the peer's. */
  receive(datagram: Buffer, address: string, port: number): Uint8Array | undefined {
    switch (typeOf(datagram)) {
      case MessageType.DATA:
        return this.#open(datagram, address, port);
      case MessageType.INITIATION:
        return this.#answer(datagram, { address, port });
      case MessageType.RESPONSE:
        return this.#complete(datagram);
      default:
        return this.counters.drop("malformed");
    }
  }

  /** Does what is due. To be called some times a second. */
  tick(): void {
    const now = this.#now();
    this.#forget(now);
    if (this.#isDue(now)) this.#initiate(now);
    const confirms = this.#confirmations > 0 && now - this.#sentAt >= RETRY_MS;
    if (confirms || now - this.#sentAt >= this.#options.keepAliveMs) this.#keepAlive(now);
  }

  #open(datagram: Buffer, address: string, port: number): Uint8Array | undefined {
    const { counters } = this;
    const index = sessionIndexOf(datagram);
    const term = [this.#current, this.#previous, this.#next].find((one) => one?.session.keys.localIndex === index);
    if (term === undefined) return counters.drop("unexpected");
    const packet = term.session.open(datagram);
    if (typeof packet === "string") return counters.drop(packet);
    // A late one comes from where the peer was.
    if (term !== this.#previous && term.session.isAhead) this.#follow(address, port);
    if (term === this.#next) this.#replace(term);
    this.#heardAt = this.#now();
    if (packet.length === 0) {
      counters.keepAlives.received++;
      return undefined;
    }
    const version = (packet[0] as number) >> 4;
    if (version !== 4 && version !== 6) return counters.drop("malformed");
    counters.received.packets++;
    counters.received.bytes += packet.length;
    return packet;
  }

  #follow(address: string, port: number): void {
    const before = this.#endpoint;
    if (before?.port === port && before.address === address) return;
    this.#place({ address, port });
    if (before === undefined) return;
    this.counters.moves++;
    this.#options.tell("moved", { address, port });
  }

  #place(endpoint: Endpoint): void {
    this.#endpoint = endpoint;
    this.#endpointBytes = addressBytes(endpoint.address);
  }

  #answer(initiation: Buffer, from: Endpoint): undefined {
    const { counters } = this;
    if (this.#options.endpoint !== undefined) return counters.drop("unexpected");
    if (!this.#handshakes.isAuthentic(initiation)) return counters.drop("wrong key");
    const time = timeOf(initiation);
    if (time <= this.#handshakeTime) return counters.drop("replayed");
    this.#handshakeTime = time;
    const { message, keys } = this.#handshakes.respond(initiation, this.#newIndex());
    this.#next = { session: this.#makeSession(keys), since: this.#now() };
    // The peer is where its data comes from. An initiation may have been caught, and sent on from elsewhere.
    this.#options.transmit(message, from);
  }

  #complete(response: Buffer): undefined {
    const pending = this.#pending;
    if (pending === undefined || answeredIndexOf(response) !== indexOf(pending.message)) {
      return this.counters.drop("unexpected");
    }
    const keys = this.#handshakes.complete(pending, response);
    if (keys === undefined) return this.counters.drop("wrong key");
    const now = this.#now();
    this.#pending = undefined;
    this.#attempts = 0;
    this.#heardAt = now;
    this.#replace({ session: this.#makeSession(keys), since: now });
    // Shows the other side that it can use the session: more than once, for one datagram may be lost.
    this.#confirmations = CONFIRMATIONS;
    this.#keepAlive(now);
  }

  #replace(term: Term): void {
    this.#previous = this.#current;
    this.#current = { session: term.session, since: this.#now() };
    this.#next = undefined;
    this.counters.sessions++;
    if (this.#endpoint !== undefined) this.#options.tell("session", this.#endpoint);
  }

  #forget(now: number): void {
    const { endpoint, rekeyAfterMs } = this.#options;
    const life = (endpoint === undefined ? REKEY_AFTER_MS_MAX : rekeyAfterMs) + OVERTIME_MS;
    const isOver = (term: Term | undefined): boolean => term !== undefined && now - term.since > life;
    if (isOver(this.#current)) this.#current = undefined;
    if (isOver(this.#next)) this.#next = undefined;
    if (this.#current === undefined || now - this.#current.since > OLD_KEYS_MS) this.#previous = undefined;
  }

  /** Whether it is time for a handshake, or for another try. */
  #isDue(now: number): boolean {
    const { endpoint, rekeyAfterMs, rekeyAfterPackets, keepAliveMs } = this.#options;
    if (endpoint === undefined) return false;
    if (this.#pending !== undefined) return now >= this.#retryAt;
    if (this.#current === undefined) return true;
    const { session, since } = this.#current;
    if (now - since >= rekeyAfterMs || session.packets >= rekeyAfterPackets) return true;
    return now - this.#heardAt > SILENT_KEEP_ALIVES * keepAliveMs;
  }

  #initiate(now: number): void {
    this.#handshakeTime = Math.max(Date.now(), this.#handshakeTime + 1);
    this.#pending = this.#handshakes.initiate(this.#newIndex(), this.#handshakeTime);
    // In turn to where it was last, and to where it is said to be.
    const to = this.#attempts % 2 === 0 ? this.#endpoint : this.#options.endpoint;
    const pause = Math.min(RETRY_MS * 2 ** this.#attempts, RETRY_MS_MAX);
    this.#retryAt = now + pause * (1 + Math.random() / 4);
    this.#attempts++;
    this.#options.transmit(this.#pending.message, to as Endpoint);
  }

  #keepAlive(now: number): void {
    if (this.#current === undefined || this.#endpoint === undefined) return;
    this.#sentAt = now;
    this.#confirmations--;
    this.counters.keepAlives.sent++;
    this.#options.transmit(this.#current.session.seal(NOTHING), this.#endpoint);
  }

  /** One that is no other session's. */
  #newIndex(): number {
    const taken = [this.#current, this.#previous, this.#next].map((term) => term?.session.keys.localIndex);
    for (;;) {
      const index = randomInt(INDEX_MAX);
      if (!taken.includes(index)) return index;
    }
  }
}
