import type { Aead } from "./aead.ts";
import { AllowedIps } from "./allowed-ips.ts";
import { INITIATION_SPACING_MS } from "./constants.ts";
import { CookieChecker } from "./cookie.ts";
import { Deadlines } from "./deadlines.ts";
import { createResponse, type Identity, openInitiation, openResponse } from "./handshake.ts";
import { Inbox } from "./inbox.ts";
import { Indices } from "./indices.ts";
import { LoadMeter } from "./load-meter.ts";
import { Outbox } from "./outbox.ts";
import { Peer } from "./peer.ts";
import type { PeerContext } from "./peer-context.ts";
import { RateLimiter } from "./rate-limiter.ts";
import { Router } from "./router.ts";
import { isLater } from "./tai64n.ts";
import type { Dropped, Outlet, PeerEvent } from "./types.ts";
import { CookieReply, Initiation, MessageType, messageType, Response, readU32 } from "./wire.ts";
import { KeyPair } from "./x25519.ts";

/** Options of {@link Protocol}. */
export interface ProtocolOptions<E> {
  readonly outlet: Outlet<E, Peer<E>>;
  readonly aead: Aead;
  /** Bytes of the largest packet. Default 1420. */
  readonly mtu?: number;
  /** Returns bytes that nobody can guess. */
  random(bytes: number): Uint8Array;
  /** Bytes that stand for the address and port of an endpoint. */
  addressOf(endpoint: E): Uint8Array;
  /** Text that stands for the address alone, of IPv6 its /64: what the rate of handshakes is counted by. */
  hostOf(endpoint: E): string;
  /** Returns the endpoint of the same host, for which the kernel may choose the local address anew. Default: the one given. */
  withoutSource?(endpoint: E): E;
  /** Handshakes a second from which on senders must prove their address by a cookie. Default 1500. */
  readonly loadLimit?: number;
}

/**
 * The WireGuard protocol for one tunnel: is given messages, packets and the time, and gives back messages and packets.
 * It has no socket and no clock. Times are milliseconds since 1970 that never go back.
 *
 * @typeParam E What the caller calls an address and port; the core only compares and keeps it.
 */
export class Protocol<E> implements PeerContext<E, Peer<E>> {
  readonly aead: Aead;
  readonly indices: Indices<Peer<E>>;
  readonly outbox: Outbox = new Outbox();
  readonly allowedIps: AllowedIps<Peer<E>> = new AllowedIps();
  readonly dropped: Dropped = { invalid: 0, replayed: 0, limited: 0, notAllowed: 0, unroutable: 0 };
  readonly peers: Map<string, Peer<E>> = new Map();
  identity: Identity | undefined;
  mtu: number;
  readonly #options: ProtocolOptions<E>;
  readonly #deadlines = new Deadlines<Peer<E>>();
  readonly #rate = new RateLimiter();
  readonly #load: LoadMeter;
  readonly #router: Router<E>;
  readonly #inbox: Inbox<E>;
  #cookies: CookieChecker | undefined;

  constructor(options: ProtocolOptions<E>) {
    this.#options = options;
    this.aead = options.aead;
    this.mtu = options.mtu ?? 1420;
    this.indices = new Indices(options.random);
    this.#load = new LoadMeter(options.loadLimit ?? 1500);
    this.#router = new Router(this.allowedIps, this.dropped);
    this.#inbox = new Inbox(this.indices, this.#router, this.dropped, options.outlet);
  }

  /**
   * Sets this host's private key, or none. Sessions of the old one end, and a peer with its own public key goes. The
   * key that is there already changes nothing, as with other implementations: `wg syncconf` sends it each time.
   */
  setPrivateKey(privateKey: Uint8Array | undefined): void {
    const keys = privateKey && new KeyPair(privateKey);
    if (keys !== undefined && this.identity?.keys.publicKey.toHex() === keys.publicKey.toHex()) {
      keys.wipe();
      return;
    }
    for (const peer of this.peers.values()) peer.reset();
    this.identity?.keys.wipe();
    this.identity = keys && { keys };
    this.#cookies = keys && new CookieChecker(keys.publicKey, this.#options.random);
    if (keys !== undefined) this.removePeer(keys.publicKey);
  }

  peer(publicKey: Uint8Array): Peer<E> | undefined {
    return this.peers.get(publicKey.toHex());
  }

  /** Returns the peer of that key, made if there is none; undefined for this host's own key. */
  addPeer(publicKey: Uint8Array): Peer<E> | undefined {
    const name = publicKey.toHex();
    if (this.identity !== undefined && this.identity.keys.publicKey.toHex() === name) return undefined;
    let peer = this.peers.get(name);
    if (peer === undefined) {
      peer = new Peer<E>(this, publicKey.slice());
      this.peers.set(name, peer);
    }
    return peer;
  }

  removePeer(publicKey: Uint8Array): void {
    const peer = this.peer(publicKey);
    if (peer === undefined) return;
    this.allowedIps.removeAll(peer);
    peer.reset();
    this.peers.delete(publicKey.toHex());
  }

