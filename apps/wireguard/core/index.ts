/**
 * A tunnel that speaks the WireGuard protocol, for programs of your own:
 *
 * ```ts
 * import { createTunnel } from "./apps/wireguard/core/index.ts";
 *
 * using tunnel = await createTunnel({
 *   privateKey: "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=",
 *   listenPort: 51820,
 *   addresses: ["198.51.100.1/24"],
 *   peers: [{ publicKey: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", allowedIps: ["198.51.100.2/32"] }],
 * });
 * console.log(tunnel.name, tunnel.peers());
 * ```
 */
import { integer } from "../../../src/checks.ts";
import type { TunTapError } from "../../../src/index.ts";
import { type AeadName, chooseAead } from "./crypto/choose.ts";
import { endpointText } from "./endpoint.ts";
import { parseIPAddress, parsePrefix, prefixText } from "./ip.ts";
import { keyText, parseKeyText } from "./keys.ts";
import { type Log, openLog } from "./log.ts";
import type { PeerSettings, TunnelDropped } from "./settings.ts";
import { Tunnel } from "./tunnel.ts";

export { generatePresharedKey, generatePrivateKey, keyText, publicKeyOf } from "./keys.ts";
export type { Log } from "./log.ts";

/** A peer, as a program gives it. */
export interface PeerOptions {
  /** 44 characters of base64, as all keys here. */
  readonly publicKey: string;
  readonly presharedKey?: string;
  /** Address and port of the peer, if this side is to begin. */
  readonly endpoint?: { readonly address: string; readonly port: number };
  /** The inner addresses that are its own: "198.51.100.2/32". */
  readonly allowedIps: readonly string[];
  /** Seconds between persistent keep-alives, 0 to 65535. Default: none. */
  readonly keepAlive?: number;
}

/** Options of {@link createTunnel}. */
export interface CreateTunnelOptions {
  /** Name or pattern of the interface. Default "wg%d". */
  readonly name?: string;
  readonly privateKey: string;
  /** Default: any free one. */
  readonly listenPort?: number;
  /** Mark of the tunnel's own datagrams, which policy rules see. Default: none. */
  readonly mark?: number;
  /** Bytes of the largest packet. Default 1420. */
  readonly mtu?: number;
  /** Addresses of the interface, with their prefix lengths. */
  readonly addresses?: readonly string[];
  readonly peers: readonly PeerOptions[];
  /** Asks for a cipher. Default: the fastest of this machine. */
  readonly cipher?: AeadName;
  /** The network namespace of the interface. Default: this thread's. */
  readonly netns?: string | number;
  /** The network namespace of the socket. Default: this thread's. */
  readonly socketNetns?: string | number;
  /** Default: errors, as text on standard error. */
  readonly log?: Log;
  /** Called once, when the tunnel has ended; with a reason unless it was closed. */
  onClose?(reason?: TunTapError): void;
}

/** The state of a peer. */
export interface PeerState {
  readonly publicKey: string;
  /** "192.0.2.1:51820"; undefined while nothing is known. */
  readonly endpoint: string | undefined;
  readonly allowedIps: readonly string[];
  /** Undefined before the first one. */
  readonly lastHandshake: Date | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** A tunnel, as a program holds it. */
export interface CreatedTunnel extends Disposable {
  /** The interface's name. */
  readonly name: string;
  readonly listenPort: number;
  /** The cipher in use, such as "libcrypto (libcrypto.so.3)". */
  readonly cipher: string;
  peers(): PeerState[];
  /** Adds a peer, or changes the one with that key. */
  setPeer(peer: PeerOptions): void;
  removePeer(publicKey: string): void;
  /** Packets and messages that led to nothing, by cause. */
  dropped(): TunnelDropped;
  /** Ends it: the interface goes, and the keys are wiped. */
  close(): void;
}

/**
 * Makes a tunnel, up and ready.
 *
 * @throws {RangeError} For a key, prefix or endpoint that is none
 * @throws {TunTapError} If the interface or the socket cannot be had
 */
export async function createTunnel(options: CreateTunnelOptions): Promise<CreatedTunnel> {
  const { privateKey, listenPort = 0, mark = 0, peers, addresses = [], cipher } = options;
  const settings = { privateKey: keyOf("privateKey", privateKey), listenPort, mark, peers: peers.map(settingsOf) };
  const aead = await chooseAead(cipher);
  const tunnel = new Tunnel({ ...options, aead, log: options.log ?? openLog(options.name ?? "wg", "error", "text") });
  try {
    tunnel.apply(settings);
    for (const address of addresses) tunnel.device.addAddress(address);
    tunnel.up();
  } catch (error) {
    tunnel.close();
    throw error;
  }
  return created(tunnel, aead.name);
}

function created(tunnel: Tunnel, cipher: string): CreatedTunnel {
  return {
    get name() {
      return tunnel.device.name;
    },
    get listenPort() {
      return tunnel.listenPort;
    },
    cipher,
    peers: () => statesOf(tunnel),
    setPeer: (peer) => tunnel.apply({ peers: [{ ...settingsOf(peer), replaceAllowedIps: true }] }),
    removePeer: (publicKey) =>
      tunnel.apply({ peers: [{ publicKey: keyOf("publicKey", publicKey), remove: true, allowedIps: [] }] }),
    dropped: () => tunnel.dropped,
    close: () => tunnel.close(),
    [Symbol.dispose]: () => tunnel.close(),
  };
}

function statesOf({ protocol }: Tunnel): PeerState[] {
  return [...protocol.peers.values()].map((peer) => ({
    publicKey: keyText(peer.publicKey),
    endpoint: peer.endpoint && endpointText(peer.endpoint),
    allowedIps: protocol.allowedIps.of(peer).map(prefixText),
    lastHandshake: peer.lastHandshake === 0 ? undefined : new Date(peer.lastHandshake),
    receivedBytes: peer.receivedBytes,
    sentBytes: peer.sentBytes,
  }));
}

function settingsOf(peer: PeerOptions): PeerSettings {
  if (peer.endpoint !== undefined) checkEndpoint(peer.endpoint);
  if (peer.keepAlive !== undefined) integer(peer.keepAlive, "keepAlive", 0, 0xffff);
  return {
    publicKey: keyOf("publicKey", peer.publicKey),
    ...(peer.presharedKey !== undefined && { presharedKey: keyOf("presharedKey", peer.presharedKey) }),
    ...(peer.endpoint !== undefined && { endpoint: peer.endpoint }),
    ...(peer.keepAlive !== undefined && { keepAlive: peer.keepAlive }),
    allowedIps: peer.allowedIps.map((text) => {
      const prefix = parsePrefix(text);
      if (prefix === null)
        throw new RangeError(`"allowedIps" must hold prefixes such as "198.51.100.2/32", got "${text}"`);
      return prefix;
    }),
  };
}

/** Checked here, as the socket is not open yet. */
function checkEndpoint({ address, port }: { readonly address: string; readonly port: number }): void {
  if (typeof address !== "string" || parseIPAddress(address) === null)
    throw new RangeError(`"endpoint.address" must be an IP address and no name, got ${Bun.inspect(address)}`);
  integer(port, "endpoint.port", 1, 0xffff);
}

/** No message quotes what may be a secret. */
function keyOf(option: string, text: string): Uint8Array {
  const key = parseKeyText(text);
  if (key === undefined)
    throw new RangeError(`"${option}" must be 44 characters of base64, as \`wg genkey\` prints them`);
  return key;
}
