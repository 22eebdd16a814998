/** A LAN of hubs without sockets: the hubs' own code on a bus in memory. Time and turns are the test's. */
import { Backbone, type BackboneOptions } from "../../apps/switch/backbone/backbone.ts";
import type { Bus, BusHandler } from "../../apps/switch/backbone/bus.ts";
import { pack, unpack } from "../../apps/switch/framing.ts";
import { frameMaxOf, LearningSwitch, Port } from "../../apps/switch/learning-switch.ts";

/** The server of a bus in memory: at most once, in order. */
export class MemoryBroker {
  readonly subscriptions: Map<string, Set<{ bus: MemoryBus; handler: BusHandler }>> = new Map();
  /** Messages that were published, by subject. */
  readonly published: Map<string, number> = new Map();
  /** Tells whether a message is lost. */
  loses: (subject: string, message: Uint8Array) => boolean = () => false;
  payloadMax: number = 1024 * 1024;
  /** Length of the longest message so far. */
  longest = 0;
  #queue: { readonly to: MemoryBus; readonly bytes: number; deliver(): void }[] = [];

  publish(from: MemoryBus | undefined, subject: string, message: Uint8Array, answer: BusAnswer = () => {}): void {
    this.published.set(subject, (this.published.get(subject) ?? 0) + 1);
    if (message.length > this.payloadMax) throw new RangeError("The message is longer than the server takes");
    this.longest = Math.max(this.longest, message.length);
    // Not slice(): that of a Buffer is a view.
    const copy = new Uint8Array(message);
    if (this.loses(subject, copy)) return;
    for (const { bus, handler } of [...(this.subscriptions.get(subject) ?? [])])
      if (bus !== from && bus.isConnected)
        this.#queue.push({ to: bus, bytes: copy.length, deliver: () => handler(copy, answer) });
  }

  /** Bytes that wait for a connection. */
  waitingFor(bus: MemoryBus): number {
    return this.#queue.reduce((sum, { to, bytes }) => sum + (to === bus ? bytes : 0), 0);
  }

  /** Delivers what waits, as much as each line takes in a turn. Returns how many messages that were. */
  deliver(): number {
    const [queue, begun] = [this.#queue, new Set<MemoryBus>()];
    this.#queue = [];
    const due = queue.filter((each) => {
      const { to, bytes } = each;
      if (!begun.has(to)) to.credit = Math.min(to.bytesInTurn, to.credit + to.bytesInTurn);
      begun.add(to);
      const isDue = to.credit > 0;
      if (isDue) to.credit -= bytes;
      else this.#queue.push(each);
      return isDue;
    });
    for (const { deliver } of due) deliver();
    return due.length;
  }
}

type BusAnswer = (message: Uint8Array) => void;

/** One connection to it. */
export class MemoryBus implements Bus {
  isConnected = true;
  /** True while the server takes what is published; else it waits. */
  takes = true;
  /** Bytes that its line takes in one turn. */
  bytesInTurn: number = Number.POSITIVE_INFINITY;
  /** Bytes that it may still take in this one; below 0 after a message that is longer. */
  credit = 0;
  readonly broker: MemoryBroker;

  constructor(broker: MemoryBroker) {
    this.broker = broker;
  }

  get payloadMax(): number {
    return this.broker.payloadMax;
  }

  publish(subject: string, message: Uint8Array): void {
    if (this.isConnected) this.broker.publish(this, subject, message);
  }

  subscribe(subject: string, handler: BusHandler): () => void {
    const entry = { bus: this, handler };
    const all = this.broker.subscriptions.get(subject) ?? new Set();
    this.broker.subscriptions.set(subject, all.add(entry));
    return () => void all.delete(entry);
  }

  async ask(subject: string, message: Uint8Array): Promise<Uint8Array | undefined> {
    let answer: Uint8Array | undefined;
    this.broker.publish(this, subject, message, (given) => {
      answer = given;
    });
    this.broker.deliver();
    return answer;
  }

