/** Learns the addresses that other hubs announce. */
import type { LearningSwitch } from "../learning-switch.ts";
import { parseChanges, parseMacs, parseTable } from "./announcements.ts";
import type { Peer } from "./peer.ts";

/** Puts what other hubs announce into the MAC table. */
export class Learning {
  readonly #lan: LearningSwitch;
  readonly #macsMax: number;
  readonly #clock: () => number;
  readonly #overflow: (peer: Peer) => void;

  /** @param overflow Called when a hub begins to announce more than `macsMax` addresses */
  constructor(lan: LearningSwitch, macsMax: number, clock: () => number, overflow: (peer: Peer) => void) {
    this.#lan = lan;
    this.#macsMax = macsMax;
    this.#clock = clock;
    this.#overflow = overflow;
  }

  /** Learns what has changed. @returns false if the message is broken */
  changes(peer: Peer, body: Buffer): boolean {
    const changes = parseChanges(body);
    if (changes === null) return false;
    const { version, come, gone } = changes;
    for (const mac of gone) this.#lan.table.remove(mac, peer.port);
    this.#learn(peer, come);
    // After a gap the table is asked for, once the next hello tells that there is one.
    if (peer.version !== undefined) peer.version = (peer.version + 1) >>> 0 === version ? version : undefined;
    return true;
  }

  /** Learns a part of all addresses of a hub: the last part ends what is not among them. */
  table(peer: Peer, body: Buffer): boolean {
    const part = parseTable(body);
    if (part === null) return false;
    if (part.isFirst) peer.partial = [];
    for (const mac of part.macs) if (peer.partial.length <= this.#macsMax) peer.partial.push(mac);
    if (!part.isLast) return true;
    const all = new Set(peer.partial);
    peer.partial = [];
    for (const mac of this.#lan.table.addressesOf(peer.port)) if (!all.has(mac)) this.#lan.table.remove(mac, peer.port);
    this.#learn(peer, all);
    peer.version = part.version;
    return true;
  }

  /** Holds addresses that flap where their hub says that they are. */
  held(peer: Peer, body: Buffer): boolean {
    const macs = parseMacs(body);
    if (macs === null) return false;
    const now = this.#clock();
    for (const mac of macs) {
      if (this.#lan.table.countOf(peer.port) >= this.#macsMax) break;
      this.#lan.table.hold(mac, peer.port, this.#lan.table.lookUp(mac, now) ?? peer.port, now);
    }
    return true;
  }

  #learn(peer: Peer, macs: Iterable<number>): void {
    const now = this.#clock();
    for (const mac of macs) {
      if (this.#lan.table.learn(mac, peer.port, now, this.#macsMax) !== "full") continue;
      if (peer.refused++ === 0) this.#overflow(peer);
    }
  }
}
