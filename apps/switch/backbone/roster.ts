/** The other hubs of the LAN: who is there, and who has gone. */
import type { LearningSwitch } from "../learning-switch.ts";
import type { Announcer } from "./announcer.ts";
import { type Envelope, Kind } from "./envelope.ts";
import type { FrameSender } from "./frame-sender.ts";
import { formatHello, parseHello, REPORTS_MAX, type Report } from "./hello.ts";
import type { Link } from "./link.ts";
import { Peer } from "./peer.ts";
import { isName } from "./subjects.ts";

const HELLO_MS = 500;
/** A hub that is not heard for so long is gone. */
const GONE_MS = 1500;
/** A longer time between two ticks means that this process itself stood still: it reads first what has come meanwhile. */
const STALL_MS = 500;
const HUBS_MAX = 1024;
/** Hubs that began within such a time of each other are of one age, and their runs decide. */
const SAME_AGE_MS = 3000;

/** A hub that came, or has gone. */
export interface HubEvent {
  readonly type: "came" | "gone";
  readonly hub: string;
  readonly run: number;
}

/** Parts of this hub that the others are told about. */
export interface Own {
  readonly sender: FrameSender;
  readonly announcer: Announcer;
  readonly lan: LearningSwitch;
  clients(): number;
  /** Called when this hub has to leave, as another one has its name. */
  failed(why: string): void;
}

/** Keeps the list of the other hubs, by their signs of life. */
export class Roster {
  readonly peers: Map<string, Peer> = new Map();
  readonly listeners: Set<(event: HubEvent) => void> = new Set();
  readonly #link: Link;
  readonly #own: Own;
  readonly #began: number;
  #helloAt = Number.NEGATIVE_INFINITY;
  #tickedAt: number;
  #firstReport = 0;

  constructor(link: Link, own: Own) {
    this.#link = link;
    this.#own = own;
    this.#began = link.clock();
    this.#tickedAt = this.#began;
  }

  /** Returns the hub that a message is from, new or known; undefined if the message is to be dropped. */
  heard({ hub, run, kind }: Envelope): Peer | undefined {
    const known = this.peers.get(hub);
    const now = this.#link.clock();
    if (known?.run === run) {
      known.heardAt = now;
      return known;
    }
    if (kind === Kind.BYE) return undefined;
    if (known !== undefined) {
      // It was started again, or this is a late message of the one before; only a sign of life says which.
      if (kind !== Kind.HELLO) {
        this.#link.dropped.run++;
        return undefined;
      }
      this.leave(known, "started again");
    }
    if (!isName(hub)) {
      this.#link.dropped.garbage++;
      return undefined;
    }
    if (this.peers.size >= HUBS_MAX) {
      this.#link.dropped.hubs++;
      return undefined;
    }
    return this.#meet(hub, run, now);
  }

  #meet(hub: string, run: number, now: number): Peer {
    const peer = new Peer(hub, run, now, this.#own.sender);
    this.peers.set(hub, peer);
    this.#link.log(`hub   ${hub} is here; ${this.peers.size + 1} in the LAN ${this.#link.lan}`);
    this.askTable(peer);
    this.#tell({ type: "came", hub, run });
    return peer;
  }

  /** Forgets a hub and its addresses. */
  leave(peer: Peer, why: string): void {
    this.peers.delete(peer.hub);
    this.#own.lan.detach(peer.port);
    peer.target.outbox.clear();
    this.#link.log(`hub   ${peer.hub} is gone: ${why}; ${this.peers.size + 1} in the LAN ${this.#link.lan}`);
    this.#tell({ type: "gone", hub: peer.hub, run: peer.run });
  }

  #tell(event: HubEvent): void {
    for (const listener of this.listeners) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  askTable(peer: Peer): void {
    if (!peer.mayAsk(this.#link.clock())) return;
    this.#link.publish(this.#link.subjects.hub(peer.hub), Kind.ASK_TABLE, []);
  }

  /** Takes a sign of life. @returns false if it is broken */
  hello(peer: Peer, body: Uint8Array, hearsFloods: boolean): boolean {
    const hello = parseHello(body);
    if (hello === null) return false;
    peer.hello = hello;
    const report = hello.reports.find(({ hub }) => hub === this.#link.hub);
    if (report !== undefined) {
      peer.report = report;
      peer.direct.expect(report.sent);
      // Confirmations may have been lost.
      peer.target.window.confirm(report.newest);
    }
    if (hearsFloods) peer.flood.expect(hello.flooded);
    if (peer.version !== hello.version) this.askTable(peer);
    if (hello.asks) this.sayHello(this.#link.subjects.hub(peer.hub));
    return true;
  }

  /** Does what is due: says hello, and forgets who has not been heard. To be called every 100 ms or so. */
  tick(): void {
    const now = this.#link.clock();
    if (now - this.#tickedAt > STALL_MS)
      for (const peer of this.peers.values()) peer.heardAt = Math.max(peer.heardAt, now - GONE_MS + STALL_MS);
    this.#tickedAt = now;
    for (const peer of [...this.peers.values()]) {
      const silentMs = now - peer.heardAt;
      if (silentMs >= GONE_MS) this.leave(peer, `not heard for ${Math.round(silentMs)} ms`);
    }
    if (now - this.#helloAt >= HELLO_MS) this.sayHello();
  }

  /** Says that this hub is there: to all, or to one. */
  sayHello(subject: string = this.#link.subjects.hello, asks = false): void {
    const toAll = subject === this.#link.subjects.hello;
    if (toAll) this.#helloAt = this.#link.clock();
    this.#link.publish(subject, Kind.HELLO, [this.#helloBody(asks)]);
  }

  #helloBody(asks: boolean): Buffer {
    const { sender, announcer } = this.#own;
    return formatHello({
      ageMs: Math.round(this.#link.clock() - this.#began),
      clients: this.#own.clients(),
      macs: announcer.count,
      version: announcer.version,
      flooded: sender.flooded,
      asks,
      reports: this.#reports(),
    });
  }

  /** The next few of the reports about all hubs. */
  #reports(): Report[] {
    const peers = [...this.peers.values()];
    if (peers.length > REPORTS_MAX) {
      const start = this.#firstReport % peers.length;
      this.#firstReport = start + REPORTS_MAX;
      peers.push(...peers.splice(0, start));
      peers.length = REPORTS_MAX;
    }
    return peers.map(({ hub, target, direct, flood }) => ({
      hub,
      sent: target.sequence,
      newest: direct.newest,
      received: direct.received + flood.received,
      lost: direct.lost + flood.lost,
    }));
  }

  /**
   * Takes a message of another process that has this hub's name. Both say so; the one that began later ends. Ages are
   * durations, each by its own clock: no clocks are compared.
   */
  clash({ kind, run, body }: Envelope): void {
    const { hub, log } = this.#link;
    const hello = kind === Kind.HELLO ? parseHello(body) : null;
    if (hello === null) return;
    const ageMs = this.#link.clock() - this.#began;
    const isSameAge = Math.abs(ageMs - hello.ageMs) < SAME_AGE_MS;
    const isLater = isSameAge ? this.#link.run > run : ageMs < hello.ageMs;
    if (isLater) this.#own.failed(clashText(hub, this.#link.lan));
    else log(`hub   another process calls itself ${hub}: it began later, and ends`);
  }
}

/** Text for whoever starts a second hub of one name. */
export function clashText(hub: string, lan: string): string {
  return `There is a hub "${hub}" in the LAN "${lan}" already: give each a --hub of its own`;
}
