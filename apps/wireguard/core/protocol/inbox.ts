import { decapsulate } from "./ecn.ts";
import type { Indices } from "./indices.ts";
import type { Peer } from "./peer.ts";
import type { Router } from "./router.ts";
import type { Session } from "./session.ts";
import type { Dropped, Outlet } from "./types.ts";
import { DATA_MIN_BYTES, Data, MessageType, readU32 } from "./wire.ts";

/** Messages that are opened in one go at most. */
const MAX_MESSAGES = 256;

/** Opens data messages: runs of one session together, then each by its counter and its source address. */
export class Inbox<E> {
  readonly #indices: Indices<Peer<E>>;
  readonly #router: Router<E>;
  readonly #dropped: Dropped;
  readonly #outlet: Outlet<E, Peer<E>>;
  readonly #lengths = new Int32Array(MAX_MESSAGES);
  readonly #packets: Uint8Array[] = [];

  constructor(indices: Indices<Peer<E>>, router: Router<E>, dropped: Dropped, outlet: Outlet<E, Peer<E>>) {
    this.#indices = indices;
    this.#router = router;
    this.#dropped = dropped;
    this.#outlet = outlet;
  }

  /** Takes the data messages of one session from number `from` on. Returns the number of the first that it did not take. */
  receive(messages: readonly Uint8Array[], from: number, endpoint: E, now: number, ecn: number): number {
    const index = readU32(messages[from] as Uint8Array, Data.receiver);
    const to = this.#endOfRun(messages, from, index);
    const peer = this.#indices.ownerOf(index);
    const session = peer?.sessionOf(index);
    if (peer === undefined || session === undefined || !session.canReceive(now)) {
      this.#dropped.invalid += to - from;
      return to;
    }
    session.receiving.open(messages, from, to - from, this.#lengths);
    this.#take(peer, session, messages, from, to, endpoint, now, ecn);
    return to;
  }

  #take(
    peer: Peer<E>,
    session: Session,
    messages: readonly Uint8Array[],
    from: number,
    to: number,
    endpoint: E,
    now: number,
    ecn: number,
  ): void {
    const packets = this.#packets;
    packets.length = 0;
    let bytes = 0;
    let hasData = false;
    for (let i = from; i < to; i++) {
      const message = messages[i] as Uint8Array;
      const length = this.#lengths[i - from] as number;
      if (length < 0) {
        this.#dropped.invalid++;
      } else if (!session.window.accept(readU32(message, Data.counter + 4), readU32(message, Data.counter))) {
        this.#dropped.replayed++;
      } else {
        bytes += message.length;
        if (length === 0) continue;
        hasData = true;
        const packet = this.#packetOf(message, length, peer, ecn);
        if (packet === undefined) this.#dropped.notAllowed++;
        else packets.push(packet);
      }
    }
    if (bytes === 0) return;
    peer.received(session, endpoint, bytes, hasData, now);
    if (packets.length > 0) this.#outlet.deliver(packets);
  }

  /** The packet without its padding; undefined if it is none, or its source is not the peer's. */
  #packetOf(message: Uint8Array, length: number, peer: Peer<E>, ecn: number): Uint8Array | undefined {
    const at = Data.packet;
    const version = (message[at] as number) >>> 4;
    let total: number;
    if (version === 4 && length >= 20) total = ((message[at + 2] as number) << 8) | (message[at + 3] as number);
    else if (version === 6 && length >= 40)
      total = 40 + (((message[at + 4] as number) << 8) | (message[at + 5] as number));
    else return undefined;
    if (total > length || total < (version === 4 ? 20 : 40)) return undefined;
    const packet = message.subarray(at, at + total);
    if (!this.#router.isFrom(packet, peer)) return undefined;
    return ecn === 0 || decapsulate(packet, ecn) ? packet : undefined;
  }

  #endOfRun(messages: readonly Uint8Array[], from: number, index: number): number {
    const limit = Math.min(messages.length, from + MAX_MESSAGES);
    let to = from + 1;
    while (to < limit) {
      const message = messages[to] as Uint8Array;
      if (message.length < DATA_MIN_BYTES || readU32(message, 0) !== MessageType.data) break;
      if (readU32(message, Data.receiver) !== index) break;
      to++;
    }
    return to;
  }
}
