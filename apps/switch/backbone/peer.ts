/** Another hub of the LAN, as this one knows it. */
import { Port } from "../learning-switch.ts";
import type { FrameSender, Target } from "./frame-sender.ts";
import type { Hello, Report } from "./hello.ts";
import { SequenceTracker } from "./sequence.ts";

/** Least time between two requests for the table of one hub. */
const ASK_MS = 250;

/** One process of another hub. A hub that is started again is another peer. */
export class Peer {
  readonly hub: string;
  readonly run: number;
  /** Target of the frames for its clients. It is not attached to the switch, as it gets nothing that is flooded. */
  readonly port: Port;
  readonly target: Target;
  /** Messages of frames from it, to this hub and to all. */
  readonly direct: SequenceTracker = new SequenceTracker();
  readonly flood: SequenceTracker = new SequenceTracker();
  heardAt: number;
  hello: Hello | undefined;
  /** Its last word about what it got from this hub. */
  report: Report | undefined;
  /** Number of its last announcement that is in the table; undefined if some are missing. */
  version: number | undefined;
  /** Parts of its table that have come. */
  partial: number[] = [];
  /** Addresses beyond the most that it may have. */
  refused = 0;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(hub: string, run: number, now: number, sender: FrameSender) {
    this.hub = hub;
    this.run = run;
    this.heardAt = now;
    this.target = sender.targetOf(hub);
    this.port = new Port(this.target.outlet, true);
  }

  /** True if it gets what is flooded: a hub without clients does not. */
  get hearsFloods(): boolean {
    return this.hello?.clients !== 0;
  }

  /** Tells whether to ask for its table, and notes that it is done. */
  mayAsk(now: number): boolean {
    if (now - this.#askedAt < ASK_MS) return false;
    this.#askedAt = now;
    return true;
  }
}
