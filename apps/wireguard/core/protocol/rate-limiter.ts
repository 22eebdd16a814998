import { RATE_BURST, RATE_PER_SECOND } from "./constants.ts";

interface Bucket {
  tokens: number;
  since: number;
}

/** Buckets that are kept; beyond it the ones that have filled up again go, and then nobody new is served. */
const MAX_BUCKETS = 4096;

/** A token bucket for each address: how many handshakes it may start while this host is under load. */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();

  /** Tells whether `address` may have one more now. */
  allows(address: string, now: number): boolean {
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      if (this.#buckets.size >= MAX_BUCKETS) this.#forgetFull(now);
      if (this.#buckets.size >= MAX_BUCKETS) return false;
      bucket = { tokens: RATE_BURST, since: now };
      this.#buckets.set(address, bucket);
    }
    bucket.tokens = Math.min(RATE_BURST, bucket.tokens + ((now - bucket.since) / 1000) * RATE_PER_SECOND);
    bucket.since = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  #forgetFull(now: number): void {
    const full = (RATE_BURST / RATE_PER_SECOND) * 1000;
    for (const [address, { since }] of this.#buckets) if (now - since >= full) this.#buckets.delete(address);
  }
}
