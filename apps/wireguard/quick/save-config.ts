import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { endpointText } from "../core/endpoint.ts";
import { prefixText } from "../core/ip.ts";
import { keyText } from "../core/keys.ts";
import type { Tunnel } from "../core/tunnel.ts";
import type { FileConfig } from "./config-file.ts";

/** Writes the tunnel's present state over its file, as wg-quick's SaveConfig does; nobody but its owner can read it. */
export function saveConfig(path: string, config: FileConfig, tunnel: Tunnel): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, configText(config, tunnel), { mode: 0o600, flag: "wx" });
  chmodSync(temporary, 0o600);
  renameSync(temporary, path);
}

/** Returns the file's text. */
export function configText(config: FileConfig, tunnel: Tunnel): string {
  const { protocol, device } = tunnel;
  const lines = ["[Interface]"];
  const add = (key: string, value: string | number): void => void lines.push(`${key} = ${value}`);
  for (const { address } of device.addresses()) if (!address.startsWith("fe80:")) add("Address", address);
  const names = [...config.nameServers, ...config.searchDomains];
  if (names.length > 0) add("DNS", names.join(", "));
  if (config.mtu !== undefined) add("MTU", device.mtu);
  if (config.table !== "auto") add("Table", config.table);
  if (config.saveConfig) add("SaveConfig", "true");
  const { preUp, postUp, preDown, postDown } = config.hooks;
  for (const command of preUp) add("PreUp", command);
  for (const command of postUp) add("PostUp", command);
  for (const command of preDown) add("PreDown", command);
  for (const command of postDown) add("PostDown", command);
  add("ListenPort", tunnel.listenPort);
  if (config.mark !== undefined) add("FwMark", tunnel.mark);
  if (protocol.identity !== undefined) add("PrivateKey", keyText(protocol.identity.keys.privateKey));
  for (const peer of protocol.peers.values()) {
    lines.push("", "[Peer]");
    add("PublicKey", keyText(peer.publicKey));
    if (peer.presharedKey.some((byte) => byte !== 0)) add("PresharedKey", keyText(peer.presharedKey));
    add("AllowedIPs", protocol.allowedIps.of(peer).map(prefixText).join(", "));
    if (peer.endpoint !== undefined) add("Endpoint", endpointText(peer.endpoint));
    if (peer.keepAliveSeconds > 0) add("PersistentKeepalive", peer.keepAliveSeconds);
  }
  return `${lines.join("\n")}\n`;
}
