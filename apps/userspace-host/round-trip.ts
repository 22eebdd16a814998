/** Time to wait for an acknowledgment before sending again, from how long those before took: RFC 6298. */
export class RoundTrip {
  #smoothedMs: number | undefined;
  #variationMs = 0;
  /** RTO. Doubled each time it passes in vain, until something that was sent once only is acknowledged. */
  timeoutMs: number = TIMEOUT_INITIAL_MS;

  measured(ms: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = ms;
      this.#variationMs = ms / 2;
    } else {
      this.#variationMs = 0.75 * this.#variationMs + 0.25 * Math.abs(this.#smoothedMs - ms);
      this.#smoothedMs = 0.875 * this.#smoothedMs + 0.125 * ms;
    }
    this.timeoutMs = Math.max(TIMEOUT_MIN_MS, this.#smoothedMs + 4 * this.#variationMs);
  }

  backOff(): void {
    this.timeoutMs = Math.min(TIMEOUT_MAX_MS, 2 * this.timeoutMs);
  }
}

const TIMEOUT_INITIAL_MS = 1000;
/** The RFC says a second; Linux 200 ms (TCP_RTO_MIN, include/net/tcp.h), for acknowledgments are delayed less than that. */
const TIMEOUT_MIN_MS = 200;
/** The longest time to wait before sending again. */
export const TIMEOUT_MAX_MS = 60_000;
