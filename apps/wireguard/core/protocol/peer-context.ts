import type { Aead } from "./aead.ts";
import type { Identity } from "./handshake.ts";
import type { Indices } from "./indices.ts";
import type { Outbox } from "./outbox.ts";
import type { PeerEvent } from "./types.ts";

/** The part of a tunnel that its peers need. */
export interface PeerContext<E, P> {
  readonly identity: Identity | undefined;
  readonly aead: Aead;
  readonly indices: Indices<P>;
  readonly outbox: Outbox;
  /** The tunnel's MTU: padding does not go beyond it. */
  readonly mtu: number;
  random(bytes: number): Uint8Array;
  transmit(endpoint: E, messages: readonly Uint8Array[], ecn: number): boolean;
  /** Returns the endpoint of the same host without the local address that was used to reach it, for when that may have gone. */
  withoutSource(endpoint: E): E;
  deadlineChanged(peer: P): void;
  report(peer: P, event: PeerEvent): void;
}
