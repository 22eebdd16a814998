import type { BatchWriter, Refusal } from "../io/batch-writer.ts";
import { udpNative } from "../sys/native.ts";
import { KeptDatagrams } from "./kept.ts";
import { Peer } from "./peers.ts";
import { Recipients } from "./recipients.ts";
import type { UdpState } from "./state.ts";
import type { Ecn } from "./types.ts";

/**
 * Sends runs of datagrams to one peer at a time, or each to a peer of its own (native/udp_send.c).
 *
 * Those to several peers are sent peer by peer. If the kernel stops taking datagrams in between, some of the first ones
 * are not sent although later ones are. Those are copied, and sent before anything else.
 */
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
  #kept: KeptDatagrams | undefined;
  #refusals: Refusal[] = [];

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
    const { udp_push, udp_push_each } = udpNative();
    const { bytes } = this.#state;
    return this.isToEach
      ? udp_push_each(fd, bytes, this.recipients.addresses, from, base, offsets, lengths, count)
      : udp_push(fd, bytes, Peer.destinationOf(this.to, this.ecn), base, offsets, lengths, count);
  }

  flush(fd: number): number {
    return udpNative().udp_flush(fd, this.#state.bytes);
  }

  get kept(): number {
    return this.#kept?.count ?? 0;
  }

  keep(given: readonly Uint8Array[], places: readonly number[]): void {
    this.#kept = new KeptDatagrams(given, places, this.recipients);
  }

  resume(fd: number): number {
    const result = this.#kept?.send(fd, this.#state, this.#refusals) ?? 0;
    if (result === 0) this.#kept = undefined;
    return result;
  }

  takeRefusals(): readonly Refusal[] {
    const refusals = this.#refusals;
    if (refusals.length > 0) this.#refusals = [];
    return refusals;
  }

  /** The peer that datagram number `i` of a batch goes to. */
  peerAt(i: number): Peer {
    return this.isToEach ? this.recipients.at(i) : this.to;
  }
}
