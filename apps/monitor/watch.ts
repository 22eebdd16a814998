/** Contents of the page: totals from the counters of a device, everything else from a sample of its frames. */
import type { Device, Direction } from "../../src/index.ts";
import { describe } from "../../src/packet/index.ts";
import { classify } from "./classify.ts";
import { Ring } from "./ring.ts";

/** Milliseconds between updates of the page. */
export const TICK_MS = 500;
/** The most frames of one tick that are sampled: under a flood every n-th. */
const SAMPLES = 1000;
/** Sampled frames of one tick that are put into words, evenly: nobody can read more. */
const LINES = 40;
/** The most senders that are told apart in one tick: addresses may be forged. */
const SENDERS = 500;
const WINDOW_TICKS = 10_000 / TICK_MS;
const HISTORY_SECONDS = 60;

export interface Rates {
  inBits: number;
  outBits: number;
  inPackets: number;
  outPackets: number;
}

/** Update that the page gets each tick, as JSON. */
export interface Update {
  device: { name: string; kind: string; mtu: number; up: boolean; addresses: string[] };
  rates: Rates;
  totals: { bytes: number; packets: number; dropped: number };
  /** A second each, the latest last. */
  history: Rates[];
  protocols: { name: string; share: number }[];
  talkers: { address: string; bits: number; packets: number }[];
  packets: { time: number; direction: Direction; line: string }[];
  /** Part of the frames that is among `packets`, 0 to 1. */
  shown: number;
}

interface Amount {
  bytes: number;
  packets: number;
}

/** The sample of one tick. */
class Sample {
  seen = 0;
  taken = 0;
  readonly protocols: Map<string, Amount> = new Map();
  readonly senders: Map<string, Amount> = new Map();
}

export class Watch {
  readonly #device: Device;
  readonly #observed: Disposable;
  /** The latest sampled frames, for the download. */
  readonly recent: Ring = new Ring();
  readonly #ticks: Sample[] = [new Sample()];
  #lines: Update["packets"] = [];
  /** One of `#stride` frames is sampled; `#skip` frames come before the next one. */
  #stride = 1;
  #skip = 0;
  /** One of `#lineStride` sampled frames is put into words. */
  #lineStride = 1;
  #before: Reading;
  readonly #first: Reading;
  #second: { reading: Reading; history: Rates[] };

  constructor(device: Device) {
    this.#device = device;
    this.#first = this.#before = read(device);
    this.#second = { reading: this.#before, history: [] };
    this.#observed = device.observe({ frames: (frames, direction) => this.#sample(frames, direction) });
  }

  /** Runs for each batch of frames, so it looks at few and copies fewer. */
  #sample(frames: readonly Uint8Array[], direction: Direction): void {
    const sample = this.#ticks[0] as Sample;
    sample.seen += frames.length;
    let i = this.#skip;
    for (; i < frames.length && sample.taken < SAMPLES; i += this.#stride) {
      const frame = frames[i] as Uint8Array;
      sample.taken++;
      const { protocol, sender } = classify(frame, this.#device.kind);
      add(sample.protocols, protocol, frame.length);
      if (sample.senders.size < SENDERS || sample.senders.has(sender)) add(sample.senders, sender, frame.length);
      const time = Date.now();
      if (sample.taken % this.#lineStride === 0 && this.#lines.length < LINES) {
        this.#lines.push({ time, direction, line: describe(frame, this.#device.kind) });
      }
      this.recent.push(frame, direction, time);
    }
    this.#skip = Math.max(0, i - frames.length);
  }

  /** Returns what has happened since the last tick. */
  tick(): Update {
    const sample = this.#ticks[0] as Sample;
    const now = read(this.#device);
    const rates = between(this.#before, now);
    this.#before = now;
    if (now.time - this.#second.reading.time >= 1000) {
      const history = [...this.#second.history, between(this.#second.reading, now)].slice(-HISTORY_SECONDS - 1);
      this.#second = { reading: now, history };
    }
    const update: Update = {
      device: identity(this.#device),
      rates,
      totals: {
        bytes: now.inBytes + now.outBytes - this.#first.inBytes - this.#first.outBytes,
        packets: now.inPackets + now.outPackets - this.#first.inPackets - this.#first.outPackets,
        dropped: now.dropped - this.#first.dropped,
      },
      history: this.#second.history,
      protocols: shares(this.#ticks),
      talkers: talkers(this.#ticks),
      packets: this.#lines,
      shown: sample.seen === 0 ? 1 : this.#lines.length / sample.seen,
    };
    this.#stride = Math.max(1, Math.ceil(sample.seen / SAMPLES));
    this.#lineStride = Math.max(1, Math.ceil(sample.taken / LINES));
    // What follows a flood need not wait for as many frames as that would have brought.
    this.#skip = Math.min(this.#skip, this.#stride - 1);
    this.#lines = [];
    this.#ticks.unshift(new Sample());
    this.#ticks.length = Math.min(this.#ticks.length, WINDOW_TICKS);
    return update;
  }

  [Symbol.dispose](): void {
    this.#observed[Symbol.dispose]();
  }
}

interface Reading {
  time: number;
  inBytes: number;
  outBytes: number;
  inPackets: number;
  outPackets: number;
  dropped: number;
}

function read(device: Device): Reading {
  const { framesReceived, bytesReceived, framesSent, bytesSent, refused } = device.counters();
  return {
    time: performance.now(),
    inBytes: bytesReceived,
    outBytes: bytesSent,
    inPackets: framesReceived,
    outPackets: framesSent,
    dropped: device.stats().txDropped + refused,
  };
}

function between(before: Reading, now: Reading): Rates {
  const seconds = (now.time - before.time) / 1000 || 1;
  const rate = (key: keyof Reading): number => (now[key] - before[key]) / seconds;
  return {
    inBits: rate("inBytes") * 8,
    outBits: rate("outBytes") * 8,
    inPackets: rate("inPackets"),
    outPackets: rate("outPackets"),
  };
}

function identity(device: Device): Update["device"] {
  const { name, kind, mtu, isUp } = device;
  return { name, kind, mtu, up: isUp, addresses: device.addresses().map(({ address }) => address) };
}

function add(amounts: Map<string, Amount>, key: string, bytes: number): void {
  const amount = amounts.get(key);
  if (amount === undefined) amounts.set(key, { bytes, packets: 1 });
  else {
    amount.bytes += bytes;
    amount.packets++;
  }
}

/** Adds samples up, each weighted by the frames that it stands for; the largest first. */
function total(ticks: readonly Sample[], key: "protocols" | "senders"): [string, Amount][] {
  const sum = new Map<string, Amount>();
  for (const sample of ticks) {
    const scale = sample.seen / Math.max(1, sample.taken);
    for (const [name, { bytes, packets }] of sample[key]) {
      const so = sum.get(name) ?? { bytes: 0, packets: 0 };
      sum.set(name, { bytes: so.bytes + bytes * scale, packets: so.packets + packets * scale });
    }
  }
  return [...sum].sort(([, a], [, b]) => b.bytes - a.bytes);
}

function shares(ticks: readonly Sample[]): Update["protocols"] {
  const amounts = total(ticks, "protocols");
  const all = amounts.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  return amounts.map(([name, { bytes }]) => ({ name, share: bytes / all }));
}

function talkers(ticks: readonly Sample[]): Update["talkers"] {
  const seconds = (ticks.length * TICK_MS) / 1000;
  return total(ticks, "senders")
    .slice(0, 8)
    .map(([address, { bytes, packets }]) => ({ address, bits: (bytes * 8) / seconds, packets: packets / seconds }));
}
