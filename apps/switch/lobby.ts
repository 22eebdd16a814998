/** Clients that look at the state of a hub before they join: so they try several hubs at once, and join one. */
import { Close, type HubState } from "./protocol.ts";

/** A connection that can be spoken to and closed. */
interface Visitor {
  send(text: string): unknown;
  close(code: number, reason: string): void;
}

/** Limits of {@link Lobby}. */
export interface LobbyLimits {
  /** Milliseconds within which a client has to join. */
  readonly stayMs: number;
  /** The most clients that look at a time. */
  readonly max: number;
  /** The most clients of one machine that look at a time: they do not keep those of others out. */
  readonly perHostMax: number;
}

/** Defaults; one machine may have as many as it may have ports. */
const LIMITS = { stayMs: 5000, max: 1024 };

/** Keeps the connections that have not joined yet. */
export class Lobby<V extends Visitor> {
  readonly #visitors = new Map<V, { readonly host: string; readonly late: Timer }>();
  readonly #limits: LobbyLimits;

  constructor(limits: Pick<LobbyLimits, "perHostMax"> & Partial<LobbyLimits>) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * Tells a client the state of the hub, and waits for its word.
   *
   * @param host The machine that it comes from
   */
  enter(visitor: V, host: string, state: HubState): void {
    const { stayMs, max, perHostMax } = this.#limits;
    if (this.#visitors.size >= max || this.#countOf(host) >= perHostMax) {
      visitor.close(Close.FULL, "too many clients look at this hub");
      return;
    }
    const late = setTimeout(() => visitor.close(Close.TOO_LATE, "no word of joining"), stayMs);
    this.#visitors.set(visitor, { host, late });
    visitor.send(JSON.stringify(state));
  }

  #countOf(host: string): number {
    let count = 0;
    for (const visitor of this.#visitors.values()) if (visitor.host === host) count++;
    return count;
  }

  /** Takes a client out. Returns false if it was not there. */
  leave(visitor: V): boolean {
    clearTimeout(this.#visitors.get(visitor)?.late);
    return this.#visitors.delete(visitor);
  }
}
