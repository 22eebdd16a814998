/** Questions for the status of other hubs, and answers. Both are text to the backbone. */
import { Kind } from "./envelope.ts";
import type { Link } from "./link.ts";

/** Time for all to answer. */
const ANSWER_MS = 500;
/** The most answers of this hub in a second: whoever asks more often gets none. */
const ANSWERS_MAX = 32;
const SECOND_MS = 1000;
const QUERY_BYTES_MAX = 1024;

/** Asks the other hubs, and answers them. */
export class StatusExchange {
  /** Returns this hub's answer to a query; undefined for a query that is none. */
  answerTo: (query: string) => string | undefined = () => undefined;
  readonly #link: Link;
  #second = 0;
  #answers = 0;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Asks other hubs. Resolves to what has come, by hub, when all have answered or the time is up. */
  async ask(query: string, hubs: readonly string[]): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    if (!this.#link.bus.isConnected) return found;
    const ask = async (hub: string): Promise<void> => {
      const answer = await this.#ask(hub, query);
      if (answer !== undefined) found.set(hub, answer);
    };
    await Promise.all(hubs.map(ask));
    return found;
  }

  async #ask(hub: string, query: string): Promise<string | undefined> {
    const { bus, subjects, envelopes } = this.#link;
    const question = envelopes.seal(Kind.ASK_STATUS, 0, [Buffer.from(query)]);
    try {
      const message = await bus.ask(subjects.hub(hub), question, ANSWER_MS);
      const envelope = message && envelopes.open(message);
      if (envelope === undefined || typeof envelope === "string") return undefined;
      return envelope.hub === hub && envelope.kind === Kind.STATUS ? envelope.body.toString() : undefined;
    } catch {
      // Refused, or the connection was closed meanwhile: the hub counts as one that does not answer.
      return undefined;
    }
  }

  /** Answers a question of another hub. @returns false if it is none */
  answer(query: Uint8Array, answer: ((message: Uint8Array) => void) | undefined): boolean {
    if (answer === undefined || query.length > QUERY_BYTES_MAX) return false;
    if (!this.#mayAnswer()) return true;
    const text = this.answerTo(Buffer.from(query).toString());
    if (text === undefined) return false;
    const body = Buffer.from(text);
    if (body.length <= this.#link.bodyMax) answer(this.#link.envelopes.seal(Kind.STATUS, 0, [body]));
    return true;
  }

  #mayAnswer(): boolean {
    const second = Math.floor(this.#link.clock() / SECOND_MS);
    if (second !== this.#second) [this.#second, this.#answers] = [second, 0];
    return ++this.#answers <= ANSWERS_MAX;
  }
}
