/**
 * A hub's place in a LAN of several: joins its switch and the bus. Each hub owns the addresses of its clients and
 * announces them; frames for an address go to its owner alone, other frames to all hubs that have clients.
 */
import { PREFIX_LENGTH } from "../framing.ts";
import type { LearningSwitch, Port } from "../learning-switch.ts";
import { macText } from "../mac-table.ts";
import { Announcer } from "./announcer.ts";
import type { Bus } from "./bus.ts";
import { type Envelope, Kind } from "./envelope.ts";
import { FrameSender } from "./frame-sender.ts";
import { Learning } from "./learning.ts";
import { Link, type LinkOptions } from "./link.ts";
import { LogLimit } from "./log-limit.ts";
import type { Peer } from "./peer.ts";
import { Roaming } from "./roaming.ts";
import { clashText, type HubEvent, Roster } from "./roster.ts";
import type { SequenceTracker } from "./sequence.ts";
import { StatusExchange } from "./status.ts";
import { type BackboneSummary, summaryOf } from "./summary.ts";

/** Options of {@link Backbone}. */
export interface BackboneOptions extends LinkOptions {
  /** The most bytes that are on their way to the NATS server, or to another hub. */
  readonly queueMax: number;
  /** The most addresses of another hub. */
  readonly macsMax: number;
  /** Called when this hub has to leave the LAN. */
  readonly failed: (why: string) => void;
}

/** The most addresses that are learned of another hub, unless set otherwise. */
export const REMOTE_MACS_MAX = 65_536;

const TICK_MS = 100;
const ANSWER_MS = 500;

