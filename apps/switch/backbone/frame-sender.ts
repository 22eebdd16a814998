/** Frames out: those of one turn go in one message for each destination. */
import { MESSAGE_MAX } from "../framing.ts";
import { Port } from "../learning-switch.ts";
import { Kind } from "./envelope.ts";
import type { Link } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { Window } from "./window.ts";

/** Where the frames for one hub go. */
export interface Target {
  readonly outbox: Outbox;
  /** Takes frames, or returns false if there is no room for them. */
  readonly outlet: (message: Uint8Array) => boolean;
  /** Number of the last message to it. */
  sequence: number;
}

/** Publishes the frames for other hubs. */
export class FrameSender {
  /** The port of the switch that gets all that is flooded. */
  readonly floodPort: Port;
  readonly window: Window;
  /** Number of the last message to all. */
  flooded = 0;
  /** Called before frames are published: what they need to be understood goes first. */
  readonly #before: () => void;
  readonly #link: Link;
  readonly #floodBox: Outbox;
  readonly #touched = new Set<Outbox>();
  #waiting = 0;
  #isScheduled = false;

  /** @param queueMax The most bytes that are on their way to the NATS server */
  constructor(link: Link, queueMax: number, before: () => void) {
    this.#link = link;
    this.#before = before;
    this.window = new Window(queueMax, () => link.bus.flush(), link.clock);
    this.#floodBox = this.#outbox((parts) => {
      this.flooded = (this.flooded + 1) >>> 0;
      this.#publish(link.subjects.flood, Kind.FLOOD, this.flooded, parts);
    });
    this.floodPort = new Port((message) => this.#add(this.#floodBox, message), true);
  }

  /** Returns where frames for a hub go. */
  targetOf(hub: string): Target {
    const subject = this.#link.subjects.hub(hub);
    const outbox = this.#outbox((parts) => {
      target.sequence = (target.sequence + 1) >>> 0;
      this.#publish(subject, Kind.FRAMES, target.sequence, parts);
    });
    const target: Target = { outbox, outlet: (message) => this.#add(outbox, message), sequence: 0 };
    return target;
  }

  #outbox(send: (parts: readonly Uint8Array[]) => void): Outbox {
    return new Outbox(() => Math.min(this.#link.bodyMax, MESSAGE_MAX), send);
  }

  #add(outbox: Outbox, message: Uint8Array): boolean {
    if (!this.#link.bus.isConnected || !this.window.admits(this.#waiting + message.length)) return false;
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
    this.#before();
    this.#waiting = 0;
    this.#floodBox.flush();
    for (const outbox of this.#touched) outbox.flush();
    this.#touched.clear();
  }

  #publish(subject: string, kind: Kind, sequence: number, parts: readonly Uint8Array[]): void {
    this.window.sent(this.#link.publish(subject, kind, parts, sequence));
  }

  /** Frames that no message of the backbone can hold. */
  get tooLong(): number {
    return this.#floodBox.tooLong;
  }
}
