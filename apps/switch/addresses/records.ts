/** Records of addresses in the store that the hubs share: keys and values, and their checks. */
import { ID_PATTERN } from "../protocol.ts";

/** An address and who has it: "address.198.51.100.7". */
export interface AddressRecord {
  readonly id: string;
  /** The machine that the client connects from. */
  readonly owner: string;
  /** Process of the client; empty if it does not say. */
  readonly client: string;
  /** Number of the connection, of all that the process has made. */
  readonly sequence: number;
  /** The hub that the client is at, or was at last. */
  readonly hub: string;
  /** Process of that hub. */
  readonly run: string;
  /** True while the client is there. */
  readonly here: boolean;
}

/** The addresses of one machine, as numbers of hosts: "owner.192.0.2.1". */
export interface OwnerRecord {
  readonly hosts: readonly number[];
}

/** The network of all addresses: "pool". */
export interface PoolRecord {
  readonly pool: string;
}

/** Sign of life of a hub: "hub.NAME". */
export interface HubRecord {
  readonly run: string;
}

/** Key of {@link PoolRecord}. */
export const POOL_KEY = "pool";

/** Key of {@link AddressRecord}. */
export function addressKey(address: string): string {
  return `address.${address}`;
}

/** Key of {@link HubRecord}. */
export function hubKey(hub: string): string {
  return `hub.${hub}`;
}

/** Key of {@link OwnerRecord}. Keys have no colons (NATS ADR-8). */
export function ownerKey(owner: string): string {
  return `owner.${owner.replace(/[^\w.-]/g, (char) => `=${char.charCodeAt(0).toString(16).padStart(2, "0")}`)}`;
}

/** Names of hubs, processes and machines: short, and plain. */
const NAME_PATTERN = /^[ -~]{1,128}$/;

/** Reads an {@link AddressRecord}; null if it is none. */
export function parseAddressRecord(text: string): AddressRecord | null {
  const { id, owner, client, sequence, hub, run, here } = objectOf(text);
  if (!isName(id) || !ID_PATTERN.test(id) || !isName(owner) || !isName(hub) || !isName(run)) return null;
  const isClient = (client === "" || isName(client)) && typeof sequence === "number";
  return isClient && typeof here === "boolean" ? { id, owner, client, sequence, hub, run, here } : null;
}

/** Reads an {@link OwnerRecord}; null if it is none. */
export function parseOwnerRecord(text: string): OwnerRecord | null {
  const { hosts } = objectOf(text);
  const isRecord = Array.isArray(hosts) && hosts.every((host) => Number.isInteger(host) && host > 0);
  return isRecord ? { hosts: [...new Set(hosts as number[])] } : null;
}

/** Reads a {@link PoolRecord}; null if it is none. */
export function parsePoolRecord(text: string): PoolRecord | null {
  const { pool } = objectOf(text);
  return isName(pool) ? { pool } : null;
}

/** Reads a {@link HubRecord}; null if it is none. */
export function parseHubRecord(text: string): HubRecord | null {
  const { run } = objectOf(text);
  return isName(run) ? { run } : null;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && NAME_PATTERN.test(value);
}

/** Reads JSON; whatever is no object has no members. */
function objectOf(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
