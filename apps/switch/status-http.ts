/** Answers over HTTP to those who look: JSON of one hub and of the LAN, metrics, and the page. */
import { pageAnswer } from "../support/page.ts";
import { METRICS_TYPE, metricsText, processFigures } from "./metrics.ts";
import page from "./page.html" with { type: "text" };
import { CLIENTS_PRESET, encodeStatus, type HubSource, HubWatch, SAMPLE_MS } from "./status.ts";
import { BusyError, LanWatch, type OtherHubs, parseStatusQuery, readStatusQuery } from "./status-lan.ts";

/** Paths that need the token. */
const STATUS_PATH = "/status";
const LAN_STATUS_PATH = "/status/lan";
const METRICS_PATH = "/metrics";

/** Names the paths that there are, for a request of another one. */
export const LOOK_PATHS: string = `/, ${STATUS_PATH}, ${LAN_STATUS_PATH} and ${METRICS_PATH}`;

const answerWithPage = pageAnswer(page as unknown as string);

/** The page itself has no secret: it asks for the token. Returns undefined for other requests. */
export function answerWithoutToken({ method, url }: Request): Response | undefined {
  // Null where the Host header is none: an exception would be a stack trace in the log, by anybody's request.
  const pathname = URL.parse(url)?.pathname;
  const isPage = pathname === "/" || pathname === "/page";
  return isPage && (method === "GET" || method === "HEAD") ? answerWithPage() : undefined;
}

/** The status of a hub and its LAN, over HTTP. */
export class StatusAnswers implements Disposable {
  readonly #hub: HubSource;
  readonly #watch: HubWatch;
  readonly #lan: LanWatch;
  readonly #others: OtherHubs | undefined;
  readonly #timer: Timer;

  constructor(hub: HubSource, others: OtherHubs | undefined, clock: () => number = () => performance.now()) {
    this.#hub = hub;
    this.#others = others;
    this.#watch = new HubWatch(hub, clock);
    this.#lan = new LanWatch((query) => this.#watch.status(query), others, clock);
    this.#timer = setInterval(() => this.sample(), SAMPLE_MS);
    this.#timer.unref();
  }

  /** Answers another hub; undefined if its query is none. */
  answerHub(text: string): string | undefined {
    const query = readStatusQuery(text);
    return query === null ? undefined : encodeStatus(this.#watch.status(query));
  }

  /** Looks at the counters, as it does every now and then by itself. */
  sample(): void {
    this.#watch.sample();
  }

  /** Answers a request that has the token; returns undefined if it is for something else. */
  answer(url: URL): Promise<Response> | Response | undefined {
    switch (url.pathname) {
      case STATUS_PATH:
        return this.#answerStatus();
      case LAN_STATUS_PATH:
        return this.#answerLan(url.searchParams);
      case METRICS_PATH:
        return this.#answerMetrics();
      default:
        return undefined;
    }
  }

  async #answerStatus(): Promise<Response> {
    return await busyOr(async () => {
      const lan = await this.#lan.status({ clients: CLIENTS_PRESET, find: "" });
      return json({ ...this.#hub.details(), lan });
    });
  }

  async #answerLan(params: URLSearchParams): Promise<Response> {
    try {
      const query = parseStatusQuery(params);
      return await busyOr(async () => json(await this.#lan.status(query)));
    } catch (error) {
      if (error instanceof RangeError) return new Response(`${error.message}\n`, { status: 400 });
      throw error;
    }
  }

  #answerMetrics(): Response {
    const text = metricsText(this.#watch.status({ clients: 0, find: "" }), this.#others?.lan, processFigures());
    return new Response(text, { headers: { "content-type": METRICS_TYPE, "cache-control": "no-store" } });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function json(value: unknown): Response {
  return Response.json(value, { headers: { "cache-control": "no-store" } });
}

async function busyOr(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof BusyError)) throw error;
    return new Response(`${error.message}\n`, { status: 503, headers: { "retry-after": "1" } });
  }
}
