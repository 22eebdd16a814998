/** The settings of a tunnel, as the UAPI and configuration files give them. */
import type { TunTapError } from "../../../src/index.ts";
import type { Log } from "./log.ts";
import type { Aead } from "./protocol/aead.ts";
import type { AllowedIp } from "./protocol/allowed-ips.ts";
import type { Dropped } from "./protocol/types.ts";

/** Address and port of a peer: never a name. */
export interface PeerEndpoint {
  readonly address: string;
  readonly port: number;
}

/** A change of one prefix of a peer. */
export interface AllowedIpSetting extends AllowedIp {
  /** Take it away instead. */
  readonly remove?: boolean;
}

/** Changes of one peer; what is undefined stays as it is. */
export interface PeerSettings {
  readonly publicKey: Uint8Array;
  /** The peer goes. */
  remove?: boolean;
  /** The rest applies only if there is such a peer. */
  updateOnly?: boolean;
  /** 32 bytes; all zeros for none. */
  presharedKey?: Uint8Array;
  endpoint?: PeerEndpoint;
  /** Seconds between persistent keep-alives, 0 to 65535; 0 for none. */
  keepAlive?: number;
  /** All prefixes go before those of `allowedIps` come. */
  replaceAllowedIps?: boolean;
  readonly allowedIps: AllowedIpSetting[];
}

/** Changes of a tunnel; what is undefined stays as it is. */
export interface TunnelSettings {
  /** 32 bytes; all zeros for none. */
  privateKey?: Uint8Array;
  /** 0 for any free one. */
  listenPort?: number;
  /** Mark of the tunnel's own datagrams; 0 for none. */
  mark?: number;
  /** All peers go before those of `peers` come. */
  replacePeers?: boolean;
  readonly peers: PeerSettings[];
}

/** The surroundings of a tunnel, which stay while it lives. */
export interface TunnelOptions {
  /** Name or pattern of the interface. Default "wg%d". */
  readonly name?: string;
  /** Default 1420. */
  readonly mtu?: number;
  readonly aead: Aead;
  readonly log: Log;
  /** The network namespace of the interface: a name, a path or a process id. Default: this thread's. */
  readonly netns?: string | number;
  /** The network namespace of the socket. Default: this thread's. */
  readonly socketNetns?: string | number;
  /** Called once, when the tunnel has ended; with a reason if it was not by `close()`. */
  onClose?(reason?: TunTapError): void;
}

/** Packets and messages that led to nothing, of the core and of the two ends. */
export interface TunnelDropped extends Dropped {
  /** Packets that the interface did not take. */
  readonly refusedByInterface: number;
  /** Messages that the socket did not take. */
  readonly refusedBySocket: number;
}
