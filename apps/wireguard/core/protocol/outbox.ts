import { ecnOf } from "./ecn.ts";
import type { Session } from "./session.ts";
import { DATA_MIN_BYTES, PADDING_BYTES } from "./wire.ts";

/** Messages that are sealed in one go at most: what a segmented send takes, and a bit more. */
const MAX_MESSAGES = 128;
/** Room for a run of them that stays in a processor's cache, and for one message of any length. */
const BYTES = 256 * 1024;

/** The buffer that data messages are sealed into. One serves all peers: what is in it is sent at once. */
export class Outbox {
  readonly #bytes = new Uint8Array(BYTES);
  readonly #lengths = new Int32Array(MAX_MESSAGES);
  readonly #views: Uint8Array[] = [];
  readonly #list: Uint8Array[] = [];

  /**
   * Seals packets of one session, and hands the messages to `send` in runs of packets that have the same ECN bits. The
   * messages are valid until `send` returns.
   */
  seal(
    session: Session,
    packets: readonly Uint8Array[],
    mtu: number,
    send: (messages: readonly Uint8Array[], ecn: number) => void,
  ): void {
    for (let start = 0; start < packets.length; ) {
      const ecn = ecnAt(packets, start);
      const count = this.#fitting(packets, start, ecn);
      session.sending.seal(
        packets,
        start,
        count,
        mtu,
        session.remoteIndex,
        session.counterHigh,
        session.counterLow,
        this.#bytes,
        this.#lengths,
      );
      session.advance(count);
      send(this.#messages(count), ecn);
      start += count;
    }
  }

  #fitting(packets: readonly Uint8Array[], start: number, ecn: number): number {
    let room = BYTES;
    let count = 0;
    while (start + count < packets.length && count < MAX_MESSAGES) {
      const packet = packets[start + count] as Uint8Array;
      room -= packet.length + PADDING_BYTES + DATA_MIN_BYTES;
      if (count > 0 && (room < 0 || ecnAt(packets, start + count) !== ecn)) break;
      count++;
    }
    return count;
  }

  /** Views of the sealed messages; those of the last time are used again where they fit, as they mostly do. */
  #messages(count: number): readonly Uint8Array[] {
    const list = this.#list;
    list.length = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const length = this.#lengths[i] as number;
      let view = this.#views[i];
      if (view === undefined || view.byteOffset !== at || view.length !== length) {
        view = this.#bytes.subarray(at, at + length);
        this.#views[i] = view;
      }
      list.push(view);
      at += length;
    }
    return list;
  }
}

/** A keep-alive has no packet, and so no ECN bits. */
function ecnAt(packets: readonly Uint8Array[], i: number): number {
  const packet = packets[i] as Uint8Array;
  return packet.length < 2 ? 0 : ecnOf(packet);
}
