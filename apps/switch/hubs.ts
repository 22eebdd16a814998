/** The hubs of a LAN as a client finds them: a URL each, or one name with several addresses. */
import { lookup as resolve } from "node:dns/promises";
import { isIP } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A place to connect to. */
export interface HubAddress {
  /** With an IP address, or with a name that could not be resolved. */
  readonly url: string;
  /** The name and port that the user gave, for the Host header; absent where `url` has them. */
  readonly host?: string;
  /** The name that the hub's certificate must have. */
  readonly serverName?: string;
}

/** Returns all addresses of a name. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** The most addresses that are tried, of all names together. */
const ADDRESSES_MAX = 64;
/** Milliseconds to wait for the addresses of a name: then the name itself is tried, and others are not held up. */
const LOOKUP_MS = 1000;
/** Milliseconds to wait for a name whose addresses were found earlier: those are tried instead. */
const LOOKUP_AGAIN_MS = 250;

const system: Lookup = async (name) => (await resolve(name, { all: true })).map(({ address }) => address);

/** Finds the addresses of hubs again and again: names may have others each time. */
export class Hubs {
  readonly #urls: readonly string[];
  readonly #lookup: Lookup;
  readonly #known = new Map<string, readonly HubAddress[]>();

  constructor(urls: readonly string[], lookup: Lookup = system) {
    this.#urls = urls;
    this.#lookup = lookup;
  }

  /**
   * Resolves to all addresses, each once, in random order: clients spread over hubs.
   *
   * @param last Address to be tried after all others
   */
  async addresses(last?: string): Promise<HubAddress[]> {
    const found = (await Promise.all(this.#urls.map((url) => this.#addressesOf(url)))).flat();
    const each = [...new Map(found.map((hub) => [hub.url, hub])).values()];
    const ranked = each.map((hub) => ({ hub, rank: hub.url === last ? 1 : Math.random() }));
    return ranked
      .sort((a, b) => a.rank - b.rank)
      .map(({ hub }) => hub)
      .slice(0, ADDRESSES_MAX);
  }

  /** Resolves to those found earlier if the name cannot be resolved now; to the name itself if there are none. */
  async #addressesOf(url: string): Promise<readonly HubAddress[]> {
    const { hostname } = new URL(url);
    if (isIP(hostname.replace(/^\[|\]$/g, "")) !== 0) return [{ url }];
    const waitMs = this.#known.has(url) ? LOOKUP_AGAIN_MS : LOOKUP_MS;
    const done = new AbortController();
    // An answer that comes too late is for the next time.
    const found = this.#lookup(hostname).then((all) => this.#note(url, all));
    const waited = sleep(waitMs, undefined, { signal: done.signal });
    await Promise.race([found, waited]).catch(() => {});
    done.abort();
    for (const promise of [found, waited]) promise.catch(() => {});
    return this.#known.get(url) ?? [{ url }];
  }

  #note(url: string, addresses: readonly string[]): void {
    if (addresses.length > 0)
      this.#known.set(
        url,
        addresses.map((address) => addressed(url, address)),
      );
  }
}

/** Puts an address in the place of a URL's name. */
function addressed(text: string, address: string): HubAddress {
  const url = new URL(text);
  const { host, hostname } = url;
  url.hostname = address.includes(":") ? `[${address}]` : address;
  return { url: url.origin, host, serverName: hostname };
}
