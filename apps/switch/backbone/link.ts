/** Common ground of all parts of a hub's backbone: bus, subjects, heads of messages, counters. */
import type { Arena } from "./arena.ts";
import type { Bus } from "./bus.ts";
import { Envelopes, type Foreign, type Kind, newRun } from "./envelope.ts";
import { type Subjects, subjectsOf } from "./subjects.ts";

/** Messages that were dropped, by reason. */
export type DropReason =
  /** From elsewhere: no message of a hub, of another version, of another LAN. */
  | Foreign
  /** A kind or a body that cannot be. */
  | "kind"
  | "body"
  /** A process of a hub that has been started again since. */
  | "run"
  /** More hubs than there may be. */
  | "hubs"
  | "duplicate"
  /** Publishing failed. */
  | "unsent";

/** Identity of a hub, and its surroundings. */
export interface LinkOptions {
  readonly lan: string;
  readonly hub: string;
  /** Milliseconds from any beginning; never compared with those of another machine. */
  readonly clock: () => number;
  readonly log: (line: string) => void;
}

/** Publishes messages of a hub. */
export class Link {
  readonly lan: string;
  readonly hub: string;
  readonly run: number = newRun();
  readonly bus: Bus;
  readonly subjects: Subjects;
  readonly envelopes: Envelopes;
  readonly clock: () => number;
  readonly log: (line: string) => void;
  readonly dropped: Record<DropReason, number> = {
    garbage: 0,
    version: 0,
    lan: 0,
    kind: 0,
    body: 0,
    run: 0,
    hubs: 0,
    duplicate: 0,
    unsent: 0,
  };

  constructor(bus: Bus, { lan, hub, clock, log }: LinkOptions) {
    [this.bus, this.lan, this.hub, this.clock, this.log] = [bus, lan, hub, clock, log];
    this.subjects = subjectsOf(lan);
    this.envelopes = new Envelopes(lan, hub, this.run);
  }

  /** Largest body of a message. */
  get bodyMax(): number {
    return this.bus.payloadMax - this.envelopes.length;
  }

  /** Publishes a message; returns its length, or 0 if it could not be. */
  publish(subject: string, kind: Kind, parts: readonly Uint8Array[], sequence = 0, arena?: Arena): number {
    if (!this.bus.isConnected) return 0;
    const message = this.envelopes.seal(kind, sequence, parts, arena);
    try {
      this.bus.publish(subject, message);
      return message.length;
    } catch {
      // The connection has been closed meanwhile, or another server takes only smaller messages.
      this.dropped.unsent++;
      return 0;
    }
  }
}
