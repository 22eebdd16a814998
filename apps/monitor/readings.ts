/** Counters of a device, read again and again: rates of the latest seconds, and the history, in bounded memory. */
import type { Device } from "../../src/index.ts";

/** Counters at a moment. Those of the device's file descriptor and of its interface go up only. */
export interface Reading {
  /** Milliseconds from any start. */
  readonly time: number;
  readonly inBytes: number;
  readonly outBytes: number;
  readonly inPackets: number;
  readonly outPackets: number;
  readonly dropped: number;
}

/** Bits and packets per second, in both directions. "In" is received by the program. */
export interface Rates {
  inBits: number;
  outBits: number;
  inPackets: number;
  outPackets: number;
}

/** Part of the history: how many seconds ago it began and ended, and its bits per second in both directions. */
export type Point = readonly [began: number, ended: number, inBits: number, outBits: number];

/** Milliseconds between two readings of the last minute. */
const SECOND = 1000;
const MINUTE_READINGS = 61;
/** An even number: when as many are there, every second one goes. */
const START_READINGS = 240;
/** The latest readings, for rates: 30 s at two a second. */
const LATEST = 60;

/** Reads the counters of a device. */
export function read(device: Pick<Device, "counters" | "stats">, time: number): Reading {
  const { framesReceived, bytesReceived, framesSent, bytesSent, refused } = device.counters();
  return {
    time,
    inBytes: bytesReceived,
    outBytes: bytesSent,
    inPackets: framesReceived,
    outPackets: framesSent,
    dropped: device.stats().txDropped + refused,
  };
}

/** Computes the rates between two readings. */
export function between(before: Reading, now: Reading): Rates {
  const seconds = (now.time - before.time) / 1000 || 1;
  const rate = (key: keyof Reading): number => (now[key] - before[key]) / seconds;
  return {
    inBits: rate("inBytes") * 8,
    outBits: rate("outBytes") * 8,
    inPackets: rate("inPackets"),
    outPackets: rate("outPackets"),
  };
}

/** Readings since the program has started. The older history gets coarser: each time it is full, by a factor of two. */
export class Readings {
  readonly first: Reading;
  readonly #latest: Reading[];
  readonly #minute: Reading[];
  #start: Reading[];
  #step = SECOND;

  constructor(first: Reading) {
    this.first = first;
    this.#latest = [first];
    this.#minute = [first];
    this.#start = [first];
  }

  get last(): Reading {
    return this.#latest.at(-1) as Reading;
  }

  add(reading: Reading): void {
    this.#latest.push(reading);
    if (this.#latest.length > LATEST) this.#latest.shift();
    if (isDue(this.#minute, reading, SECOND)) this.#minute.push(reading);
    if (this.#minute.length > MINUTE_READINGS) this.#minute.shift();
    if (isDue(this.#start, reading, this.#step)) this.#start.push(reading);
    if (this.#start.length < START_READINGS) return;
    this.#start = this.#start.filter((_, i) => i % 2 === 0);
    this.#step *= 2;
  }

  /** Rates from the last reading at or before `since` until now. */
  ratesSince(since: number): Rates {
    const before = this.#latest.findLast(({ time }) => time <= since) ?? (this.#latest[0] as Reading);
    return between(before, this.last);
  }

  /** The last minute, a second each, the latest last. */
  get minute(): Point[] {
    return points(this.#minute, this.last);
  }

  /** All since the start, the latest last; what a step has not been completed of is a point of its own. */
  get start(): Point[] {
    return points(this.#start, this.last);
  }
}

function isDue(readings: readonly Reading[], { time }: Reading, step: number): boolean {
  return time - (readings.at(-1) as Reading).time >= step;
}

function points(readings: readonly Reading[], last: Reading): Point[] {
  const all = readings.at(-1) === last ? readings : [...readings, last];
  const ago = ({ time }: Reading): number => Math.round((last.time - time) / 100) / 10;
  return all.slice(1).map((reading, i) => {
    const before = all[i] as Reading;
    const { inBits, outBits } = between(before, reading);
    return [ago(before), ago(reading), Math.round(inBits), Math.round(outBits)] as const;
  });
}
