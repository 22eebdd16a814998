/** The settings of a tunnel, as the UAPI and configuration files give them. */
import type { AllowedIp } from "./protocol/allowed-ips.ts";

/** Where a peer is: an address, never a name. */
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
