import type { BatchWriter } from "../io/sender.ts";
import { udpNative } from "../sys/native.ts";
import { Peer } from "./peers.ts";
import { Recipients } from "./recipients.ts";
import type { UdpState } from "./state.ts";
import type { Ecn } from "./types.ts";

/** Sends runs of datagrams to one peer at a time, or each to a peer of its own (native/udp_send.c). */
export class DatagramWriter implements BatchWriter {
  readonly #state: UdpState;
  /** The peer that datagrams go to, until it is set to another one. */
  to: Peer;
  /** The ECN bits of their IP headers, until they are set to others. */
  ecn: Ecn = 0;
  /** The peers of a batch whose datagrams go to one each. */
  readonly recipients: Recipients = new Recipients();
  /** Tells whether the batch goes to {@link recipients}, not to {@link to}. */
  isToEach = false;

  constructor(state: UdpState, to: Peer) {
    this.#state = state;
    this.to = to;
  }

  get pending(): number {
    return this.#state.pending;
  }

  write(fd: number, datagram: Uint8Array, length: number): number {
    return udpNative().udp_send(fd, this.#state.bytes, Peer.destinationOf(this.to, this.ecn), datagram, length);
  }

  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number, from: number): number {
    if (this.isToEach) return this.#pushEach(fd, base, offsets, lengths, count, from);
    return udpNative().udp_push(
      fd,
      this.#state.bytes,
      Peer.destinationOf(this.to, this.ecn),
      base,
      offsets,
      lengths,
      count,
    );
  }

  #pushEach(
    fd: number,
    base: Uint8Array,
    offsets: Int32Array,
    lengths: Int32Array,
    count: number,
    from: number,
  ): number {
    const { addresses, count: known } = this.recipients;
    if (from + count > known) {
      this.flush(fd);
      throw new RangeError("The list of datagrams has grown while they were sent");
    }
    return udpNative().udp_push_each(fd, this.#state.bytes, addresses, from, base, offsets, lengths, count);
  }

  flush(fd: number): number {
    return udpNative().udp_flush(fd, this.#state.bytes);
  }

  /** The peer that datagram number `i` of a batch goes to. */
  peerAt(i: number): Peer {
    return this.isToEach ? this.recipients.at(i) : this.to;
  }
}
