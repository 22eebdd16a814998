import { placesOf } from "../io/batch.ts";
import type { Refusal } from "../io/batch-writer.ts";
import { EAGAIN } from "../sys/constants.ts";
import { udpNative } from "../sys/native.ts";
import { Peer } from "./peers.ts";
import type { Recipients } from "./recipients.ts";
import type { UdpState } from "./state.ts";

/** Copies of datagrams that count as sent and wait until the kernel takes them, each with its peer. */
export class KeptDatagrams {
  readonly #peers: readonly Peer[];
  readonly #addresses: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #offsets: Int32Array;
  readonly #lengths: Int32Array;
  #sent = 0;

  /** `places` has those of the datagrams among the ones that were given, in the order in which they are sent. */
  constructor(given: readonly Uint8Array[], places: readonly number[], recipients: Recipients) {
    const datagrams = places.map((place) => given[place] as Uint8Array);
    // An address in memory is valid as long as its peer is referred to.
    this.#peers = places.map((place) => recipients.at(place));
    this.#addresses = Float64Array.from(this.#peers, (peer) => Peer.addressOf(peer, recipients.ecn));
    this.#lengths = Int32Array.from(datagrams, ({ byteLength }) => byteLength);
    this.#offsets = placesOf(this.#lengths);
    // One byte at least: an empty view has no address.
    this.#bytes = Buffer.concat([...datagrams, new Uint8Array(1)]);
  }

  get count(): number {
    return this.#peers.length - this.#sent;
  }

  /** Sends them in order, as far as the kernel takes them. Returns 0, or `-EAGAIN`, and adds those that it refuses. */
  send(fd: number, state: UdpState, refusals: Refusal[]): number {
    while (this.count > 0) {
      const errno = this.#sendUntilRefused(fd, state);
      if (errno === -EAGAIN) return errno;
      if (errno === 0) break;
      refusals.push({ place: this.#sent, errno, bytes: this.#lengths[this.#sent] as number });
      this.#sent++;
    }
    return 0;
  }

  /** Returns 0, or the `-errno` of the first one that is left. */
  #sendUntilRefused(fd: number, state: UdpState): number {
    const { udp_push_each, udp_flush } = udpNative();
    const { count } = this;
    const from = this.#sent;
    // A call that fails leaves -errno in it.
    const lengths = this.#lengths.slice(from);
    const offsets = this.#offsets.subarray(from);
    const pushed = udp_push_each(fd, state.bytes, this.#addresses, from, this.#bytes, offsets, lengths, count);
    const result = pushed < count ? (lengths[pushed] as number) : udp_flush(fd, state.bytes);
    this.#sent = from + pushed - (result < 0 ? state.pending : 0);
    return Math.min(result, 0);
  }
}
