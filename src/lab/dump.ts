import type { LabHost } from "./host.ts";
import type { LabLink } from "./link.ts";
import { freeName } from "./options.ts";

const { mkdirSync, readFileSync, writeFileSync } = process.getBuiltinModule("node:fs");

const TABLES = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "arp", "snmp"];

/** Writes the last frames of each link, and the state of each host. */
export function dump(folder: string, seed: number, hosts: readonly LabHost[], links: readonly LabLink[]): void {
  mkdirSync(folder, { recursive: true });
  for (const link of links) {
    const { pcapng, text } = link.recorded();
    writeFileSync(`${folder}/${link.name}.pcapng`, pcapng);
    writeFileSync(`${folder}/${link.name}.txt`, text);
  }
  for (const host of hosts) writeJson(`${folder}/${host.name}.json`, stateOf(host));
  const counters = Object.fromEntries(links.map((link) => [link.name, link.stats()]));
  // A host may be called "lab", too.
  const name = freeName(undefined, "lab", new Map(hosts.map((host) => [host.name, host])), "host");
  writeJson(`${folder}/${name}.json`, { seed, links: counters });
}

function stateOf(host: LabHost): object {
  const interfaces = host.nics.map(({ device }) => ({
    ...device.info(),
    addresses: device.addresses(),
    routes: device.routes(),
    stats: device.stats(),
  }));
  // /proc/thread-self/net is that of the thread that looks.
  const tables = host.enter(() => TABLES.map((name) => [name, linesOf(`/proc/thread-self/net/${name}`)]));
  return { name: host.name, interfaces, ...Object.fromEntries(tables) };
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n");
  } catch {
    // A kernel without IPv6 has no tcp6.
    return [];
  }
}

function writeJson(path: string, value: object): void {
  const text = JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? Number(part) : part), 2);
  writeFileSync(path, `${text}\n`);
}