/** One hub of a LAN of several. */
export class Backbone {
  readonly link: Link;
  readonly roster: Roster;
  readonly sender: FrameSender;
  readonly announcer: Announcer;
  readonly lan: LearningSwitch;
  readonly status: StatusExchange;
  readonly roaming: Roaming;
  readonly #learning: Learning;
  readonly #flaps: LogLimit;
  readonly #endings: (() => void)[] = [];
  #leaveFlood: (() => void) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(bus: Bus, lan: LearningSwitch, options: BackboneOptions) {
    this.lan = lan;
    const { queueMax, macsMax, failed } = options;
    const link = new Link(bus, options);
    this.link = link;
    const before = (): void => this.announcer.flush();
    this.sender = new FrameSender(link, queueMax, before, () => this.roster.peers.values());
    this.announcer = new Announcer(link, lan, () => this.sender.schedule());
    this.roster = new Roster(link, {
      sender: this.sender,
      announcer: this.announcer,
      lan,
      clients: () => this.clients,
      failed,
    });
    this.#flaps = new LogLimit(link.log, link.clock);
    this.status = new StatusExchange(link);
    this.roaming = new Roaming(link);
    this.#learning = new Learning(lan, macsMax, link.clock, ({ hub }) =>
      link.log(`hub   ${hub} announces more than ${macsMax} addresses: the rest is not learned, but flooded`),
    );
  }

  /** Number of clients of this hub. */
  get clients(): number {
    return this.lan.ports.size - (this.lan.ports.has(this.sender.floodPort) ? 1 : 0);
  }

  /**
   * Enters the LAN.
   *
   * @param frameMax Length of the longest frame
   * @throws {RangeError} If another hub has this one's name, or a frame does not fit in a message
   */
  async start(frameMax: number): Promise<void> {
    const { link } = this;
    const { subjects, bus } = link;
    const needed = frameMax + PREFIX_LENGTH;
    if (link.bodyMax < needed) {
      const least = needed + bus.payloadMax - link.bodyMax;
      throw new RangeError(
        `A frame of this LAN needs a message of ${least} bytes, and the NATS server takes ${bus.payloadMax}: raise its max_payload, or lower --mtu`,
      );
    }
    const question = link.envelopes.seal(Kind.WHO, 0, []);
    const other = await bus.ask(subjects.hub(link.hub), question, ANSWER_MS);
    if (other !== undefined) throw new RangeError(clashText(link.hub, link.lan));
    for (const subject of [subjects.hub(link.hub), subjects.hello, subjects.macs])
      this.#endings.push(bus.subscribe(subject, (message, answer) => this.receive(message, answer)));
    this.lan.table.observer = {
      changed: (mac, to, from) => this.announcer.changed(mac, to, from),
      held: (mac, home, other, forMs) => this.#held(mac, home, other, forMs),
    };
    this.lan.attach(this.sender.floodPort);
    this.roster.sayHello(subjects.hello, true);
    this.clientsChanged();
  }

  /** Does what is due by itself, until the end. */
  run(): void {
    this.#timer = setInterval(() => this.roster.tick(), TICK_MS);
  }

  /** Hears floods while there are clients. To be called when one has come or gone. */
  clientsChanged(): void {
    const hasClients = this.clients > 0;
    if (hasClients === (this.#leaveFlood !== undefined)) return;
    if (hasClients) {
      for (const { flood } of this.roster.peers.values()) flood.restart();
      this.#leaveFlood = this.link.bus.subscribe(this.link.subjects.flood, (message) => this.receive(message));
    } else {
      this.#leaveFlood?.();
      this.#leaveFlood = undefined;
    }
    this.roster.sayHello();
  }

  /** Begins anew with all other hubs. To be called when the connection is there again, as messages may be missing. */
  reconnected(): void {
    this.sender.window.reset();
    for (const { target } of this.roster.peers.values()) target.window.reset();
    this.roster.sayHello(this.link.subjects.hello, true);
    this.roaming.tellAll();
  }

  /** Leaves the LAN: the others forget this hub at once. */
  close(): void {
    clearInterval(this.#timer);
    for (const end of [...this.#endings, ...(this.#leaveFlood ? [this.#leaveFlood] : [])]) end();
    this.#leaveFlood = undefined;
    this.lan.table.observer = {};
    this.link.publish(this.link.subjects.hello, Kind.BYE, []);
  }

  /** Calls `listener` for each hub that comes or goes. Returns a function that ends it. */
  onHub(listener: (event: HubEvent) => void): () => void {
    this.roster.listeners.add(listener);
    return () => void this.roster.listeners.delete(listener);
  }

  /** True while this hub is cut off from the others. */
  get isIsolated(): boolean {
    return !this.link.bus.isConnected;
  }

  /** State of the LAN as this hub sees it. */
  summary(): BackboneSummary {
    return summaryOf(this);
  }

  /** Takes a message of the bus, whoever sent it. Does not throw. */
  receive(message: Uint8Array, answer?: (message: Uint8Array) => void): void {
    const envelope = this.link.envelopes.open(message);
    if (typeof envelope === "string") {
      this.link.dropped[envelope]++;
      return;
    }
    if (envelope.hub === this.link.hub) {
      if (envelope.run !== this.link.run) this.#meetDouble(envelope, answer);
      return;
    }
    const peer = this.roster.heard(envelope);
    if (peer !== undefined && !this.#take(peer, envelope, answer)) this.link.dropped.body++;
  }

  /** Takes a message of another hub. @returns false if its body is broken */
  #take(peer: Peer, { kind, sequence, body }: Envelope, answer?: (message: Uint8Array) => void): boolean {
    switch (kind) {
      case Kind.FRAMES:
      case Kind.FLOOD:
        return this.#takeFrames(peer, kind === Kind.FRAMES ? peer.direct : peer.flood, sequence, body);
      case Kind.FRAMES_ASKING:
        this.link.publish(this.link.subjects.hub(peer.hub), Kind.CONFIRM, [], sequence);
        return this.#takeFrames(peer, peer.direct, sequence, body);
      case Kind.ASK_CONFIRM:
        this.link.publish(this.link.subjects.hub(peer.hub), Kind.CONFIRM, [], sequence);
        return true;
      case Kind.CONFIRM:
        peer.target.window.confirm(sequence);
        return true;
      case Kind.HELLO:
        return this.roster.hello(peer, body, this.#leaveFlood !== undefined);
      case Kind.BYE:
        this.roster.leave(peer, "it ended");
        return true;
      case Kind.CHANGES:
        return this.#learning.changes(peer, body);
      case Kind.TABLE:
        return this.#learning.table(peer, body);
      case Kind.HELD:
        return this.#learning.held(peer, body);
      case Kind.ASK_TABLE:
        this.announcer.tell(peer.hub);
        return true;
      case Kind.JOINED:
        return this.roaming.take(body);
      case Kind.ASK_STATUS:
        return this.status.answer(body, answer);
      default:
        this.link.dropped.kind++;
        return true;
    }
  }

  #takeFrames(peer: Peer, tracker: SequenceTracker, sequence: number, body: Uint8Array): boolean {
    if (tracker.arrive(sequence) === "duplicate") {
      this.link.dropped.duplicate++;
      return true;
    }
    try {
      return this.lan.receive(peer.port, body);
    } catch (error) {
      // The outlet of a client threw, which is neither the bus's affair nor the other hub's.
      reportError(error);
      return true;
    }
  }

  #meetDouble(envelope: Envelope, answer?: (message: Uint8Array) => void): void {
    if (envelope.kind === Kind.WHO) answer?.(this.link.envelopes.seal(Kind.HELLO, 0, []));
    else this.roster.clash(envelope);
  }

  /** Says that an address is held, and has the others hold it too if it is a client's of this hub. */
  #held(mac: number, home: Port, other: Port, forMs: number): void {
    if (!home.isBackbone) this.announcer.hold(mac);
    this.#flaps.log(
      `flap  ${macText(mac)} is seen at ${this.#nameOf(home)} and at ${this.#nameOf(other)}: held at the first for ${forMs / 1000} s; are two places bridged?`,
    );
  }

  #nameOf(port: Port): string {
    if (!port.isBackbone) return "this hub";
    return [...this.roster.peers.values()].find((peer) => peer.port === port)?.hub ?? "a hub that has gone";
  }
}
