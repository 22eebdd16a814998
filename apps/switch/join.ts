/** The client: connects to one of the hubs, again and again, and joins it to the interface. */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, ConnectionError, type ConnectionOptions, type Ending } from "./connection.ts";
import { type HubAddress, Hubs } from "./hubs.ts";
import { LanInterface } from "./lan-interface.ts";
import { type Failure, type Outcome, race } from "./race.ts";

/** Options of {@link join}. */
export interface JoinOptions extends Omit<ConnectionOptions, "wish" | "timeoutMs"> {
  /** URLs of the hubs, "ws://192.0.2.1:7000"; a name stands for all of its addresses. */
  readonly urls: readonly string[];
  /** The interface's name. */
  readonly name: string;
  readonly mac: string;
  /** Seconds without a sign of life, after which a connection counts as lost; default 30, with several hubs 1.2. */
  readonly timeout: number | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 10_000;
/** The wait before a client goes to another hub: not all clients of a hub that is gone come at the same moment. */
const SPREAD_MS = 50;
/** A client that is in the LAN for less comes back with growing pauses, as one that is not let in. */
const STABLE_MS = 5000;
/** Head start of one hub before the next is tried. RFC 8305 section 5 has 250 ms for hosts that are near. */
const HEAD_START_MS = 300;
const TIMEOUT_ALONE_MS = 30_000;
/** TCP sends again 0.2, 0.6, 1.4 and 3 s after a loss (RFC 6298 section 5.5): the third time finds the client at another hub. */
const TIMEOUT_SEVERAL_MS = 1200;
/** Milliseconds for which the interface keeps its carrier without a hub, where there are others to go to. */
const CARRIER_KEPT_MS = 3000;
/** The most reasons of hubs that one line of the log has. */
const REASONS_MAX = 3;

/** An ending, with the connection to go on with if there is one. */
interface Stay extends Ending {
  readonly next?: Connection | undefined;
}

/** Stays in the LAN until `signal` is aborted. @returns the exit code */
export async function join(options: JoinOptions): Promise<number> {
  const { log, signal } = options;
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  using lan = new LanInterface({ ...options, gone: (why) => failed.abort(why) });
  const advice = await new Client(options, lan, stop).run();
  if (failed.signal.aborted) log(String(failed.signal.reason));
  else if (advice !== undefined) log(advice);
  return failed.signal.aborted || advice !== undefined ? 1 : 0;
}

class Client {
  readonly #options: JoinOptions;
  readonly #lan: LanInterface;
  readonly #stop: AbortSignal;
  readonly #hubs: Hubs;
  /** Addresses that are there in this round. */
  #addresses: readonly HubAddress[] = [];
  /** Hubs that did not let the client in, since the last pause. */
  readonly #refusedBy = new Set<string>();
  /** The hub that the client was at last. */
  #last: string | undefined;
  #backoffMs = BACKOFF_FIRST_MS;

  constructor(options: JoinOptions, lan: LanInterface, stop: AbortSignal) {
    this.#options = options;
    this.#lan = lan;
    this.#stop = stop;
    this.#hubs = new Hubs(options.urls);
  }

