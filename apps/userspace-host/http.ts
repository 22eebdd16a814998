/** HTTP/1.1, one GET or HEAD for each connection: RFC 9112. No body is read of a request; no encoding, no ranges. */
import type { Counters } from "./counters.ts";
import type { Application } from "./tcp-connection.ts";

/** The most bytes of request line and headers. */
const HEAD_BYTES_MAX = 8192;
const BIG_BYTES_MAX = 16 << 20;
/** Period of the pattern. A prime: bytes that are lost, doubled or out of place show. */
const PATTERN_PERIOD = 251;
const PATTERN = Uint8Array.from({ length: PATTERN_PERIOD * 256 }, (_, i) => i % PATTERN_PERIOD);
const NOTHING: Uint8Array = new Uint8Array(0);

interface Answer {
  readonly status: string;
  readonly type: string;
  readonly length: number;
  readonly headers?: Record<string, string>;
  /** Returns bytes of the body from `position` on, `limit` at most. */
  body(position: number, limit: number): Uint8Array;
}

const TOO_LONG = textAnswer("431 Request Header Fields Too Large", `At most ${HEAD_BYTES_MAX} bytes.\n`);

/** One request, and its answer. */
export class HttpExchange implements Application {
  readonly #counters: Counters;
  readonly #page: () => string;
  #request = "";
  #headOnly = false;
  #answer: Answer | undefined;
  #head: Uint8Array = NOTHING;
  #position = 0;
  #peerEnded = false;

  /** @param page What `/` is answered with, as text. */
  constructor(counters: Counters, page: () => string) {
    this.#counters = counters;
    this.#page = page;
  }

  receive(bytes: Uint8Array): void {
    if (this.#answer !== undefined) return;
    this.#request += Buffer.from(bytes).toString("latin1");
    const end = this.#request.indexOf("\r\n\r\n");
    const tooLong = Math.max(end, this.#request.length - "\r\n\r\n".length) > HEAD_BYTES_MAX;
    if (end < 0 && !tooLong) return;
    this.#counters.requestsAnswered++;
    this.#begin(tooLong ? TOO_LONG : this.#understand(this.#request.slice(0, end)));
  }

  peerEnded(): void {
    this.#peerEnded = true;
  }

  read(limit: number): Uint8Array | null {
    if (this.#answer === undefined) return this.#peerEnded ? null : NOTHING;
    const inBody = this.#position - this.#head.length;
    const left = (this.#headOnly ? 0 : this.#answer.length) - inBody;
    if (left <= 0) return null;
    const bytes =
      inBody < 0
        ? this.#head.subarray(this.#position, this.#position + limit)
        : this.#answer.body(inBody, Math.min(limit, left));
    this.#position += bytes.length;
    return bytes;
  }

  #begin(answer: Answer): void {
    this.#answer = answer;
    this.#request = "";
    const headers = {
      Date: new Date().toUTCString(),
      "Content-Type": answer.type,
      "Content-Length": answer.length,
      Connection: "close",
      ...answer.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#head = Buffer.from(`HTTP/1.1 ${answer.status}\r\n${lines.join("")}\r\n`);
  }

  #understand(head: string): Answer {
    const [, method = "", target = "", minor] = /^(\S+) (\S+) HTTP\/1\.([01])(?:\r\n|$)/.exec(head) ?? [];
    const url = URL.parse(target, "http://host");
    // RFC 9112 section 3.2: HTTP/1.1 without a Host is answered so.
    if (url === null || method === "" || (minor === "1" && !/\r\nhost:/i.test(head))) {
      return textAnswer("400 Bad Request", "This is no HTTP/1.1 request.\n");
    }
    this.#headOnly = method === "HEAD";
    if (method !== "GET" && method !== "HEAD") {
      return { ...textAnswer("405 Method Not Allowed", "GET and HEAD.\n"), headers: { Allow: "GET, HEAD" } };
    }
    if (url.pathname === "/") return textAnswer("200 OK", this.#page());
    if (url.pathname === "/big") return big(url.searchParams.get("bytes") ?? "");
    return textAnswer("404 Not Found", "There are / and /big?bytes=1000000 here.\n");
  }
}

/** Answers with as many bytes as are asked for. They are made as they are sent: no memory holds them. */
function big(bytes: string): Answer {
  const length = /^\d{1,8}$/.test(bytes) ? Number(bytes) : Number.NaN;
  if (!(length <= BIG_BYTES_MAX)) return textAnswer("400 Bad Request", `bytes is a number up to ${BIG_BYTES_MAX}\n`);
  const body = (position: number, limit: number): Uint8Array => {
    const start = position % PATTERN_PERIOD;
    return PATTERN.subarray(start, start + limit);
  };
  return { status: "200 OK", type: "application/octet-stream", length, body };
}

function textAnswer(status: string, text: string): Answer {
  const bytes = Buffer.from(text);
  const body = (position: number, limit: number): Uint8Array => bytes.subarray(position, position + limit);
  return { status, type: "text/plain; charset=utf-8", length: bytes.length, body };
}
