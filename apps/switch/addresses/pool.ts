/** The IPv4 network whose addresses the switch hands out. */
import { isIPv4 } from "node:net";

/** The shortest prefix of a pool: each client that joins may cause a look at all addresses. */
const PREFIX_MIN = 16;
/** The longest prefix of a pool: it has two hosts, the fewest that can talk. */
const PREFIX_MAX = 30;

/** Numbers the host addresses of a network: 1 is the first. */
export class Pool {
  readonly #network: number;
  readonly #prefix: number;

  /**
   * @param text "198.51.100.0/24"
   * @throws {RangeError} If it is no IPv4 network with a prefix of 16 to 30
   */
  constructor(text: string) {
    const [network = "", prefix = ""] = text.split("/");
    this.#prefix = /^\d\d$/.test(prefix) ? Number(prefix) : 0;
    this.#network = isIPv4(network) ? toNumber(network) : 0;
    const inRange = this.#prefix >= PREFIX_MIN && this.#prefix <= PREFIX_MAX;
    if (!isIPv4(network) || !inRange || this.#network % this.#size !== 0) {
      throw new RangeError(
        `--pool must be an IPv4 network with a prefix of ${PREFIX_MIN} to ${PREFIX_MAX}, such as "198.51.100.0/24", got "${text}"`,
      );
    }
  }

  get #size(): number {
    return 2 ** (32 - this.#prefix);
  }

  /** Number of the last host; all from 1 on are handed out. */
  get last(): number {
    return this.#size - 2;
  }

  /** The number of an address within the pool; undefined outside, and for the network and broadcast address. */
  hostOf(address: string): number | undefined {
    const [ip = ""] = address.split("/");
    if (!isIPv4(ip)) return undefined;
    const host = toNumber(ip) - this.#network;
    return host > 0 && host <= this.last ? host : undefined;
  }

  /** The address of a host, "198.51.100.1". */
  addressOf(host: number): string {
    return toText(this.#network + host);
  }

  /** The address of a host with prefix length. */
  interfaceOf(host: number): string {
    return `${this.addressOf(host)}/${this.#prefix}`;
  }

  /** Network and prefix length. */
  toString(): string {
    return this.interfaceOf(0);
  }
}

function toNumber(ip: string): number {
  return ip.split(".").reduce((value, octet) => value * 256 + Number(octet), 0);
}

function toText(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join(".");
}
