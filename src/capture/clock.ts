import { monotonicNs } from "./runtime.ts";

/** A clock that never steps: a capture shows how much time lies between frames. */
export class Clock {
  readonly #start: bigint = BigInt(Date.now()) * 1_000_000n - monotonicNs();

  /** Returns the nanoseconds since 1970. */
  now(): bigint {
    return this.#start + monotonicNs();
  }
}