  /** Sends packets to the peers that have their destinations. */
  send(packets: readonly Uint8Array[], now: number): void {
    this.#router.route(packets, (peer, own) => peer.send(own, now));
  }

  /** Takes messages that came from one endpoint. Their bytes are changed. @param ecn The outer header's two bits. */
  receive(messages: readonly Uint8Array[], endpoint: E, now: number, ecn = 0): void {
    for (let i = 0; i < messages.length; ) {
      const message = messages[i] as Uint8Array;
      const type = messageType(message);
      if (type === MessageType.data) {
        i = this.#inbox.receive(messages, i, endpoint, now, ecn);
        continue;
      }
      if (type === MessageType.initiation) this.#initiation(message, endpoint, now);
      else if (type === MessageType.response) this.#response(message, endpoint, now);
      else if (type === MessageType.cookieReply) this.#cookieReply(message, now);
      else this.dropped.invalid++;
      i++;
    }
  }

  /** Time at which {@link tick} should next be called; Infinity for never. */
  get deadline(): number {
    return this.#deadlines.next;
  }

  /** Does what is due. */
  tick(now: number): void {
    this.#deadlines.takeDue(now, (peer) => peer.run(now));
  }

  random(bytes: number): Uint8Array {
    return this.#options.random(bytes);
  }

  transmit(endpoint: E, messages: readonly Uint8Array[], ecn: number): boolean {
    return this.#options.outlet.transmit(endpoint, messages, ecn);
  }

  withoutSource(endpoint: E): E {
    return this.#options.withoutSource?.(endpoint) ?? endpoint;
  }

  deadlineChanged(peer: Peer<E>): void {
    this.#deadlines.update(peer);
  }

  report(peer: Peer<E>, event: PeerEvent): void {
    this.#options.outlet.report?.(peer, event);
  }

  /** Tells whether a handshake message is worth computing for; answers with a cookie where it is not yet. */
  #isWelcome(message: Uint8Array, sender: number, endpoint: E, now: number): boolean {
    const cookies = this.#cookies;
    if (!cookies?.hasMac1(message)) {
      this.dropped.invalid++;
      return false;
    }
    if (!this.#load.isLoaded(now)) return true;
    const address = this.#options.addressOf(endpoint);
    if (!cookies.hasMac2(message, address, now)) {
      this.dropped.limited++;
      this.transmit(endpoint, [cookies.reply(message, sender, address, now)], 0);
      return false;
    }
    if (this.#rate.allows(this.#options.hostOf(endpoint), now)) return true;
    this.dropped.limited++;
    return false;
  }

  #initiation(message: Uint8Array, endpoint: E, now: number): void {
    const { identity } = this;
    const sender = readU32(message, Initiation.sender);
    if (!this.#isWelcome(message, sender, endpoint, now) || identity === undefined) return;
    const opened = openInitiation(identity, message);
    const peer = opened && this.peer(opened.publicKey);
    const finished = peer && opened.finish(peer);
    if (peer === undefined || finished === undefined) {
      this.dropped.invalid++;
      return;
    }
    const isReplay = peer.lastTimestamp !== undefined && !isLater(finished.timestamp, peer.lastTimestamp);
    if (isReplay || now - peer.lastInitiationReceived < INITIATION_SPACING_MS) {
      this.dropped.replayed++;
      return;
    }
    peer.lastTimestamp = finished.timestamp;
    peer.lastInitiationReceived = now;
    const index = this.indices.claim(peer);
    const made = createResponse(peer, finished.state, new KeyPair(this.random(32)), index);
    if (made === undefined) {
      this.indices.release(index);
      this.dropped.invalid++;
      return;
    }
    peer.endpoint = endpoint;
    peer.receivedBytes += message.length;
    peer.timers.messageReceived(now);
    peer.prepareAsResponder(made.keys, index, now);
    peer.sendHandshake(made.message, now);
    peer.reschedule();
    this.report(peer, "response sent");
  }

  #response(message: Uint8Array, endpoint: E, now: number): void {
    const { identity } = this;
    const sender = readU32(message, Response.sender);
    if (!this.#isWelcome(message, sender, endpoint, now) || identity === undefined) return;
    const index = readU32(message, Response.receiver);
    const peer = this.indices.ownerOf(index);
    const state = peer?.begunAs(index);
    const keys = peer && state && openResponse(identity, peer, state, message);
    if (peer === undefined || keys === undefined) {
      this.dropped.invalid++;
      return;
    }
    peer.endpoint = endpoint;
    peer.receivedBytes += message.length;
    peer.timers.messageReceived(now);
    peer.completeAsInitiator(keys, now);
    peer.reschedule();
  }

  #cookieReply(message: Uint8Array, now: number): void {
    const peer = this.indices.ownerOf(readU32(message, CookieReply.receiver));
    if (!peer?.cookies.accept(message, now)) {
      this.dropped.invalid++;
      return;
    }
    this.report(peer, "cookie received");
  }
}
