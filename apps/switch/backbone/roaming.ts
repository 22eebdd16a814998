/**
 * Clients that go from one hub to another: each hub tells the others who has joined, so that one that still has an older
 * connection of that client ends it. A hub takes seconds to notice by itself that a client is gone.
 */
import { ID_PATTERN } from "../protocol.ts";
import { Kind } from "./envelope.ts";
import type { Link } from "./link.ts";

/** A connection of a client. */
export interface Presence {
  readonly id: string;
  /** Process of the client; empty if it does not say. */
  readonly run: string;
  /** Number of the connection, of all that the process has made. */
  readonly sequence: number;
  /** Time since it joined. */
  readonly ageMs: number;
}

/** Body of the message. */
interface Joined {
  readonly clients: readonly Presence[];
  readonly isAnswer: boolean;
}

/** Clients of this hub. */
export interface Residents {
  /** Returns a client's connection to this hub. */
  find(id: string): Presence | undefined;
  all(): Iterable<Presence>;
  /** Ends a client's connection to this hub. `isSame`: it is the same process that has joined elsewhere. */
  evict(id: string, isSame: boolean): void;
}

/** Clients in one message. */
const BATCH = 256;
/** Connections whose ages differ by less began at one time, as messages are under way for a while. */
const SAME_AGE_MS = 2000;

const NOBODY: Residents = { find: () => undefined, all: () => [], evict: () => {} };

/** Tells the other hubs who has joined, and hears it from them. */
export class Roaming {
  residents: Residents = NOBODY;
  readonly #link: Link;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Tells that a client has joined here. */
  joined(presence: Presence): void {
    this.#tell([presence], false);
  }

  /** Tells of all clients that are here. */
  tellAll(): void {
    const all = [...this.residents.all()];
    for (let at = 0; at < all.length; at += BATCH) this.#tell(all.slice(at, at + BATCH), false);
  }

  /** @param isAnswer Others do not answer to an answer, or two hubs that disagree would never end */
  #tell(clients: readonly Presence[], isAnswer: boolean): void {
    if (clients.length === 0) return;
    const body = Buffer.from(JSON.stringify({ clients, isAnswer } satisfies Joined));
    this.#link.publish(this.#link.subjects.macs, Kind.JOINED, [body]);
  }

  /** Hears who has joined at another hub. @returns false if the message is broken */
  take(body: Buffer): boolean {
    const message = parseJoined(body);
    if (message === null) return false;
    const newer: Presence[] = [];
    for (const there of message.clients) {
      const here = this.residents.find(there.id);
      if (here === undefined) continue;
      if (isNewer(there, here)) this.residents.evict(there.id, there.run === here.run);
      // The other hub does not know that its client has come here.
      else newer.push(here);
    }
    if (!message.isAnswer) this.#tell(newer, true);
    return true;
  }
}

/** Tells whether a connection began after another one. Both hubs come to the same answer. */
export function isNewer(there: Presence, here: Presence): boolean {
  if (there.run === here.run && there.sequence !== here.sequence) return there.sequence > here.sequence;
  const older = here.ageMs - there.ageMs;
  return Math.abs(older) >= SAME_AGE_MS || there.run === here.run ? older > 0 : there.run > here.run;
}

function parseJoined(body: Buffer): Joined | null {
  try {
    const { clients, isAnswer } = Object(JSON.parse(body.toString())) as Record<string, unknown>;
    const isGood = Array.isArray(clients) && clients.length <= BATCH && clients.every(isPresence);
    return isGood && typeof isAnswer === "boolean" ? { clients, isAnswer } : null;
  } catch {
    return null;
  }
}

function isPresence(value: unknown): value is Presence {
  const { id, run, sequence, ageMs } = Object(value) as Record<string, unknown>;
  const isText = typeof id === "string" && ID_PATTERN.test(id) && typeof run === "string";
  return isText && Number.isSafeInteger(sequence) && typeof ageMs === "number" && ageMs >= 0;
}
