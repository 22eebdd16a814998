/** What passed through the tunnel, and what did not. */

/** Datagrams and packets that got no further, by the reason. */
const reasons = {
  /** Too short, of no known type, or no IP packet inside. */
  malformed: 0,
  /** A handshake of somebody who has another key. */
  "wrong key": 0,
  /** Data whose tag is wrong: made up, changed, or cut. */
  forged: 0,
  /** Seen before. */
  replayed: 0,
  /** So late that it is not known whether it was seen before. */
  "too old": 0,
  /** Of a session, or in answer to a handshake, that there is not or no longer. */
  unexpected: 0,
  /** Packets of this host for which there was no session. */
  "no session": 0,
  /** Packets of this host for the peer's own address, which a route leads into the tunnel. */
  looped: 0,
  /** Datagrams that the socket would not take. */
  unsent: 0,
  /** Packets that the TUN would not take. */
  undelivered: 0,
};

export type DropReason = keyof typeof reasons;

export class Counters {
  readonly sent: { packets: number; bytes: number } = { packets: 0, bytes: 0 };
  readonly received: { packets: number; bytes: number } = { packets: 0, bytes: 0 };
  readonly keepAlives: { sent: number; received: number } = { sent: 0, received: 0 };
  /** Sessions that were agreed on, and how often the peer came to be elsewhere. */
  sessions: number = 0;
  moves: number = 0;
  readonly dropped: Record<DropReason, number> = { ...reasons };

  drop(reason: DropReason, count: number = 1): undefined {
    this.dropped[reason] += count;
  }
}
