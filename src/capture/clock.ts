import { monotonicNs } from "./runtime.ts";

/** The time of day in nanoseconds, which does not step: what a capture is to show is how much time was in between. */
export class Clock {
  readonly #start: bigint = BigInt(Date.now()) * 1_000_000n - monotonicNs();

  /** Since 1970. */
  now(): bigint {
    return this.#start + monotonicNs();
  }
}
