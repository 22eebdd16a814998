/**
 * Configuration files of wg(8) and wg-quick(8), as text in and values out. A mistake names the line, the key, and what
 * is wanted; no message quotes a key that may be a secret.
 */
import { ProgramError } from "../../../src/cli/program.ts";
import { parsePrefix } from "../core/ip.ts";
import { parseKeyText } from "../core/keys.ts";
import type { AllowedIp } from "../core/protocol/allowed-ips.ts";

/** A peer as a file has it: its endpoint may be a name. */
export interface FilePeer {
  readonly publicKey: Uint8Array;
  presharedKey?: Uint8Array;
  endpoint?: { readonly host: string; readonly port: number };
  /** Seconds; 0 for none. */
  keepAlive?: number;
  readonly allowedIps: AllowedIp[];
}

/** The commands of a file, each run by a shell. */
export interface Hooks {
  readonly preUp: string[];
  readonly postUp: string[];
  readonly preDown: string[];
  readonly postDown: string[];
}

/** Contents of a file. */
export interface FileConfig {
  privateKey?: Uint8Array;
  listenPort?: number;
  mark?: number;
  /** Addresses with prefix length, as text. */
  readonly addresses: string[];
  readonly nameServers: string[];
  readonly searchDomains: string[];
  mtu?: number;
  /** The table for routes: chosen, none, or one by number. */
  table: "auto" | "off" | number;
  saveConfig: boolean;
  readonly hooks: Hooks;
  readonly peers: FilePeer[];
}

/** A key of a file: how its value is read into the section that is being read. */
type Setter<S> = (section: S, value: string, wrong: (wanted: string) => ProgramError) => void;

const interfaceKeys: Readonly<Record<string, Setter<FileConfig>>> = {
  privatekey: (config, value, wrong) => {
    config.privateKey = keyOf(value, wrong);
  },
  listenport: (config, value, wrong) => {
    config.listenPort = wholeOf(value, 0, 0xffff, wrong);
  },
  fwmark: (config, value, wrong) => {
    config.mark = value === "off" ? 0 : wholeOf(value, 0, 0xffff_ffff, wrong);
  },
  address: (config, value, wrong) => {
    for (const item of listOf(value)) {
      if (parsePrefix(item) === null) throw wrong("addresses such as 198.51.100.1/24, 2001:db8::1/64");
      config.addresses.push(item);
    }
  },
  dns: (config, value) => {
    // wg-quick(8): what is no address is a search domain.
    for (const item of listOf(value)) {
      (parsePrefix(item) !== null && !item.includes("/") ? config.nameServers : config.searchDomains).push(item);
    }
  },
  mtu: (config, value, wrong) => {
    config.mtu = wholeOf(value, 576, 65_475, wrong);
  },
  table: (config, value, wrong) => {
    config.table = value === "auto" || value === "off" ? value : wholeOf(value, 1, 0xffff_ffff, wrong);
  },
  saveconfig: (config, value, wrong) => {
    if (value !== "true" && value !== "false") throw wrong("true or false");
    config.saveConfig = value === "true";
  },
  preup: (config, value) => void config.hooks.preUp.push(value),
  postup: (config, value) => void config.hooks.postUp.push(value),
  predown: (config, value) => void config.hooks.preDown.push(value),
  postdown: (config, value) => void config.hooks.postDown.push(value),
};

const peerKeys: Readonly<Record<string, Setter<Partial<FilePeer> & { allowedIps: AllowedIp[] }>>> = {
  publickey: (peer, value, wrong) => {
    (peer as { publicKey?: Uint8Array }).publicKey = keyOf(value, wrong);
  },
  presharedkey: (peer, value, wrong) => {
    peer.presharedKey = keyOf(value, wrong);
  },
  endpoint: (peer, value, wrong) => {
    const [, ipv6, name, port] = /^(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})$/.exec(value) ?? [];
    const host = ipv6 ?? name;
    if (host === undefined || Number(port) < 1 || Number(port) > 0xffff) {
      throw wrong("an address or name and a port, such as 192.0.2.1:51820 or [2001:db8::1]:51820");
    }
    peer.endpoint = { host, port: Number(port) };
  },
  persistentkeepalive: (peer, value, wrong) => {
    peer.keepAlive = value === "off" ? 0 : wholeOf(value, 0, 0xffff, wrong);
  },
  allowedips: (peer, value, wrong) => {
    for (const item of listOf(value)) {
      const prefix = parsePrefix(item);
      if (prefix === null) throw wrong("prefixes such as 198.51.100.0/24, 2001:db8::/64");
      peer.allowedIps.push(prefix);
    }
  },
};

/**
 * Reads a configuration file.
 *
 * @param file Its name, for messages.
 * @throws {ProgramError} That names the line, the key, and what is wanted
 */
export function parseConfig(text: string, file: string): FileConfig {
  const config: FileConfig = {
    addresses: [],
    nameServers: [],
    searchDomains: [],
    table: "auto",
    saveConfig: false,
    hooks: { preUp: [], postUp: [], preDown: [], postDown: [] },
    peers: [],
  };
  const peers: { readonly line: number; readonly peer: Partial<FilePeer> & { allowedIps: AllowedIp[] } }[] = [];
  let section: "none" | "interface" | "peer" = "none";
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/#.*/, "").trim();
    const at = `${file}:${i + 1}`;
    if (line === "") continue;
    if (/^\[interface\]$/i.test(line)) {
      section = "interface";
    } else if (/^\[peer\]$/i.test(line)) {
      section = "peer";
      peers.push({ line: i + 1, peer: { allowedIps: [] } });
    } else if (section === "peer") {
      set(peerKeys, (peers.at(-1) as (typeof peers)[number]).peer, line, at);
    } else if (section === "interface") {
      set(interfaceKeys, config, line, at);
    } else {
      throw new ProgramError(`${at}: a file begins with [Interface], got ${JSON.stringify(line)}`);
    }
  }
  for (const { line, peer } of peers) {
    if (peer.publicKey === undefined) throw new ProgramError(`${file}:${line}: [Peer] has no PublicKey`);
    config.peers.push(peer as FilePeer);
  }
  return config;
}

function set<S>(keys: Readonly<Record<string, Setter<S>>>, section: S, line: string, at: string): void {
  const equals = line.indexOf("=");
  if (equals < 0) throw new ProgramError(`${at}: expected "Key = value" or a section such as [Peer]`);
  const key = line.slice(0, equals).trim();
  const value = line.slice(equals + 1).trim();
  const setter = Object.hasOwn(keys, key.toLowerCase()) ? keys[key.toLowerCase()] : undefined;
  if (setter === undefined) {
    throw new ProgramError(`${at}: there is no key ${JSON.stringify(key)} in this section: see wg(8) and wg-quick(8)`);
  }
  if (value === "" && key.toLowerCase() !== "allowedips") throw new ProgramError(`${at}: ${key} has no value`);
  setter(section, value, (wanted) => new ProgramError(`${at}: ${key} must be ${wanted}`));
}

function keyOf(value: string, wrong: (wanted: string) => ProgramError): Uint8Array {
  const key = parseKeyText(value);
  if (key === undefined) throw wrong("32 bytes in base64: 44 characters, as `wg genkey` prints them");
  return key;
}

function wholeOf(value: string, min: number, max: number, wrong: (wanted: string) => ProgramError): number {
  const number = /^(?:\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw wrong(`a whole number from ${min} to ${max}`);
}

function listOf(value: string): string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
