import type { AllowedIps } from "./allowed-ips.ts";
import type { Peer } from "./peer.ts";
import type { Dropped } from "./types.ts";

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;

/**
 * Cryptokey routing of batches: packets of one flow come together, so the last answer is kept and a packet to the same
 * address costs a comparison.
 */
export class Router<E> {
  readonly #allowedIps: AllowedIps<Peer<E>>;
  readonly #dropped: Dropped;
  readonly #destination = new Cached<Peer<E>>();
  readonly #source = new Cached<Peer<E>>();

  constructor(allowedIps: AllowedIps<Peer<E>>, dropped: Dropped) {
    this.#allowedIps = allowedIps;
    this.#dropped = dropped;
  }

  /** Calls `send` once for each peer with its packets of a batch, in their order: together they are sealed and sent in runs. */
  route(packets: readonly Uint8Array[], send: (peer: Peer<E>, packets: readonly Uint8Array[]) => void): void {
    const first = packets.length === 0 ? undefined : this.#destinationOf(packets[0] as Uint8Array);
    let same = 1;
    while (same < packets.length && this.#destinationOf(packets[same] as Uint8Array) === first) same++;
    // Most batches are for one peer.
    if (first !== undefined && same >= packets.length) send(first, packets);
    else for (const [peer, own] of this.#byPeer(packets, first, same)) send(peer, own);
  }

  /** Sorts the packets of a batch by their peers. The first `same` ones have the destination `first`. */
  #byPeer(packets: readonly Uint8Array[], first: Peer<E> | undefined, same: number): Map<Peer<E>, Uint8Array[]> {
    const found = new Map<Peer<E>, Uint8Array[]>();
    for (let i = 0; i < packets.length; i++) {
      const packet = packets[i] as Uint8Array;
      const peer = i < same ? first : this.#destinationOf(packet);
      const own = peer && found.get(peer);
      if (own !== undefined) own.push(packet);
      else if (peer !== undefined) found.set(peer, [packet]);
      else this.#dropped.unroutable++;
    }
    return found;
  }

  #destinationOf(packet: Uint8Array): Peer<E> | undefined {
    return this.#lookUp(packet, this.#destination, 16, 24);
  }

  /** Tells whether the source address of `packet` is one of the peer's. */
  isFrom(packet: Uint8Array, peer: Peer<E>): boolean {
    return this.#lookUp(packet, this.#source, 12, 8) === peer;
  }

  #lookUp(packet: Uint8Array, cached: Cached<Peer<E>>, at4: number, at6: number): Peer<E> | undefined {
    const version = packet.length < IPV4_BYTES ? 0 : (packet[0] as number) >>> 4;
    if (version === 4) return cached.find(this.#allowedIps, packet, at4, 4);
    if (version === 6 && packet.length >= IPV6_BYTES) return cached.find(this.#allowedIps, packet, at6, 16);
    return undefined;
  }
}

/** The owner of the address that was last looked up. */
class Cached<P> {
  readonly #address = new Uint8Array(16);
  #size = 0;
  #version = -1;
  #owner: P | undefined;

  find(allowedIps: AllowedIps<P>, bytes: Uint8Array, at: number, size: 4 | 16): P | undefined {
    if (this.#size === size && this.#version === allowedIps.version && this.#isSame(bytes, at, size))
      return this.#owner;
    this.#owner = allowedIps.find(bytes, at, size);
    this.#version = allowedIps.version;
    this.#size = size;
    for (let i = 0; i < size; i++) this.#address[i] = bytes[at + i] as number;
    return this.#owner;
  }

  #isSame(bytes: Uint8Array, at: number, size: number): boolean {
    // From the end: the last bytes differ most often.
    for (let i = size - 1; i >= 0; i--) if (this.#address[i] !== bytes[at + i]) return false;
    return true;
  }
}
