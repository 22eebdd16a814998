/** The switch itself: frames in from one port, out to others. It knows nothing of sockets and interfaces. */
import { CircleWatch } from "./circle-watch.ts";
import { ETHERNET_HEADER_LENGTH, eachFrame, PREFIX_LENGTH } from "./framing.ts";

import { MacTable, type MacTableOptions, macAt } from "./mac-table.ts";

/** Two VLAN tags (IEEE 802.1Q), which the MTU does not count. */
const TAGS_LENGTH = 8;

/** Takes a message, or returns false if it has no room for it. */
export type Outlet = (message: Uint8Array) => boolean;

/** The place of one client at the switch, or of another hub. "In" is from the client. */
export class Port {
  framesIn = 0;
  bytesIn = 0;
  framesOut = 0;
  bytesOut = 0;
  /**
   * Dropped frames. From the client: too short, too long, or from a source that is no station. To the client: it does
   * not keep up. In a circle: its source flaps and is held elsewhere, or is a client of this hub and comes by the backbone.
   */
  readonly dropped = { short: 0, long: 0, source: 0, circle: 0, backPressure: 0 };
  /** Frames whose source has no place in the MAC table: see `perPortMax`. */
  unlearned = 0;
  /** True if it leads to other hubs. Frames that come in from the backbone never go back to it. */
  readonly isBackbone: boolean;
  readonly #outlet: Outlet;
  /** Parts of the incoming message that go out: begin, end, begin, end… */
  #runs: number[] = [];
  #frames = 0;

  constructor(outlet: Outlet, isBackbone = false) {
    this.#outlet = outlet;
    this.isBackbone = isBackbone;
  }

  /** Adds a frame of the current message to those that go out. */
  add(start: number, end: number): void {
    const begin = start - PREFIX_LENGTH;
    if (this.#runs.at(-1) === begin) this.#runs[this.#runs.length - 1] = end;
    else this.#runs.push(begin, end);
    this.#frames++;
  }

  /** Sends the added frames: most often one run, which goes out without a copy. */
  flush(message: Uint8Array): void {
    const [runs, frames] = [this.#runs, this.#frames];
    this.#runs = [];
    this.#frames = 0;
    const out = runs.length === 2 ? message.subarray(runs[0], runs[1]) : joined(message, runs);
    let taken = false;
    try {
      taken = this.#outlet(out);
    } finally {
      if (!taken) this.dropped.backPressure += frames;
    }
    if (!taken) return;
    this.framesOut += frames;
    this.bytesOut += out.length - frames * PREFIX_LENGTH;
  }
}

function joined(message: Uint8Array, runs: readonly number[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 0; i < runs.length; i += 2) parts.push(message.subarray(runs[i], runs[i + 1]));
  return Buffer.concat(parts);
}

/** Returns the length of the longest frame of a LAN. */
export function frameMaxOf(mtu: number): number {
  return mtu + ETHERNET_HEADER_LENGTH + TAGS_LENGTH;
}

/** Options of {@link LearningSwitch}. */
export interface SwitchOptions extends MacTableOptions {
  readonly mtu: number;
  /** Milliseconds from any beginning. */
  readonly clock: () => number;
}

/** Switches frames between ports by their MAC addresses, as a bridge does (IEEE 802.1D). */
export class LearningSwitch {
  readonly ports: Set<Port> = new Set();
  readonly table: MacTable<Port>;
  readonly #frameMax: number;
  readonly #clock: () => number;
  readonly #touched = new Set<Port>();
  /** Only where frames may come back by way of another hub. */
  #circles: CircleWatch<Port> | undefined;

  constructor(options: SwitchOptions) {
    this.table = new MacTable(options, ({ isBackbone }) => isBackbone);
    this.#frameMax = frameMaxOf(options.mtu);
    this.#clock = options.clock;
  }

  attach(port: Port): void {
    this.ports.add(port);
    if (port.isBackbone) this.#circles = new CircleWatch();
  }

  detach(port: Port): void {
    this.ports.delete(port);
    this.#circles?.clear();
    this.table.forget(port);
  }

  /** Forgets addresses that have not been seen for long; to be called now and then. */
  sweep(): void {
    this.table.sweep(this.#clock());
  }

  /**
   * Switches the frames of a message that came in on a port.
   *
   * @returns false if it was not made of whole frames; those before the break are switched
   * @throws What the outlet of a port throws, after all other ports have been served
   */
  receive(from: Port, message: Uint8Array): boolean {
    const now = this.#clock();
    const whole = eachFrame(message, (start, end) => this.#switch(from, message, start, end, now));
    this.#flush(message);
    return whole;
  }

  /** Sends the frames of each touched port. The next message starts with none, even if an outlet throws. */
  #flush(message: Uint8Array): void {
    const failures: unknown[] = [];
    for (const port of this.#touched) {
      try {
        port.flush(message);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#touched.clear();
    if (failures.length > 0) throw failures[0];
  }

  #switch(from: Port, message: Uint8Array, start: number, end: number, now: number): void {
    const length = end - start;
    from.framesIn++;
    from.bytesIn += length;
    const defect = this.#defect(message, start, length);
    if (defect !== null) {
      from.dropped[defect]++;
      return;
    }
    const source = macAt(message, start + 6);
    if (!this.#accepts(source, from, now)) {
      from.dropped.circle++;
      return;
    }
    const known = isGroup(message, start) ? undefined : this.table.lookUp(macAt(message, start), now);
    if (known !== undefined) this.#addTo(known, from, start, end);
    else if (this.#circles !== undefined && this.#isInCircle(message.subarray(start, end), source, from, now))
      from.dropped.circle++;
    else for (const port of this.ports) this.#addTo(port, from, start, end);
  }

  /** Tells whether a frame that is to be flooded goes in a circle; its source is held then where it came from first. */
  #isInCircle(frame: Uint8Array, source: number, from: Port, now: number): boolean {
    const first = this.#circles?.see(frame, from, now);
    if (first === undefined) return false;
    this.table.hold(source, first, from, now);
    return true;
  }

  /**
   * Learns the source of a client's frame. Sources behind another hub are learned from its announcements alone: its
   * frames may be older than the announcement of a third hub.
   *
   * @returns false for a frame that goes in a circle
   */
  #accepts(source: number, from: Port, now: number): boolean {
    if (from.isBackbone) return this.table.lookUp(source, now)?.isBackbone !== false;
    const learned = this.table.learn(source, from, now);
    if (learned === "full") from.unlearned++;
    return learned !== "held";
  }

  /** Adds a frame to a port, except to the one that it came from: the station there has it already. */
  #addTo(port: Port, from: Port, start: number, end: number): void {
    if (port === from || (port.isBackbone && from.isBackbone)) return;
    port.add(start, end);
    this.#touched.add(port);
  }

  /** Returns why a frame is not switched, or null. */
  #defect(message: Uint8Array, start: number, length: number): "short" | "long" | "source" | null {
    if (length < ETHERNET_HEADER_LENGTH) return "short";
    if (length > this.#frameMax) return "long";
    // A group or no address at all is nobody's own (IEEE 802 section 8.2; include/linux/etherdevice.h is_valid_ether_addr()).
    return isGroup(message, start + 6) || macAt(message, start + 6) === 0 ? "source" : null;
  }
}

/** Tells multicast and broadcast by the lowest bit of the first octet (IEEE 802 section 8.2). */
function isGroup(bytes: Uint8Array, offset: number): boolean {
  return ((bytes[offset] as number) & 1) === 1;
}
