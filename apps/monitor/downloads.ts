/** Responses with a large body, of which a bounded number is under way, each for a bounded time. */

/** Limits of {@link Downloads}. */
export interface DownloadLimits {
  /** The most downloads at a time: each holds its bytes in memory until the client has taken them. */
  readonly atOnce: number;
  /** Milliseconds after which a download ends, finished or not: a client may take a byte now and then for ever. */
  readonly deadlineMs: number;
}

/** Bytes that are handed to the client at a time. */
const CHUNK_BYTES = 64 * 1024;

/** Counts and bounds the downloads that are under way. */
export class Downloads {
  readonly #limits: DownloadLimits;
  #underWay = 0;

  constructor(limits: DownloadLimits = { atOnce: 8, deadlineMs: 60_000 }) {
    this.#limits = limits;
  }

  /**
   * Answers a request with bytes that `make` makes.
   *
   * @returns a response of status 503, without a call of `make`, if too many downloads are under way
   */
  answer(make: () => Uint8Array, headers: Record<string, string>): Response {
    if (this.#underWay >= this.#limits.atOnce) {
      const text = "Too many downloads at a time, try again in a while\n";
      return new Response(text, { status: 503, headers: { "Retry-After": "10" } });
    }
    const bytes = make();
    this.#underWay++;
    return new Response(this.#stream(bytes), { headers });
  }

  /** The bytes piece by piece, as the client takes them: what it does not take is not copied into its socket. */
  #stream(bytes: Uint8Array): ReadableStream<Uint8Array> {
    let [left, timer] = [bytes, undefined as Timer | undefined];
    const end = (): void => {
      clearTimeout(timer);
      left = new Uint8Array();
      this.#underWay--;
    };
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          timer = setTimeout(() => {
            end();
            controller.error(new Error("The client has taken too long"));
          }, this.#limits.deadlineMs);
          timer.unref();
        },
        pull: (controller) => {
          if (left.length > 0) controller.enqueue(left.subarray(0, CHUNK_BYTES));
          left = left.subarray(CHUNK_BYTES);
          if (left.length > 0) return;
          end();
          controller.close();
        },
        cancel: end,
      },
      { highWaterMark: 0 },
    );
  }
}
