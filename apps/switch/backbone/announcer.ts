/** Tells the other hubs which MAC addresses are behind this one. */
import type { LearningSwitch, Port } from "../learning-switch.ts";
import { formatChanges, formatMacs, formatTable } from "./announcements.ts";
import { Kind } from "./envelope.ts";
import type { Link } from "./link.ts";

/** Addresses in one message about those that flap. */
const HELD_MAX = 1024;

/** Gathers what changes in a turn, and answers those who ask for all. */
export class Announcer {
  /** Number of the last announcement. */
  version = 0;
  /** Addresses of this hub's clients. */
  count = 0;
  readonly #link: Link;
  readonly #lan: LearningSwitch;
  /** Addresses that have changed: true if one has come, false if it has gone. */
  readonly #changes = new Map<number, boolean>();
  readonly #held = new Set<number>();
  readonly #schedule: () => void;

  /** @param schedule Has {@link flush} called soon */
  constructor(link: Link, lan: LearningSwitch, schedule: () => void) {
    this.#link = link;
    this.#lan = lan;
    this.#schedule = schedule;
  }

  /** Notes that an address is somewhere else. */
  changed(mac: number, to: Port | undefined, from: Port | undefined): void {
    const [isOwn, wasOwn] = [isLocal(to), isLocal(from)];
    this.count += Number(isOwn) - Number(wasOwn);
    // One that another hub has announced is known to be there already.
    if (isOwn ? !wasOwn : wasOwn && to === undefined) this.#note(mac, isOwn);
  }

  /** Has all hold an address that flaps here, as others may have followed it to where it seemed to be. */
  hold(mac: number): void {
    this.#held.add(mac);
    this.#note(mac, true);
  }

  #note(mac: number, hasCome: boolean): void {
    this.#changes.set(mac, hasCome);
    this.#schedule();
  }

  /** Publishes the changes. */
  flush(): void {
    if (this.#changes.size === 0) return;
    const held = [...this.#held].filter((mac) => this.#changes.get(mac) === true);
    this.#held.clear();
    const [come, gone]: [number[], number[]] = [[], []];
    for (const [mac, hasCome] of this.#changes) (hasCome ? come : gone).push(mac);
    this.#changes.clear();
    // While there is no connection the number grows all the same: afterwards it tells the others that they lack some.
    for (const body of formatChanges(this.version, come, gone)) {
      this.version = body.readUInt32BE(0);
      this.#link.publish(this.#link.subjects.macs, Kind.CHANGES, [body]);
    }
    for (let at = 0; at < held.length; at += HELD_MAX)
      this.#link.publish(this.#link.subjects.macs, Kind.HELD, [formatMacs(held.slice(at, at + HELD_MAX))]);
  }

  /** Publishes all addresses, for one hub. */
  tell(hub: string): void {
    this.flush();
    const macs = [...this.#lan.ports].filter(isLocal).flatMap((port) => this.#lan.table.addressesOf(port));
    const subject = this.#link.subjects.hub(hub);
    for (const body of formatTable(this.version, macs)) this.#link.publish(subject, Kind.TABLE, [body]);
  }
}

function isLocal(port: Port | undefined): boolean {
  return port?.isBackbone === false;
}
