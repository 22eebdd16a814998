/** The status of a hub: what it tells viewers and other hubs of itself, of bounded size. */
import type { Port } from "./learning-switch.ts";
import { macText } from "./mac-table.ts";
import { Rates } from "./status-rates.ts";
import { sumOf, type Totals } from "./status-totals.ts";

/** A request for a status: how many clients it names, and which. */
export interface StatusQuery {
  /** The most clients that are named, 0 to {@link CLIENTS_MAX}. */
  readonly clients: number;
  /** Part of an id, an address or a MAC address, in lower case; empty for all clients. */
  readonly find: string;
}

/** The most clients that a status names. */
export const CLIENTS_MAX = 500;
/** Clients that a status names unless it is asked for others. */
export const CLIENTS_PRESET = 100;
/** The longest text that a status has of a client or another hub. */
export const TEXT_MAX = 64;
/** The most MAC addresses that a status names of one client. */
export const MACS_MAX = 8;
/** The most bytes of a status that goes to another hub: it fits a message of NATS, which has 1 MiB unless set otherwise. */
export const STATUS_BYTES_MAX: number = 256 * 1024;

/** Traffic of the last seconds. "In" is from the clients. */
export interface Traffic {
  readonly inBitsPerSecond: number;
  readonly outBitsPerSecond: number;
  readonly inFramesPerSecond: number;
  readonly outFramesPerSecond: number;
}

/** A client at a hub. */
export interface ClientStatus extends Totals {
  readonly id: string;
  /** The address that it connects from. */
  readonly from: string;
  /** Its address in the LAN, with prefix length. */
  readonly address?: string;
  readonly connectedSeconds: number;
  readonly queuedBytes: number;
  /** Its MAC addresses, the first {@link MACS_MAX}. */
  readonly macs: readonly string[];
  readonly macCount: number;
  /** Absent in the first seconds. */
  readonly traffic?: Traffic;
}

/** Messages that a hub has received from another one over the backbone. */
export interface LinkStatus {
  /** The hub that sent them. */
  readonly from: string;
  readonly messages: number;
  /** Messages that have not arrived, by their sequence numbers. */
  readonly lost: number;
  /** Messages that arrived after a later one. */
  readonly reordered: number;
  /** Part of the messages that were lost in the last seconds, 0 to 1; absent where there were none. */
  readonly recentLoss?: number;
}

/** Connection of a hub to the backbone. */
export interface BackboneStatus {
  readonly connected: boolean;
  /** Frames for other hubs that were dropped, as the NATS server did not keep up. */
  readonly droppedFrames: number;
  /** Messages from the backbone that were dropped, as no hub of this LAN and version could have sent them. */
  readonly refusedMessages: number;
  /** Number of times that a MAC address was held, as it went to and fro. */
  readonly flaps: number;
}

/** Addresses that a hub hands out. */
export interface AddressStatus {
  /** Addresses that somebody has. */
  readonly given: number;
  /** Addresses of the pool. */
  readonly size: number;
  /** True if new ones can be given: not while a hub is cut off from the store of the LAN. */
  readonly available: boolean;
}

/** All that a hub tells of itself. */
export interface HubStatus {
  readonly hub: string;
  readonly uptimeSeconds: number;
  readonly rssBytes: number;
  readonly mtu: number;
  /** MAC addresses of its own clients. */
  readonly macAddresses: number;
  readonly clientCount: number;
  readonly clientsMax: number;
  /** Clients that match the query, named or not. */
  readonly matched: number;
  /** The first clients that match. */
  readonly clients: readonly ClientStatus[];
  readonly totals: Totals;
  /** Bytes that wait for clients that do not keep up. */
  readonly queuedBytes: number;
  /** Absent in the first seconds. */
  readonly traffic?: Traffic;
  /** Absent without a pool. */
  readonly addresses?: AddressStatus;
  /** Absent without a backbone. */
  readonly backbone?: BackboneStatus;
  /** Other hubs whose messages came. */
  readonly links: readonly LinkStatus[];
}

/** A client, as the hub has it. */
export interface ClientSource {
  readonly id: string;
  readonly from: string;
  readonly address: string | undefined;
  /** Milliseconds of the hub's clock. */
  readonly since: number;
  readonly port: Port;
  readonly queuedBytes: number;
}

/** Counters of another hub's messages, as the backbone has them. */
export type LinkSource = Omit<LinkStatus, "recentLoss">;

/** A hub, as its status sees it. */
export interface HubSource {
  readonly hub: string;
  readonly mtu: number;
  readonly clientsMax: number;
  readonly table: { addressesOf(port: Port): readonly number[] };
  /** Counters of clients that have left. */
  departed(): Totals;
  clients(): Iterable<ClientSource>;
  addresses(): AddressStatus | undefined;
  backbone(): BackboneStatus | undefined;
  links(): readonly LinkSource[];
  /** All that this hub alone has to tell, with all of its clients. */
  details(): object;
}

/** Milliseconds between the looks at the counters, which rates are made of. */
export const SAMPLE_MS = 2000;
/** Looks at the links between hubs are rarer: a message a second is enough to see a loss. */
const LINK_SAMPLE_MS = 10_000;

