import type { Device } from "../device/types.ts";
import type { TunTapError } from "../errors.ts";
import type { FrameSource } from "../io/types.ts";
import type { Endpoint, UdpSocket } from "../udp/types.ts";

/** One peer of an unconnected socket, known by its address and port. Datagrams of others are dropped, and counted. */
export interface UdpPeer {
  /** The socket, which is not connected. */
  readonly socket: UdpSocket;
  /** An endpoint of that socket. */
  readonly peer: Endpoint;
}

/** An end of a relay: a device, a connected UDP socket, or one peer of a socket. */
export type RelayEnd = Device | UdpSocket | UdpPeer;

/** Options of `relay`. */
export interface RelayOptions {
  /**
   * Called with each batch on its way from the first end to the second;
   * returns what goes on in its place. It is called synchronously, and what it
   * returns is sent before it is called again.
   */
  forward?(frames: Uint8Array[]): readonly FrameSource[];
  /** Called with each batch on its way from the second end to the first, in the same way. */
  back?(frames: Uint8Array[]): readonly FrameSource[];
  /**
   * The way to deal with an end that takes no more: `"pause"` (the default) stops receiving from the other one, whose
   * kernel queue then fills; `"drop"` drops what finds no room, and counts it.
   */
  full?: "pause" | "drop";
  /** `forward` or `back` threw (`ERR_TUNTAP_HANDLER`), which costs their batch. Without this it is an uncaught exception. */
  error?(error: TunTapError): void;
}

/** Counters of one direction. */
export interface RelayedCounters {
  /** Frames that were handed to the other end. Frames that it refused, because it was down, are in its own counters. */
  readonly frames: number;
  /** Frames that were lost: there was no room for them, their transform threw, or the relay ended. */
  readonly dropped: number;
  /** Datagrams that came from somebody else than the peer. */
  readonly strangers: number;
}

/** Two ends that are joined, until either closes. */
export interface Relay extends Disposable, AsyncDisposable {
  /** Tells whether the relay has ended. */
  readonly closed: boolean;
  /** Resolves once the relay has ended, to the reason why an end closed, if there is one. */
  readonly finished: Promise<TunTapError | undefined>;
  /** Returns the counters of both directions. */
  counters(): {
    /** From the first end to the second. */
    readonly forward: RelayedCounters;
    /** From the second end to the first. */
    readonly back: RelayedCounters;
  };
  /** Ends the relay. Both ends stay open, and somebody else can receive from them. Does nothing the second time. */
  close(): void;
}
