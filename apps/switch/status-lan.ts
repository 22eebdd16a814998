/** The status of the whole LAN: this hub's own, and what the others answer. */
import { CLIENTS_MAX, CLIENTS_PRESET, clip, type HubStatus, type StatusQuery } from "./status.ts";
import { readHubStatus } from "./status-check.ts";

/** A hub that did not answer in time, or not with a status. */
export interface SilentHub {
  readonly hub: string;
  readonly answered: false;
}

/** A hub as the status of the LAN has it. */
export type LanHub = (HubStatus & { readonly answered: true }) | SilentHub;

/** The status of the LAN. */
export interface LanStatus {
  /** The name of the LAN; absent without a backbone. */
  readonly lan?: string;
  /** The hub that tells. */
  readonly hub: string;
  /** All hubs that are known, in the order of their names; {@link HUBS_MAX} at most. */
  readonly hubs: readonly LanHub[];
  readonly hubCount: number;
  /** Clients of the hubs that have answered; so are the numbers below. */
  readonly clientCount: number;
  /** Clients that match the query; those that are named are in `hubs`. */
  readonly matched: number;
  readonly macAddresses: number;
}

/** Other hubs, by the backbone. */
export interface OtherHubs {
  readonly lan: string;
  /** Names of the hubs that are there. */
  names(): readonly string[];
  /** Asks some of them, and resolves to the texts that have come when all have answered, or the time is up. */
  ask(query: string, hubs: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

/** The most hubs in a status. */
export const HUBS_MAX = 64;
/** An answer is given again for so long: many that look cost the LAN no more than one. */
const FRESH_MS = 1000;
/** Different queries at a time; more wait for their turn at the next request. */
const QUERIES_MAX = 16;

/** Too many different queries at a time. */
export class BusyError extends Error {}

/** Puts the status of the LAN together. */
export class LanWatch {
  readonly #own: (query: StatusQuery) => HubStatus;
  readonly #others: OtherHubs | undefined;
  readonly #clock: () => number;
  readonly #answers = new Map<string, { readonly until: number; readonly status: Promise<LanStatus> }>();

  constructor(own: (query: StatusQuery) => HubStatus, others: OtherHubs | undefined, clock: () => number) {
    this.#own = own;
    this.#others = others;
    this.#clock = clock;
  }

  /** Returns the status of the LAN, at most a second old. @throws {BusyError} if too many ask for different things */
  status(query: StatusQuery): Promise<LanStatus> {
    const [key, now] = [JSON.stringify(query), this.#clock()];
    for (const [known, { until }] of this.#answers) if (now >= until) this.#answers.delete(known);
    const known = this.#answers.get(key);
    if (known !== undefined) return known.status;
    if (this.#answers.size >= QUERIES_MAX) return Promise.reject(new BusyError("Too many ask for different things"));
    const status = this.#gather(query, key);
    this.#answers.set(key, { until: now + FRESH_MS, status });
    return status;
  }

  async #gather(query: StatusQuery, text: string): Promise<LanStatus> {
    const others = this.#others;
    if (others === undefined) return lanStatus(undefined, this.#own(query), [], query, 1);
    const names = others.names().toSorted();
    const asked = names.slice(0, HUBS_MAX - 1);
    const answers = await others.ask(text, asked);
    const own = this.#own(query);
    const hubs = asked.map((hub): LanHub => {
      const status = readHubStatus(answers.get(hub) ?? "", hub);
      return status === null ? { hub: clip(hub), answered: false } : { ...status, answered: true };
    });
    return lanStatus(others.lan, own, hubs, query, names.length + 1);
  }
}

function lanStatus(
  lan: string | undefined,
  own: HubStatus,
  others: readonly LanHub[],
  query: StatusQuery,
  hubCount: number,
): LanStatus {
  const all: LanHub[] = [{ ...own, answered: true }, ...others];
  const answered = all.filter((hub) => hub.answered);
  const shown = share(all, query.clients);
  const sum = (of: (hub: HubStatus) => number): number => answered.reduce((sum, hub) => sum + of(hub), 0);
  return {
    ...(lan !== undefined && { lan }),
    hub: own.hub,
    hubs: shown.sort((a, b) => (a.hub < b.hub ? -1 : 1)),
    hubCount,
    clientCount: sum((hub) => hub.clientCount),
    matched: sum((hub) => hub.matched),
    macAddresses: sum((hub) => hub.macAddresses),
  };
}

/** Cuts the lists of clients so that there are `max` together, and no hub's many push out another's few. */
function share(hubs: readonly LanHub[], max: number): LanHub[] {
  const length = (hub: LanHub): number => (hub.answered ? hub.clients.length : 0);
  let left = max;
  return [...hubs]
    .sort((a, b) => length(a) - length(b))
    .map((hub, i) => {
      if (!hub.answered) return hub;
      const clients = hub.clients.slice(0, Math.floor(left / (hubs.length - i)));
      left -= clients.length;
      return { ...hub, clients };
    });
}

/** Reads a query of a viewer. @throws {RangeError} If it is none */
export function parseStatusQuery(params: URLSearchParams): StatusQuery {
  const [clients, find] = [params.get("clients") ?? String(CLIENTS_PRESET), params.get("find") ?? ""];
  if (/^\d{1,3}$/.test(clients) && Number(clients) <= CLIENTS_MAX && find.length <= FIND_MAX)
    return { clients: Number(clients), find: find.toLowerCase() };
  throw new RangeError(`clients is 0 to ${CLIENTS_MAX}, find has at most ${FIND_MAX} characters`);
}

/** The longest text to find. */
const FIND_MAX = 64;

/** Reads a query of another hub; null if it is none. */
export function readStatusQuery(text: string): StatusQuery | null {
  try {
    const { clients, find } = Object(JSON.parse(text));
    if (typeof find !== "string") return null;
    return parseStatusQuery(new URLSearchParams({ clients: String(clients), find }));
  } catch {
    return null;
  }
}