/** Watches a hub, and makes its status. */
export class HubWatch {
  readonly #hub: HubSource;
  readonly #clock: () => number;
  readonly #started: number;
  readonly #clientRates = new Rates<Port>(SAMPLE_MS);
  readonly #hubRates = new Rates<"all">(SAMPLE_MS);
  readonly #linkRates = new Rates<string>(LINK_SAMPLE_MS);

  constructor(hub: HubSource, clock: () => number) {
    this.#hub = hub;
    this.#clock = clock;
    this.#started = clock();
  }

  /** Looks at the counters; to be called each {@link SAMPLE_MS}. */
  sample(): void {
    const now = this.#clock();
    const ports = [...this.#hub.clients()].map(({ port }) => port);
    this.#clientRates.sample(
      now,
      ports.map((port) => [port, trafficOf(port)]),
    );
    this.#hubRates.sample(now, [["all", trafficOf(this.#totals(ports))]]);
    this.#linkRates.sample(
      now,
      this.#hub.links().map(({ from, messages, lost }) => [from, [messages, lost]]),
    );
  }

  /** The status, with the clients that `query` asks for. */
  status(query: StatusQuery): HubStatus {
    const { hub, mtu, clientsMax, table } = this.#hub;
    const all = [...this.#hub.clients()];
    const found = query.find === "" ? all : all.filter((client) => this.#matches(client, query.find));
    const now = this.#clock();
    const clients = found.slice(0, query.clients).map((client) => this.#client(client, query.find, now));
    return {
      hub,
      uptimeSeconds: seconds(now - this.#started),
      rssBytes: process.memoryUsage.rss(),
      mtu,
      macAddresses: all.reduce((sum, { port }) => sum + table.addressesOf(port).length, 0),
      clientCount: all.length,
      clientsMax,
      matched: found.length,
      clients,
      totals: this.#totals(all.map(({ port }) => port)),
      queuedBytes: all.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0),
      ...present("traffic", traffic(this.#hubRates.of("all"))),
      ...present("addresses", this.#hub.addresses()),
      ...present("backbone", this.#hub.backbone()),
      links: this.#hub.links().map((link) => this.#link(link)),
    };
  }

  #totals(ports: readonly Totals[]): Totals {
    return sumOf([this.#hub.departed(), ...ports]);
  }

  #macsOf({ port }: ClientSource): string[] {
    return this.#hub.table.addressesOf(port).map(macText);
  }

  #matches(client: ClientSource, find: string): boolean {
    const { id, address = "" } = client;
    return [id, address, ...this.#macsOf(client)].some((text) => text.toLowerCase().includes(find));
  }

  #client(client: ClientSource, find: string, now: number): ClientStatus {
    const { id, from, address, since, port, queuedBytes } = client;
    const own = this.#macsOf(client);
    // Those that were asked for are among those that are shown.
    const sorted = find === "" ? own : [...own].sort((a, b) => Number(b.includes(find)) - Number(a.includes(find)));
    return {
      id: clip(id),
      from: clip(from),
      ...present("address", address === undefined ? undefined : clip(address)),
      connectedSeconds: seconds(now - since),
      ...sumOf([port]),
      queuedBytes,
      macs: sorted.slice(0, MACS_MAX),
      macCount: own.length,
      ...present("traffic", traffic(this.#clientRates.of(port))),
    };
  }

  #link(link: LinkSource): LinkStatus {
    const [messages = 0, lost = 0] = this.#linkRates.of(link.from) ?? [];
    return { ...link, ...present("recentLoss", messages + lost > 0 ? lost / (messages + lost) : undefined) };
  }
}

/** A status as the text that goes to another hub: with fewer clients, where all of them would be too long. */
export function encodeStatus(status: HubStatus): string {
  let { clients } = status;
  for (;;) {
    const text = JSON.stringify({ ...status, clients });
    if (Buffer.byteLength(text) <= STATUS_BYTES_MAX || clients.length === 0) return text;
    clients = clients.slice(0, clients.length >> 1);
  }
}

/** Text of a client or another hub as a status has it: short, and without control characters. */
export function clip(text: string): string {
  return text.slice(0, TEXT_MAX).replace(/\p{C}/gu, "?");
}

/** A member of an object, or none where there is no value. */
export function present<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { readonly [Key in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value };
}

function trafficOf({ bytesIn, bytesOut, framesIn, framesOut }: Totals): number[] {
  return [bytesIn, bytesOut, framesIn, framesOut];
}

function traffic(rates: readonly number[] | undefined): Traffic | undefined {
  if (rates === undefined) return undefined;
  const [bytesIn = 0, bytesOut = 0, framesIn = 0, framesOut = 0] = rates.map(Math.round);
  return {
    inBitsPerSecond: bytesIn * 8,
    outBitsPerSecond: bytesOut * 8,
    inFramesPerSecond: framesIn,
    outFramesPerSecond: framesOut,
  };
}

function seconds(milliseconds: number): number {
  return Math.round(milliseconds / 1000);
}
