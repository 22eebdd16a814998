import type { BatchWriter } from "../io/sender.ts";
import { native } from "../sys/native.ts";
import { Peer } from "./peers.ts";
import type { UdpState } from "./state.ts";
import type { Ecn } from "./types.ts";

/** Sends runs of datagrams to one peer at a time (native/udp_send.c). */
export class DatagramWriter implements BatchWriter {
  readonly #state: UdpState;
  /** The peer that datagrams go to, until it is set to another one. */
  to: Peer;
  /** The ECN bits of their IP headers, until they are set to others. */
  ecn: Ecn = 0;

  constructor(state: UdpState, to: Peer) {
    this.#state = state;
    this.to = to;
  }

  get pending(): number {
    return this.#state.pending;
  }

  write(fd: number, datagram: Uint8Array): number {
    return native().udp_send(
      fd,
      this.#state.bytes,
      Peer.destinationOf(this.to, this.ecn),
      datagram,
      datagram.byteLength,
    );
  }

  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number): number {
    return native().udp_push(
      fd,
      this.#state.bytes,
      Peer.destinationOf(this.to, this.ecn),
      base,
      offsets,
      lengths,
      count,
    );
  }

  flush(fd: number): number {
    return native().udp_flush(fd, this.#state.bytes, Peer.destinationOf(this.to, this.ecn));
  }
}
