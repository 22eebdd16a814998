/** The IPv4 addresses that the switch hands out, one for each client id, kept for it while it is away. */
import { isIPv4 } from "node:net";

interface Lease {
  readonly host: number;
  /** Infinity while the client is there. */
  until: number;
}

/** So that all of a pool can be looked at for each client that joins. */
const PREFIX_MIN = 16;
/** Two hosts are the least that can talk. */
const PREFIX_MAX = 30;

export class Leases {
  readonly #network: number;
  readonly #prefix: number;
  readonly #keepMs: number;
  readonly #byId = new Map<string, Lease>();
  readonly #byHost = new Map<number, string>();

  /** @param pool "198.51.100.0/24": all of its host addresses are handed out */
  constructor(pool: string, keepMs: number) {
    const [network = "", prefix = ""] = pool.split("/");
    this.#prefix = /^\d\d$/.test(prefix) ? Number(prefix) : 0;
    this.#network = isIPv4(network) ? toNumber(network) : 0;
    const inRange = this.#prefix >= PREFIX_MIN && this.#prefix <= PREFIX_MAX;
    if (!isIPv4(network) || !inRange || this.#network % this.#size !== 0) {
      throw new RangeError(
        `The pool must be an IPv4 network with a prefix of ${PREFIX_MIN} to ${PREFIX_MAX}, such as "198.51.100.0/24", got "${pool}"`,
      );
    }
    this.#keepMs = keepMs;
  }

  get #size(): number {
    return 2 ** (32 - this.#prefix);
  }

  /**
   * The client's address, with prefix length: the one it has or had, else the
   * one it wishes if that is free, else the first that is.
   *
   * @returns undefined if all are taken
   */
  lease(id: string, now: number, wish?: string): string | undefined {
    const wished = wish === undefined ? undefined : this.#hostOf(wish);
    const own = this.#byId.get(id)?.host;
    const host = own ?? (wished !== undefined && this.#isFree(wished, now) ? wished : this.#firstFree(now));
    if (host === undefined) return undefined;
    this.#give(host, id);
    return `${toText(this.#network + host)}/${this.#prefix}`;
  }

  /** Takes an address that the client has by other means, so that nobody is given it. False if another client has it. */
  claim(id: string, now: number, address: string): boolean {
    const host = this.#hostOf(address);
    if (host === undefined) return true;
    if (this.#byHost.get(host) !== id && !this.#isFree(host, now)) return false;
    this.#give(host, id);
    return true;
  }

  /** The client has left: its address is kept for a while. */
  release(id: string, now: number): void {
    const lease = this.#byId.get(id);
    if (lease !== undefined) lease.until = now + this.#keepMs;
  }

  #give(host: number, id: string): void {
    const holder = this.#byHost.get(host);
    if (holder !== undefined) this.#byId.delete(holder);
    const before = this.#byId.get(id);
    if (before !== undefined) this.#byHost.delete(before.host);
    this.#byId.set(id, { host, until: Number.POSITIVE_INFINITY });
    this.#byHost.set(host, id);
  }

  #isFree(host: number, now: number): boolean {
    const holder = this.#byHost.get(host);
    return holder === undefined || (this.#byId.get(holder) as Lease).until <= now;
  }

  /** One that nobody ever had, if there is one: who comes back late still finds its own. */
  #firstFree(now: number): number | undefined {
    let expired: number | undefined;
    for (let host = 1; host < this.#size - 1; host++) {
      if (!this.#byHost.has(host)) return host;
      if (expired === undefined && this.#isFree(host, now)) expired = host;
    }
    return expired;
  }

  /** Its number within the pool; undefined outside, and for network and broadcast address. */
  #hostOf(address: string): number | undefined {
    const [ip = ""] = address.split("/");
    if (!isIPv4(ip)) return undefined;
    const host = toNumber(ip) - this.#network;
    return host > 0 && host < this.#size - 1 ? host : undefined;
  }
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}
