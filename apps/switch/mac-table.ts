/** Which port each MAC address was last seen on (IEEE 802.1D section 7.9, the filtering database). */

interface Entry<Port> {
  port: Port;
  seenAt: number;
}

export interface MacTableOptions {
  /** Milliseconds for which an address stays that is not seen again. */
  readonly ageMs: number;
  /** The most addresses of one port: one port never pushes out addresses of another. */
  readonly perPortMax: number;
}

/** Ports by MAC address. Addresses are numbers of 48 bits: see {@link macAt}. The caller tells the time. */
export class MacTable<Port> {
  readonly #options: MacTableOptions;
  readonly #entries = new Map<number, Entry<Port>>();
  readonly #perPort = new Map<Port, number>();

  constructor(options: MacTableOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Learns from a frame of `mac` that came in on `port`: an address moves to where it was seen last.
   *
   * @returns false if the port has as many as it may: the address is known where it was, if it was
   */
  learn(mac: number, port: Port, now: number): boolean {
    const entry = this.#entries.get(mac);
    if (entry?.port === port) {
      entry.seenAt = now;
      return true;
    }
    if ((this.#perPort.get(port) ?? 0) >= this.#options.perPortMax) return false;
    if (entry !== undefined) this.#remove(mac, entry);
    this.#entries.set(mac, { port, seenAt: now });
    this.#perPort.set(port, (this.#perPort.get(port) ?? 0) + 1);
    return true;
  }

  /** Returns the port of `mac`; undefined if it is not known (any more). */
  lookUp(mac: number, now: number): Port | undefined {
    const entry = this.#entries.get(mac);
    return entry === undefined || this.#isOld(entry, now) ? undefined : entry.port;
  }

  /** Removes addresses that have not been seen for too long: makes room for others of the same port. */
  sweep(now: number): void {
    for (const [mac, entry] of this.#entries) if (this.#isOld(entry, now)) this.#remove(mac, entry);
  }

  /** Removes all addresses of a port. */
  forget(port: Port): void {
    for (const [mac, entry] of this.#entries) if (entry.port === port) this.#remove(mac, entry);
  }

  addressesOf(port: Port): number[] {
    return [...this.#entries].filter(([, entry]) => entry.port === port).map(([mac]) => mac);
  }

  #isOld({ seenAt }: Entry<Port>, now: number): boolean {
    return now - seenAt >= this.#options.ageMs;
  }

  #remove(mac: number, { port }: Entry<Port>): void {
    this.#entries.delete(mac);
    const left = (this.#perPort.get(port) ?? 0) - 1;
    if (left > 0) this.#perPort.set(port, left);
    else this.#perPort.delete(port);
  }
}

/** Returns the six octets at `offset` as one number, which a Map finds faster than text. */
export function macAt(bytes: Uint8Array, offset: number): number {
  let mac = 0;
  // Not shifts: those would stop at 32 bits.
  for (let i = 0; i < 6; i++) mac = mac * 256 + (bytes[offset + i] as number);
  return mac;
}

/** Formats an address as "02:00:5e:00:53:01". */
export function macText(mac: number): string {
  return mac
    .toString(16)
    .padStart(12, "0")
    .replace(/..(?!$)/g, "$&:");
}
