/** The port on which each MAC address was seen last (IEEE 802.1D section 7.9, the filtering database). */
import { type Held, HOLD_DOWN, HoldDown, type HoldDownOptions } from "./hold-down.ts";

interface Entry<Port> {
  port: Port;
  /** Infinity for an address that does not age. */
  seenAt: number;
}

/** Options of {@link MacTable}. */
export interface MacTableOptions {
  /** Milliseconds for which an address stays that is not seen again. */
  readonly ageMs: number;
  /** The most addresses of one port: one port never pushes out addresses of another. */
  readonly perPortMax: number;
  /** Limits for addresses that flap. */
  readonly holdDown?: HoldDownOptions;
}

/** Watches the table. Must not throw, and not change the table. */
export interface MacTableObserver<Port> {
  /** Told where an address is now, and where it was; undefined for nowhere. */
  changed?(mac: number, to: Port | undefined, from: Port | undefined): void;
  /** Told when an address flaps and is held at `home`. */
  held?(mac: number, home: Port, other: Port, forMs: number): void;
}

/** The outcome of learning an address: "full" if the port has as many as it may, "held" if it flaps and is elsewhere. */
export type Learned = "learned" | "full" | "held";

/** Ports by MAC address. Addresses are numbers of 48 bits: see {@link macAt}. The caller tells the time. */
export class MacTable<Port> {
  /** Set by whoever wants to know what changes. */
  observer: MacTableObserver<Port> = {};
  readonly #options: MacTableOptions;
  readonly #isAgeless: (port: Port) => boolean;
  readonly #entries = new Map<number, Entry<Port>>();
  readonly #perPort = new Map<Port, Set<number>>();
  readonly #holdDown: HoldDown<Port>;

  /** @param isAgeless Tells whether addresses of a port stay until they are removed: another hub tells when */
  constructor(options: MacTableOptions, isAgeless: (port: Port) => boolean = () => false) {
    this.#options = options;
    this.#isAgeless = isAgeless;
    this.#holdDown = new HoldDown(options.holdDown ?? HOLD_DOWN, (...args) => this.observer.held?.(...args));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Number of times that an address was held for flapping. */
  get holds(): number {
    return this.#holdDown.holds;
  }

  /**
   * Learns that `mac` is behind `port`: an address moves to where it was seen last, unless it flaps.
   *
   * @param max The most addresses of the port; default: `perPortMax`
   * @returns "full" if the port has as many as it may: the address is known where it was, if it was
   */
  learn(mac: number, port: Port, now: number, max?: number): Learned {
    const entry = this.#entries.get(mac);
    if (entry?.port !== port) return this.#place(mac, entry, port, now, max);
    if (entry.seenAt < now) entry.seenAt = now;
    return "learned";
  }

  /** Holds `mac` at `home`: a frame of it goes in a circle, and came back by way of `other`. */
  hold(mac: number, home: Port, other: Port, now: number): void {
    if (!this.#holdDown.hold(mac, home, other, now)) return;
    const entry = this.#entries.get(mac);
    if (entry?.port === home) return;
    if (entry !== undefined) this.#takeOut(mac, entry);
    this.#add(mac, home, now);
    this.observer.changed?.(mac, home, entry?.port);
  }

  /** Forgets `mac` if it is at `port`. */
  remove(mac: number, port: Port): void {
    const entry = this.#entries.get(mac);
    if (entry?.port === port) this.#remove(mac, entry);
  }

  #place(mac: number, entry: Entry<Port> | undefined, port: Port, now: number, max?: number): Learned {
    if (this.countOf(port) >= (max ?? this.#options.perPortMax)) return "full";
    const from = entry === undefined || this.#isOld(entry, now) ? undefined : entry.port;
    const to = from === undefined ? port : this.#holdDown.place(mac, from, port, now);
    if (entry !== undefined) this.#takeOut(mac, entry);
    this.#add(mac, to, now);
    if (to !== entry?.port) this.observer.changed?.(mac, to, entry?.port);
    return to === port ? "learned" : "held";
  }

  /** Returns the port of `mac`; undefined if it is not known (any more). */
  lookUp(mac: number, now: number): Port | undefined {
    const entry = this.#entries.get(mac);
    return entry === undefined || this.#isOld(entry, now) ? undefined : entry.port;
  }

  /** Removes addresses that have not been seen for too long: makes room for others of the same port. */
  sweep(now: number): void {
    this.#holdDown.sweep(now);
    for (const [mac, entry] of this.#entries) if (this.#isOld(entry, now)) this.#remove(mac, entry);
  }

  /** Removes all addresses of a port. */
  forget(port: Port): void {
    this.#holdDown.forget(port);
    for (const mac of this.#perPort.get(port) ?? []) this.#remove(mac, this.#entries.get(mac) as Entry<Port>);
  }

  addressesOf(port: Port): number[] {
    return [...(this.#perPort.get(port) ?? [])];
  }

  /** Number of addresses of a port. */
  countOf(port: Port): number {
    return this.#perPort.get(port)?.size ?? 0;
  }

  /** Addresses that flap and are held. */
  heldDown(now: number): Held<Port>[] {
    return this.#holdDown.list(now);
  }

  #isOld({ seenAt }: Entry<Port>, now: number): boolean {
    return now - seenAt >= this.#options.ageMs;
  }

  #add(mac: number, port: Port, now: number): void {
    this.#entries.set(mac, { port, seenAt: this.#isAgeless(port) ? Number.POSITIVE_INFINITY : now });
    const own = this.#perPort.get(port);
    if (own === undefined) this.#perPort.set(port, new Set([mac]));
    else own.add(mac);
  }

  #remove(mac: number, entry: Entry<Port>): void {
    this.#takeOut(mac, entry);
    this.observer.changed?.(mac, undefined, entry.port);
  }

  #takeOut(mac: number, { port }: Entry<Port>): void {
    this.#entries.delete(mac);
    const own = this.#perPort.get(port);
    own?.delete(mac);
    if (own?.size === 0) this.#perPort.delete(port);
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
