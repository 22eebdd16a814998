import { groupByPeer } from "./grouping.ts";
import { Peer } from "./peers.ts";
import type { Ecn, Endpoint } from "./types.ts";

/**
 * The peers of a call that sends each datagram to one of its own. A list that comes again is known, as a sender to many
 * peers gives the same one again and again.
 */
export class Recipients {
  #peers: readonly Peer[] = [];
  #order: Int32Array = new Int32Array();
  #addresses: Float64Array = new Float64Array();
  #ecn: Ecn = 0;

  /** The places of the datagrams in the order in which they are sent: those of one peer together. */
  get order(): Int32Array {
    return this.#order;
  }

  /** The addresses of the destinations in memory, in that order, for C. */
  get addresses(): Float64Array {
    return this.#addresses;
  }

  get ecn(): Ecn {
    return this.#ecn;
  }

  /** The peer of the datagram that was given in this place. */
  at(place: number): Peer {
    return this.#peers[place] as Peer;
  }

  /** Takes over a list. `check` throws for what is no peer of the socket. */
  set(to: readonly Endpoint[], ecn: Ecn, check: (endpoint: Endpoint) => Peer): void {
    if (ecn === this.#ecn && this.#isKnown(to)) return;
    const peers: Peer[] = [];
    for (let i = 0; i < to.length; i++) peers.push(check(to[i] as Endpoint));
    const order = groupByPeer(peers);
    const addresses = new Float64Array(order.length);
    for (let i = 0; i < order.length; i++) addresses[i] = Peer.addressOf(peers[order[i] as number] as Peer, ecn);
    this.#addresses = addresses;
    this.#peers = peers;
    this.#order = order;
    this.#ecn = ecn;
  }

  #isKnown(to: readonly Endpoint[]): boolean {
    const peers = this.#peers;
    if (to.length !== peers.length) return false;
    for (let i = 0; i < peers.length; i++) if (to[i] !== peers[i]) return false;
    return true;
  }
}
