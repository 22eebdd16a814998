/** The name by which a client calls itself at the switch unless it is told: the same each time, and no other client's. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { hostname } from "node:os";

/** The parts that tell one client from another. A network namespace has one interface of a name, so no two share all four. */
export interface Identity {
  readonly host: string;
  /** Tells machines of one host name apart; empty where the system has no such id. */
  readonly machine: string;
  /** Network namespace; empty for the one that the system has started in. */
  readonly namespace: string;
  /** The interface. */
  readonly name: string;
}

const HOST_MAX = 32;
const DIGEST_LENGTH = 10;

/** Names a client: words that a person recognizes, and a digest of all that tells it from others. */
export function idOf({ host, machine, namespace, name }: Identity): string {
  // machine-id(5): the id itself is not for the network, a digest of it with words of the application is.
  const all = JSON.stringify(["bun-tuntap switch", host, machine, namespace, name]);
  const digest = createHash("sha256").update(all).digest("hex").slice(0, DIGEST_LENGTH);
  const plain = (text: string): string => text.replace(/[^\w.-]/g, "-");
  return `${plain(host).slice(0, HOST_MAX)}/${plain(name)}@${digest}`;
}

/** Returns the id of a client in this network namespace, whose interface is `name`. */
export function ownId(name: string): string {
  return idOf({ host: hostname(), machine: machineId(), namespace: namespaceName(), name });
}

function machineId(): string {
  try {
    return readFileSync("/etc/machine-id", "utf8").trim();
  } catch {
    return "";
  }
}

/**
 * Names this network namespace: by the name that ip-netns(8) gave it, which a namespace that is made again after a
 * restart of the machine has too; else by its inode (namespaces(7)), which it keeps as long as it exists.
 */
function namespaceName(): string {
  const own = "/proc/self/ns/net";
  if (sameAs(own, "/proc/1/ns/net")) return "";
  const folder = "/run/netns";
  const given = namesIn(folder).find((name) => sameAs(own, `${folder}/${name}`));
  return given === undefined ? readlinkSync(own) : `netns:${given}`;
}

function sameAs(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    // Not there, or, of another user's process, not for this one to see.
    return false;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