  /** Connects again and again. Resolves when it is stopped, or to advice where another attempt makes no sense. */
  async run(): Promise<string | undefined> {
    let next: Connection | undefined;
    while (!this.#stop.aborted) {
      const connection: Connection | Ending = next ?? (await this.#connect());
      const ending: Stay = connection instanceof Connection ? await this.#stay(connection) : connection;
      next = ending.next;
      if (this.#stop.aborted) break;
      if (ending.advice !== undefined) return `${ending.why}: ${ending.advice}`;
      if (next !== undefined) continue;
      if (connection instanceof Connection && this.#goesOn(ending)) await this.#turn(ending.why);
      else await this.#backOff(ending.why);
    }
    next?.end();
    return undefined;
  }

  get #several(): boolean {
    return this.#addresses.length > 1;
  }

  get #timeoutMs(): number {
    const { timeout } = this.#options;
    return timeout !== undefined ? timeout * 1000 : this.#several ? TIMEOUT_SEVERAL_MS : TIMEOUT_ALONE_MS;
  }

  /** Connects to the first hub that answers; to one that is cut off from the others only if there is no other. */
  async #connect(): Promise<Connection | Ending> {
    this.#addresses = await this.#hubs.addresses(this.#last);
    const hubs = this.#addresses.filter(({ url }) => !this.#refusedBy.has(url));
    const isolated: HubAddress[] = [];
    const { won, failures } = await this.#race(hubs, (hub) => isolated.push(hub));
    if (won !== undefined) return won;
    if (isolated.length === 0 || this.#stop.aborted) return endingOf(failures);
    const second = await this.#race(isolated);
    return second.won ?? endingOf(second.failures);
  }

  /** @param isolated Called for each hub that is cut off from the others, which counts as a failure then */
  async #race(
    hubs: readonly HubAddress[],
    isolated?: (hub: HubAddress) => void,
    signal: AbortSignal = this.#stop,
  ): Promise<Outcome<Connection>> {
    const wish = this.#lan.leased;
    const open = async (hub: HubAddress, signal: AbortSignal): Promise<Connection> => {
      const connection = await Connection.open(hub, { ...this.#options, wish, timeoutMs: this.#timeoutMs }, signal);
      if (!connection.isolated || isolated === undefined) return connection;
      isolated(hub);
      connection.end();
      throw new ConnectionError("The switch is cut off from the others of its LAN");
    };
    const attempts = hubs.map((hub) => (signal: AbortSignal) => open(hub, signal));
    return await race(attempts, HEAD_START_MS, signal, (late) => late.end());
  }

  /** Joins the LAN at a hub, and stays there. Resolves to how it ended, with the hub to go to if one is found already. */
  async #stay(connection: Connection): Promise<Stay> {
    const uplink = (message: Uint8Array<ArrayBuffer>): boolean => connection.send(message);
    const { url } = connection.hub;
    const over = new AbortController();
    let next: Connection | undefined;
    let leaving = false;
    const leave = async (): Promise<void> => {
      if (leaving || !this.#several) return;
      leaving = true;
      next = await this.#better(connection, AbortSignal.any([over.signal, this.#stop]));
      leaving = false;
      if (over.signal.aborted) next?.end();
      else if (next !== undefined) connection.end();
    };
    const stop = (): void => connection.end();
    this.#stop.addEventListener("abort", stop);
    if (this.#stop.aborted) stop();
    try {
      const ending = await connection.enter({
        welcome: (welcome) => {
          this.#lan.plugIn(welcome, uplink);
          if (this.#several) this.#options.log(`at ${url}`);
          if (connection.isolated) void leave();
        },
        deliver: (message) => this.#lan.deliver(message),
        isolated: (isolated) => isolated && void leave(),
      });
      this.#note(connection, ending);
      return { ...ending, next };
    } finally {
      over.abort();
      this.#stop.removeEventListener("abort", stop);
      this.#lan.unplug(this.#several ? CARRIER_KEPT_MS : 0);
    }
  }

  #note({ hub }: Connection, { stayedMs }: Ending): void {
    if (stayedMs === undefined) this.#refusedBy.add(hub.url);
    else {
      this.#last = hub.url;
      this.#refusedBy.clear();
      if (stayedMs > STABLE_MS) this.#backoffMs = BACKOFF_FIRST_MS;
    }
  }

  /** Looks for a hub that is not cut off, for as long as this one is. Resolves to undefined if there was no need. */
  async #better(now: Connection, signal: AbortSignal): Promise<Connection | undefined> {
    for (let pauseMs = BACKOFF_FIRST_MS; now.isolated && !signal.aborted; ) {
      const others = (await this.#hubs.addresses()).filter(({ url }) => url !== now.hub.url);
      const { won } = await this.#race(others, () => {}, signal);
      if (won !== undefined && now.isolated && !signal.aborted) return won;
      won?.end();
      await sleep(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MAX_MS);
    }
    return undefined;
  }

  /** Tells whether to try another hub at once: this one did not let the client in, or has gone after a while. */
  #goesOn({ stayedMs }: Ending): boolean {
    const hasOthers = this.#addresses.some(({ url }) => !this.#refusedBy.has(url));
    return this.#several && hasOthers && (stayedMs === undefined || stayedMs > STABLE_MS);
  }

  async #turn(why: string): Promise<void> {
    this.#options.log(`${why}; going to another hub`);
    await this.#sleep(Math.random() * SPREAD_MS);
  }

  async #backOff(why: string): Promise<void> {
    this.#refusedBy.clear();
    // Not all at the same moment, when a switch comes back.
    const waitMs = Math.round(this.#backoffMs * (0.5 + Math.random() / 2));
    this.#options.log(`${why}; trying again in ${waitMs} ms`);
    await this.#sleep(waitMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop }).catch(() => {});
  }
}

/** Sums up why no hub could be reached. There is advice if all of them give it: another one may let the client in. */
function endingOf(failures: readonly Failure[]): Ending {
  const errors = failures.map(({ reason }) => {
    if (reason instanceof ConnectionError) return reason;
    throw reason;
  });
  const reasons = [...new Set(errors.map(({ message }) => message))];
  const more = reasons.length > REASONS_MAX ? ` and ${reasons.length - REASONS_MAX} more` : "";
  const why = reasons.slice(0, REASONS_MAX).join("; ") + more;
  const isFinal = errors.length > 0 && errors.every(({ advice }) => advice !== undefined);
  return { why, advice: isFinal ? errors[0]?.advice : undefined, stayedMs: undefined };
}
