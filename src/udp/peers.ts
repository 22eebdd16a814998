import { showByFields } from "../packet/show.ts";
import { addressOf, fixedMemory } from "../sys/memory.ts";
import { udpNative } from "../sys/native.ts";
import { decodePeer, formatAddress, isIPv4, isUnspecified } from "./address.ts";
import type { UdpState } from "./state.ts";
import type { Ecn, Endpoint } from "./types.ts";

/** The properties of a socket that its endpoints depend on. */
export interface PeerContext {
  /** The socket, in whose namespace interfaces have their names. -1 once closed. */
  readonly fd: number;
  /** The address to which the socket is bound, as text; undefined for the unspecified one. */
  readonly boundAddress: string | undefined;
  readonly connected: boolean;
  /** Tells whether runs of datagrams may be segmented by the kernel. */
  readonly segments: boolean;
}

/** An endpoint, with its form for C. */
export class Peer implements Endpoint {
  static {
    showByFields(Peer.prototype, "Endpoint");
  }

  /** Returns the `struct destination` of native/udp.c, made when the peer is first sent to with these ECN bits. */
  static destinationOf(peer: Peer, ecn: Ecn): Uint8Array {
    if (ecn === 0) {
      peer.#destination ??= peer.#peers.destinationOf(peer.#bytes, 0);
      return peer.#destination;
    }
    peer.#marked[ecn] ??= peer.#peers.destinationOf(peer.#bytes, ecn);
    return peer.#marked[ecn];
  }

  /** Returns the address of that destination in memory. The peer keeps it there. */
  static addressOf(peer: Peer, ecn: Ecn): number {
    const addresses = peer.#addresses;
    addresses[ecn] ??= addressOf(Peer.destinationOf(peer, ecn));
    return addresses[ecn];
  }

  /** Returns the address and port as one text. */
  static remoteOf(peer: Peer): string {
    peer.#remote ??= `${peer.address} ${peer.port}`;
    return peer.#remote;
  }

  /** Returns whether it is an endpoint of the socket with these peers. */
  static isOf(peers: Peers, value: unknown): value is Peer {
    return typeof value === "object" && value !== null && #peers in value && value.#peers === peers;
  }

  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  readonly #bytes: Uint8Array;
  readonly #peers: Peers;
  #destination: Uint8Array | undefined;
  #remote: string | undefined;
  /** Destinations with other ECN bits than 0. */
  readonly #marked: (Uint8Array | undefined)[] = [];
  readonly #addresses: (number | undefined)[] = [];

  constructor(bytes: Uint8Array, peers: Peers) {
    const { remote, port, local } = decodePeer(bytes);
    const { fd, boundAddress } = peers.context;
    this.address = formatAddress(remote, fd);
    this.port = port;
    const isChosen = isUnspecified(local.bytes);
    this.localAddress = isChosen
      ? (boundAddress ?? (isIPv4(remote.bytes) ? "0.0.0.0" : "::"))
      : formatAddress(local, fd);
    this.#bytes = bytes;
    this.#peers = peers;
    Object.freeze(this);
  }

  toJSON(): Endpoint {
    const { address, port, localAddress } = this;
    return { address, port, localAddress };
  }
}

/** The peers of one socket. Each peer is one object. */
export class Peers {
  readonly context: PeerContext;
  readonly #state: UdpState;
  readonly #known: Peer[] = [];

  constructor(context: PeerContext, state: UdpState) {
    this.context = context;
    this.#state = state;
  }

  /** Returns the endpoint that a number of native/udp_peers.c stands for: its bit 16 says that it is new. */
  at(number: number): Peer {
    const id = number & 0xffff;
    if (number >= IS_NEW) this.#known[id] = new Peer(this.#state.peer(id).slice(), this);
    return this.#known[id] as Peer;
  }

  /** Returns the endpoint of a `struct peer`. */
  of(peer: Uint8Array): Peer {
    return this.at(udpNative().udp_intern(this.#state.bytes, peer));
  }

  destinationOf(peer: Uint8Array, ecn: Ecn): Uint8Array {
    const destination = fixedMemory(udpNative().udp_destination_size());
    const { connected, segments } = this.context;
    udpNative().udp_destination(this.#state.bytes, peer, connected ? 1 : 0, segments ? 0xffff : 0, ecn, destination);
    return destination;
  }
}

const IS_NEW = 1 << 16;
