import { Peer } from "./peers.ts";
import type { Ecn, Endpoint } from "./types.ts";

/**
 * The peers of a call that sends each datagram to one of its own. A list that comes again is known, as a sender to many
 * peers gives the same one again and again.
 */
export class Recipients {
  /** Peers of longer lists before stay, because C might be given their addresses. */
  readonly #peers: Peer[] = [];
  #addresses = new Float64Array(64);
  /** The ECN bits of those destinations; undefined once a list was not taken over to its end. */
  #ecn: Ecn | undefined = 0;
  #count = 0;

  /** The addresses of their destinations in memory, for C. */
  get addresses(): Float64Array {
    return this.#addresses;
  }

  get count(): number {
    return this.#count;
  }

  at(i: number): Peer {
    return this.#peers[i] as Peer;
  }

  /** Takes over a list. `check` throws for what is no peer of the socket. */
  set(to: readonly Endpoint[], ecn: Ecn, check: (endpoint: Endpoint) => Peer): void {
    const peers = this.#peers;
    const isSameEcn = ecn === this.#ecn;
    this.#ecn = undefined;
    this.#count = 0;
    const count = to.length;
    if (count > this.#addresses.length) this.#grow(count);
    for (let i = 0; i < count; i++) {
      const endpoint = to[i] as Endpoint;
      if (endpoint === peers[i] && isSameEcn) continue;
      const peer = check(endpoint);
      peers[i] = peer;
      this.#addresses[i] = Peer.addressOf(peer, ecn);
    }
    this.#count = count;
    this.#ecn = ecn;
  }

  #grow(count: number): void {
    const addresses = new Float64Array(2 * count);
    addresses.set(this.#addresses);
    this.#addresses = addresses;
  }
}