  flush(): Promise<void> {
    return this.takes ? Promise.resolve() : new Promise(() => {});
  }
}

/** A hub with clients that are arrays of the frames that they got. */
export class SimulatedHub {
  readonly bus: MemoryBus;
  readonly lan: LearningSwitch;
  readonly backbone: Backbone;
  readonly log: string[] = [];
  failure: string | undefined;

  constructor(
    broker: MemoryBroker,
    hub: string,
    clock: () => number,
    options: Partial<BackboneOptions> = {},
    mtu = 1500,
  ) {
    this.bus = new MemoryBus(broker);
    this.lan = new LearningSwitch({ ageMs: 300_000, perPortMax: 100_000, mtu, clock });
    this.backbone = new Backbone(this.bus, this.lan, {
      lan: "test",
      hub,
      queueMax: 2 ** 20,
      macsMax: 100_000,
      clock,
      log: (line) => void this.log.push(line),
      failed: (why) => {
        this.failure = why;
      },
      ...options,
    });
  }

  /** Adds a client. */
  client(): SimulatedClient {
    const client = new SimulatedClient(this);
    this.lan.attach(client.port);
    this.backbone.clientsChanged();
    return client;
  }
}

/** A client of a hub. */
export class SimulatedClient {
  readonly port: Port;
  readonly hub: SimulatedHub;
  got: Uint8Array[] = [];
  /** Called with each frame that it gets. */
  react: ((frame: Uint8Array) => void) | undefined;

  constructor(hub: SimulatedHub) {
    this.hub = hub;
    this.port = new Port((message) => {
      for (const frame of unpack(new Uint8Array(message)) ?? []) {
        this.got.push(frame);
        this.react?.(frame);
      }
      return true;
    });
  }

  send(...frames: Uint8Array[]): void {
    pack(frames, (message) => void this.hub.lan.receive(this.port, message.slice()));
  }

  leave(): void {
    this.hub.lan.detach(this.port);
    this.hub.backbone.clientsChanged();
  }

  /** Returns the marks of the frames that it got, and forgets them. */
  marks(): number[] {
    return this.got.splice(0).map((frame) => frame[20] as number);
  }
}

/** Several hubs of one LAN, and their time. */
export class SimulatedLan {
  now = 0;
  readonly broker: MemoryBroker = new MemoryBroker();
  readonly hubs: SimulatedHub[] = [];
  readonly mtu: number;

  constructor(mtu = 1500) {
    this.mtu = mtu;
  }

  async add(name: string, options?: Partial<BackboneOptions>): Promise<SimulatedHub> {
    const hub = new SimulatedHub(this.broker, name, () => this.now, options, this.mtu);
    await hub.backbone.start(frameMaxOf(this.mtu));
    this.hubs.push(hub);
    this.settle();
    return hub;
  }

  static async of(count: number, mtu = 1500): Promise<SimulatedLan> {
    const lan = new SimulatedLan(mtu);
    for (let i = 1; i <= count; i++) await lan.add(`hub${i}`);
    return lan;
  }

  /** Runs turns until nothing is under way. Returns how many messages went over the bus. */
  settle(turnsMax = 1000): number {
    let messages = 0;
    for (let turn = 0; turn < turnsMax; turn++) {
      for (const { backbone } of this.hubs) backbone.sender.flush();
      const delivered = this.broker.deliver();
      if (delivered === 0) return messages;
      messages += delivered;
    }
    return messages;
  }

  /** Lets time pass, with all that is due. */
  pass(ms: number, stepMs = 100): void {
    for (let end = this.now + ms; this.now < end; ) {
      this.now += stepMs;
      for (const { backbone } of this.hubs) backbone.roster.tick();
      this.settle();
    }
  }
}

/** An Ethernet frame with a mark in its byte 20. */
export function frameOf(destination: number, source: number, mark = 0, length = 60): Uint8Array {
  const hex = [destination, source].map((mac) => mac.toString(16).padStart(12, "0")).join("");
  const bytes = new Uint8Array(length);
  bytes.set(Uint8Array.fromHex(`${hex}88b5`).subarray(0, length));
  if (length > 20) bytes[20] = mark;
  return bytes;
}

/** The address of all stations. */
export const BROADCAST = 0xffffffffffff;
