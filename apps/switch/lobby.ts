/** Clients that look at the state of a hub before they join: so they try several hubs at once, and join one. */
import { Close, type HubState } from "./protocol.ts";

/** A connection that can be spoken to and closed. */
interface Visitor {
  send(text: string): unknown;
  close(code: number, reason: string): void;
}

const STAY_MS = 5000;
/** The most clients that look at a time. */
const VISITORS_MAX = 1024;

/** Keeps the connections that have not joined yet. */
export class Lobby<V extends Visitor> {
  readonly #visitors = new Map<V, Timer>();
  readonly #stayMs: number;

  /** @param stayMs Milliseconds within which a client has to join */
  constructor(stayMs: number = STAY_MS) {
    this.#stayMs = stayMs;
  }

  /** Tells a client the state of the hub, and waits for its word. */
  enter(visitor: V, state: HubState): void {
    if (this.#visitors.size >= VISITORS_MAX) {
      visitor.close(Close.FULL, "too many clients look at this hub");
      return;
    }
    const late = setTimeout(() => visitor.close(Close.TOO_LATE, "no word of joining"), this.#stayMs);
    this.#visitors.set(visitor, late);
    visitor.send(JSON.stringify(state));
  }

  /** Takes a client out. Returns false if it was not there. */
  leave(visitor: V): boolean {
    clearTimeout(this.#visitors.get(visitor));
    return this.#visitors.delete(visitor);
  }
}
