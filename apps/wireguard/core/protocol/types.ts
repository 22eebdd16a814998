/** Output and counters of the core. */

/** Something that happened to a peer. */
export type PeerEvent =
  | "initiation sent"
  | "response sent"
  | "handshake complete"
  | "handshake given up"
  | "keys wiped"
  | "cookie received";

/** Messages and packets that led to nothing, by cause. */
export interface Dropped {
  /** Received: no message of the protocol, a wrong MAC, an index that nobody has, keys that do not fit. */
  invalid: number;
  /** Received: initiations and counters that were seen before or are too old. */
  replayed: number;
  /** Received: initiations that were answered by a cookie, or by nothing, because of load. */
  limited: number;
  /** Received: authentic, but no IP packet, or from an address that is not its peer's. */
  notAllowed: number;
  /** To be sent: no IP packet, or no peer has its destination. */
  unroutable: number;
}

/** Takes the output of the core. All of it is valid until the call returns. */
export interface Outlet<E, P> {
  /**
   * Messages for `endpoint`, in order.
   *
   * @param ecn The two bits of the outer header (RFC 6040).
   * @returns false if none could be sent, as the local address of `endpoint` is this host's no more.
   */
  transmit(endpoint: E, messages: readonly Uint8Array[], ecn: number): boolean;
  /** Packets for this host, in order. */
  deliver(packets: Uint8Array[]): void;
  /** Something happened that a log may want. */
  report?(peer: P, event: PeerEvent): void;
}
