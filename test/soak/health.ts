/** What the process holds: fds, mappings, memory, and how they change in the long run. */
import { readdirSync, readFileSync } from "node:fs";

export interface Health {
  readonly seconds: number;
  /** Workers that have come and gone. */
  readonly workers: number;
  readonly fds: number;
  readonly mappings: number;
  /** Bytes. */
  readonly rss: number;
}

/** Looks after a collection, at a moment when nothing is open that is not always open. */
export function healthAt(seconds: number, workers: number): Health {
  Bun.gc(true);
  return {
    seconds,
    workers,
    fds: readdirSync("/proc/self/fd").length,
    mappings: readFileSync("/proc/self/maps", "latin1").split("\n").length - 1,
    rss: process.memoryUsage.rss(),
  };
}

/** Growth per hour by least squares, of the samples of the last two thirds: the first are of a process that warms up. */
export function slopeOf(samples: readonly Health[], member: "fds" | "mappings" | "rss"): number {
  const late = samples.slice(Math.floor(samples.length / 3));
  const mean = (of: (sample: Health) => number): number => late.reduce((sum, each) => sum + of(each), 0) / late.length;
  const [meanX, meanY] = [mean(({ seconds }) => seconds), mean((sample) => sample[member])];
  let [above, below] = [0, 0];
  for (const sample of late) {
    above += (sample.seconds - meanX) * (sample[member] - meanY);
    below += (sample.seconds - meanX) ** 2;
  }
  return below === 0 ? 0 : (above / below) * 3600;
}
