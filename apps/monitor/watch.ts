/** Contents of the page: totals from the counters of a device, everything else from its frames, or a sample of them. */
import type { Device, Direction } from "../../src/index.ts";
import { describe } from "../../src/packet/index.ts";
import { classify } from "./classify.ts";
import { type Point, type Rates, type Readings, read } from "./readings.ts";
import { Ring } from "./ring.ts";
import { type Amount, Sample } from "./sample.ts";
import { type Line, type Share, Viewer } from "./viewer.ts";

/** Milliseconds between updates of the page. */
export const TICK_MS = 500;
/** Window of all rates and shares of the page. */
const WINDOW_TICKS = 5000 / TICK_MS;
/** The most frames of one tick that are looked at, evenly: a flood is not slowed down. */
const EXAMINED = 1000;
/** Packets a second that a filter looks at: putting one into words takes a microsecond or less. */
const EXAMINED_TO_FILTER = 25_000;

/** Update that the page gets each tick, as JSON. */
export interface Update {
  device: { name: string; kind: string; mtu: number; up: boolean; addresses: string[] };
  /** Seconds until now that rates, protocols, talkers and share are of. */
  window: number;
  rates: Rates;
  /** Since the program has started. */
  totals: { bytes: number; packets: number; dropped: number; seconds: number };
  history: { minute: Point[]; start: Point[] };
  /** True if protocols and talkers are estimates, as not all frames were looked at. */
  estimated: boolean;
  protocols: Amount[];
  talkers: Amount[];
  packets: Line[];
  share: Share;
}

/** The part of a device that is used. */
export type Watched = Pick<
  Device,
  "name" | "kind" | "mtu" | "isUp" | "addresses" | "counters" | "stats" | "observe" | "closed"
>;

/** Watches a device for the browsers that look at its page. */
export class Watch {
  readonly #device: Watched;
  readonly #readings: Readings;
  readonly #clock: () => number;
  readonly #observed: Disposable;
  readonly #viewers = new Set<Viewer>();
  /** The latest frames that were looked at, for the download. */
  readonly recent: Ring = new Ring();
  #ticks: Sample[] = [new Sample()];
  /** Times at which the oldest of the window's ticks, and each after it, began. */
  #began: number[];
  /** One of `#stride` frames is looked at; `#skip` frames come before the next one. */
  #stride = 1;
  #skip = 0;

  constructor(device: Watched, readings: Readings, clock: () => number = () => performance.now()) {
    this.#device = device;
    this.#readings = readings;
    this.#clock = clock;
    readings.add(read(device, clock()));
    this.#began = [readings.last.time];
    this.#observed = device.observe({ frames: (frames, direction) => this.#sample(frames, direction) });
  }

  /** Adds somebody who looks at the packets, all of them at first. */
  open(): Viewer {
    const viewer = new Viewer(WINDOW_TICKS);
    this.#viewers.add(viewer);
    return viewer;
  }

  /** Removes somebody. @returns whether others are left */
  close(viewer: Viewer): boolean {
    this.#viewers.delete(viewer);
    return this.#viewers.size > 0;
  }

  get #budget(): number {
    return [...this.#viewers].some(({ isFiltered }) => isFiltered) ? EXAMINED_TO_FILTER : EXAMINED;
  }

  /** Runs for each batch of frames, so it looks at few of many. */
  #sample(frames: readonly Uint8Array[], direction: Direction): void {
    const [sample, budget] = [this.#ticks.at(-1) as Sample, this.#budget];
    sample.seen += frames.length;
    for (const viewer of this.#viewers) viewer.pass(frames.length);
    let i = this.#skip;
    for (; i < frames.length && sample.taken < budget; i += this.#stride)
      this.#examine(frames[i] as Uint8Array, direction, sample);
    this.#skip = Math.max(0, i - frames.length);
  }

  #examine(frame: Uint8Array, direction: Direction, sample: Sample): void {
    const { kind } = this.#device;
    const time = Date.now();
    const found = classify(frame, kind);
    sample.add(found, frame.length);
    let line: Line | undefined;
    const words = (): Line => {
      const { protocol } = found;
      line ??= { time, direction, bytes: frame.length, protocol, line: describe(frame, kind) };
      return line;
    };
    for (const viewer of this.#viewers) viewer.examine(words);
    this.recent.push(frame, direction, time);
  }

  /** Ends a tick. @returns what each viewer is told of it */
  tick(): Map<Viewer, Update> {
    const readings = this.#readings;
    const now = read(this.#device, this.#clock());
    readings.add(now);
    const began = this.#began[0] as number;
    const common = {
      device: identity(this.#device),
      window: Math.round((now.time - began) / 100) / 10,
      rates: readings.ratesSince(began),
      totals: {
        bytes: now.inBytes + now.outBytes - readings.first.inBytes - readings.first.outBytes,
        packets: now.inPackets + now.outPackets - readings.first.inPackets - readings.first.outPackets,
        dropped: now.dropped - readings.first.dropped,
        seconds: Math.round((now.time - readings.first.time) / 1000),
      },
      history: { minute: readings.minute, start: readings.start },
      estimated: this.#ticks.some(({ seen, taken }) => seen > taken),
      protocols: Sample.protocols(this.#ticks),
      talkers: Sample.talkers(this.#ticks),
    };
    const updates = new Map([...this.#viewers].map((viewer) => [viewer, { ...common, ...viewer.tick() }]));
    this.#next(now.time);
    return updates;
  }

  #next(time: number): void {
    const { seen } = this.#ticks.at(-1) as Sample;
    this.#stride = Math.max(1, Math.ceil(seen / this.#budget));
    // What follows a flood need not wait for as many frames as that would have brought.
    this.#skip = Math.min(this.#skip, this.#stride - 1);
    this.#ticks = [...this.#ticks, new Sample()].slice(-WINDOW_TICKS);
    this.#began = [...this.#began, time].slice(-WINDOW_TICKS);
  }

  [Symbol.dispose](): void {
    this.#observed[Symbol.dispose]();
  }
}

function identity(device: Watched): Update["device"] {
  const { name, kind, mtu, isUp } = device;
  return { name, kind, mtu, up: isUp, addresses: device.addresses().map(({ address }) => address) };
}
