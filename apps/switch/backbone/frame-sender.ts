/** Frames out: those of one turn go in one message for each destination. */
import { countFrames } from "../framing.ts";
import { Port } from "../learning-switch.ts";
import { Arena } from "./arena.ts";
import { Kind } from "./envelope.ts";
import type { Link } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { Window } from "./window.ts";

/** Hubs whose numbers are kept. */
const TARGETS_MAX = 4096;

/**
 * Bytes of frames in one message, unless a frame is longer. nats-server reads 64 KiB at a time, and makes new
 * memory for a message that ends in the next read (server/parser.go): with long ones as much as it carries.
 */
const USUAL_MAX = 32_000;

/** Path of the frames for one hub. */
export interface Target {
  readonly outbox: Outbox;
  /** Takes frames, or returns false if there is no room for them. */
  readonly outlet: (message: Uint8Array) => boolean;
  /** The bytes that the hub has not confirmed, flooded ones among them. */
  readonly window: Window;
  /** Number of the last message to it. */
  sequence: number;
  /** Notes that the hub gets so many bytes of a message to all. */
  flooded(bytes: number): void;
}

/** Another hub, as the sender of frames sees it. */
export interface Receiver {
  readonly target: Target;
  readonly port: Port;
  /** True if it gets what is flooded. */
  readonly hearsFloods: boolean;
}

/** Publishes the frames for other hubs. */
export class FrameSender {
  /** The port of the switch that gets all that is flooded. */
  readonly floodPort: Port;
  /** The bytes that the NATS server has not confirmed. */
  readonly window: Window;
  /** Number of the last message to all. */
  flooded = 0;
  /** Called before frames are published: what they need to be understood goes first. */
  readonly #before: () => void;
  readonly #receivers: () => Iterable<Receiver>;
  readonly #link: Link;
  readonly #queueMax: number;
  #messages = 0;
  readonly #floodBox: Outbox;
  readonly #touched = new Set<Outbox>();
  readonly #arena = new Arena();
  /**
   * The last target of each hub. A hub that was forgotten here may not have forgotten this one: to it, numbers that began
   * anew would be those of old messages, and it would drop them as duplicates.
   */
  readonly #targets = new Map<string, Target>();
  #waiting = 0;
  #isScheduled = false;

  /**
   * @param queueMax The most bytes that are on their way to the NATS server, or to another hub
   * @param receivers Returns the hubs that are known
   */
  constructor(link: Link, queueMax: number, before: () => void, receivers: () => Iterable<Receiver>) {
    this.#link = link;
    this.#before = before;
    this.#receivers = receivers;
    this.#queueMax = queueMax;
    this.window = new Window(queueMax, link.clock);
    this.#floodBox = this.#outbox((parts, bytes) => {
      this.flooded = (this.flooded + 1) >>> 0;
      this.#publish(link.subjects.flood, Kind.FLOOD, this.flooded, parts);
      for (const { target, hearsFloods } of receivers()) if (hearsFloods) target.flooded(bytes);
    });
    this.floodPort = new Port((message) => this.#flood(message), true);
  }

  /**
   * Sends what is flooded: in one message to all, while all hubs keep up. If one does not, each gets a message of its own,
   * and that one what its window admits: NATS would queue a message to all for it too, and signs of life behind that.
   */
  #flood(message: Uint8Array): boolean {
    if (this.#allHaveRoom(message)) return this.#add(this.#floodBox, message);
    const hearing = [...this.#receivers()].filter(({ hearsFloods }) => hearsFloods);
    const missed = hearing.filter(({ target }) => !target.outlet(message));
    // A frame that no hub gets is counted once, by the port of what is flooded.
    if (missed.length === hearing.length) return false;
    if (missed.length > 0) {
      const frames = countFrames(message);
      for (const { port } of missed) port.dropped.backPressure += frames;
    }
    return true;
  }

  #allHaveRoom(message: Uint8Array): boolean {
    for (const { target, hearsFloods } of this.#receivers())
      if (hearsFloods && !this.#hasRoom(target, message)) return false;
    return true;
  }

  #hasRoom({ window, outbox }: Target, message: Uint8Array): boolean {
    return window.admits(message.length, outbox.bytes + this.#floodBox.bytes);
  }

  /** Returns where frames for a hub go. */
  targetOf(hub: string): Target {
    const subject = this.#link.subjects.hub(hub);
    const window = new Window(this.#queueMax, this.#link.clock);
    const outbox = this.#outbox((parts, bytes) => {
      target.sequence = (target.sequence + 1) >>> 0;
      const kind = window.sent(bytes, target.sequence) ? Kind.FRAMES_ASKING : Kind.FRAMES;
      this.#publish(subject, kind, target.sequence, parts);
    });
    const outlet = (message: Uint8Array): boolean => {
      if (this.#hasRoom(target, message)) return this.#add(outbox, message);
      if (window.markLast() !== undefined) this.#publish(subject, Kind.ASK_CONFIRM, target.sequence, []);
      return false;
    };
    const flooded = (bytes: number): void => {
      // Numbers of messages to all are another row: an empty message of this hub's own row asks in their place.
      const asks = window.isDue(bytes);
      if (asks) target.sequence = (target.sequence + 1) >>> 0;
      window.sent(bytes, target.sequence);
      if (asks) this.#publish(subject, Kind.FRAMES_ASKING, target.sequence, []);
    };
    const target: Target = { outbox, outlet, window, flooded, sequence: this.#targets.get(hub)?.sequence ?? 0 };
    this.#targets.set(hub, target);
    const [oldest] = this.#targets.keys();
    if (oldest !== undefined && this.#targets.size > TARGETS_MAX) this.#targets.delete(oldest);
    return target;
  }

  #outbox(send: (parts: readonly Uint8Array[], bytes: number) => void): Outbox {
    const link = this.#link;
    const limits = {
      usual: USUAL_MAX,
      // The next server may have another.
      get most(): number {
        return link.bodyMax;
      },
    };
    return new Outbox(limits, send);
  }

  #add(outbox: Outbox, message: Uint8Array): boolean {
    if (!this.#link.bus.isConnected) return false;
    if (!this.window.admits(message.length, this.#waiting)) {
      const last = this.window.markLast();
      if (last !== undefined) void this.#confirm(last);
      return false;
    }
    this.#waiting += message.length;
    outbox.add(message);
    this.#touched.add(outbox);
    this.schedule();
    return true;
  }

  /** Publishes all that waits once this turn of the event loop is over. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.flush());
  }

  /** Publishes all that waits. */
  flush(): void {
    this.#isScheduled = false;
    this.#arena.reset();
    this.#before();
    this.#waiting = 0;
    this.#floodBox.flush();
    for (const outbox of this.#touched) outbox.flush();
    this.#touched.clear();
  }

  #publish(subject: string, kind: Kind, sequence: number, parts: readonly Uint8Array[]): void {
    const bytes = this.#link.publish(subject, kind, parts, sequence, this.#arena);
    this.#messages = (this.#messages + 1) >>> 0;
    if (this.window.sent(bytes, this.#messages)) void this.#confirm(this.#messages);
  }

  /** Waits until the NATS server has got a message. A lost connection ends the waiting, and all is counted anew. */
  async #confirm(message: number): Promise<void> {
    const isConfirmed = await this.#link.bus.flush().then(
      () => true,
      () => false,
    );
    if (isConfirmed) this.window.confirm(message);
    else this.window.reset();
  }

  /** Frames that no message of the backbone can hold. */
  get tooLong(): number {
    return this.#floodBox.tooLong;
  }
}
