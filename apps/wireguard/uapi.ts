/**
 * The configuration protocol of userspace implementations (wireguard.com/xplatform): lines of `key=value`, by which
 * `wg` reads and changes a tunnel. Text in, text out.
 */
import { endpointText } from "./core/endpoint.ts";
import { parseIPAddress, parsePrefix, prefixText } from "./core/ip.ts";
import type { PeerSettings, TunnelSettings } from "./core/settings.ts";
import type { Tunnel } from "./core/tunnel.ts";

/** The numbers behind `errno=`: negative, as `wg` turns them into its own error. */
export const UapiErrno = { ok: 0, io: -5, invalid: -22, inUse: -98 } as const;

/** A request that cannot be understood. */
export class UapiError extends Error {}

const ZERO_KEY = "00".repeat(32);

/** Answers `get=1`, with private and preshared keys in it, as the protocol has it. */
export function formatTunnel(tunnel: Tunnel): string {
  const { protocol, listenPort, mark } = tunnel;
  const lines: string[] = [];
  const add = (key: string, value: string | number): void => void lines.push(`${key}=${value}`);
  if (protocol.identity !== undefined) add("private_key", protocol.identity.keys.privateKey.toHex());
  add("listen_port", listenPort);
  if (mark !== 0) add("fwmark", mark);
  for (const peer of protocol.peers.values()) {
    add("public_key", peer.publicKey.toHex());
    add("preshared_key", peer.presharedKey.toHex());
    add("protocol_version", 1);
    if (peer.endpoint !== undefined) add("endpoint", endpointText(peer.endpoint));
    add("last_handshake_time_sec", Math.floor(peer.lastHandshake / 1000));
    add("last_handshake_time_nsec", Math.floor((peer.lastHandshake % 1000) * 1e6));
    add("tx_bytes", peer.sentBytes);
    add("rx_bytes", peer.receivedBytes);
    add("persistent_keepalive_interval", peer.keepAliveSeconds);
    for (const prefix of protocol.allowedIps.of(peer)) add("allowed_ip", prefixText(prefix));
  }
  return lines.map((line) => `${line}\n`).join("");
}

/** Reads the lines behind `set=1`. @throws {UapiError} */
export function parseSettings(lines: readonly string[]): TunnelSettings {
  const settings: TunnelSettings = { peers: [] };
  let peer: PeerSettings | undefined;
  for (const line of lines) {
    const equals = line.indexOf("=");
    if (equals < 0) throw new UapiError(`no "=" in a line`);
    const [key, value] = [line.slice(0, equals), line.slice(equals + 1)];
    if (key === "public_key") {
      peer = { publicKey: parseKey(key, value), allowedIps: [] };
      settings.peers.push(peer);
    } else if (peer === undefined) {
      setOfTunnel(settings, key, value);
    } else {
      setOfPeer(peer, key, value);
    }
  }
  return settings;
}

function setOfTunnel(settings: TunnelSettings, key: string, value: string): void {
  switch (key) {
    case "private_key":
      settings.privateKey = parseKey(key, value);
      break;
    case "listen_port":
      settings.listenPort = parseWhole(key, value, 0xffff);
      break;
    case "fwmark":
      // wg sends an empty value to switch it off.
      settings.mark = value === "" ? 0 : parseWhole(key, value, 0xffff_ffff);
      break;
    case "replace_peers":
      settings.replacePeers = parseTrue(key, value);
      break;
    default:
      throw new UapiError(`unknown key ${JSON.stringify(key)}`);
  }
}

function setOfPeer(peer: PeerSettings, key: string, value: string): void {
  switch (key) {
    case "remove":
      peer.remove = parseTrue(key, value);
      break;
    case "update_only":
      peer.updateOnly = parseTrue(key, value);
      break;
    case "preshared_key":
      peer.presharedKey = parseKey(key, value === "" ? ZERO_KEY : value);
      break;
    case "endpoint":
      peer.endpoint = parseEndpoint(value);
      break;
    case "persistent_keepalive_interval":
      peer.keepAlive = parseWhole(key, value, 0xffff);
      break;
    case "replace_allowed_ips":
      peer.replaceAllowedIps = parseTrue(key, value);
      break;
    case "allowed_ip": {
      const remove = value.startsWith("-");
      const prefix = parsePrefix(remove ? value.slice(1) : value);
      if (prefix === null) throw new UapiError(`${key} is no prefix`);
      peer.allowedIps.push(remove ? { ...prefix, remove } : prefix);
      break;
    }
    case "protocol_version":
      if (value !== "1") throw new UapiError(`${key} is not 1`);
      break;
    default:
      throw new UapiError(`unknown key ${JSON.stringify(key)}`);
  }
}

/** No message of these quotes the value: it may be a secret. */
function parseKey(key: string, value: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(value)) throw new UapiError(`${key} is not 64 hexadecimal digits`);
  return Uint8Array.fromHex(value);
}

function parseWhole(key: string, value: string, max: number): number {
  const number = /^(?:\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : Number.NaN;
  if (number <= max) return number;
  throw new UapiError(`${key} is not a whole number from 0 to ${max}`);
}

function parseTrue(key: string, value: string): true {
  if (value !== "true") throw new UapiError(`${key} is not "true"`);
  return true;
}

function parseEndpoint(value: string): { address: string; port: number } {
  const [, ipv6, other, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value) ?? [];
  const address = ipv6 ?? other;
  const isAddress = address !== undefined && parseIPAddress(address) !== null;
  if (!isAddress || Number(port) < 1 || Number(port) > 0xffff) throw new UapiError("endpoint is no address and port");
  return { address, port: Number(port) };
}
