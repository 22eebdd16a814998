/** The clients at the switch. */
import type { AddressBook } from "./addresses/book.ts";
import type { Presence } from "./backbone/roaming.ts";
import { HostLog } from "./host-log.ts";
import { LearningSwitch, Port } from "./learning-switch.ts";
import { Leases } from "./leases.ts";
import { Lobby } from "./lobby.ts";
import { macText } from "./mac-table.ts";
import { Close, type Hello, type HubState, JOIN_MESSAGE, type Welcome } from "./protocol.ts";
import type { AddressStatus, ClientSource } from "./status.ts";
import { NO_TOTALS, sumOf, type Totals } from "./status-totals.ts";

/** Options of {@link Members}. */
export interface MembersOptions {
  readonly mtu: number;
  readonly ageMs: number;
  readonly portsMax: number;
  /** Clients, and addresses of the pool, that one machine may have. */
  readonly perHostMax: number;
  readonly perPortMax: number;
  /** The most bytes that wait for a client that does not keep up. */
  readonly queueMax: number;
  readonly pool: string | undefined;
  readonly leaseMs: number;
  /** Writes a line for each client that joins or leaves; of one machine no more than some a minute. */
  readonly log: (line: string) => void;
}

/** A connection. It has a port from when it is let in until another takes its place. */
export interface Connection {
  readonly hello: Hello;
  readonly from: string;
  /** The machine that it comes from. */
  readonly host: string;
  readonly since: number;
  address: string | undefined;
  /** True if it has no address because none could be given when it came. */
  lacksAddress: boolean;
  port: Port | undefined;
}

type Socket = Bun.ServerWebSocket<Connection>;

/** A client's address, if there is one; or close code and reason. */
interface Answer {
  readonly address?: string | undefined;
  readonly refused?: readonly [number, string];
}

const TWICE = "another connection with this id";

/** Keeps a port and an address for each client that is connected. */
export class Members {
  readonly lan: LearningSwitch;
  /** Called when a client has come or gone. */
  changed: () => void = () => {};
  /** Called when a client has joined. */
  joined: (presence: Presence) => void = () => {};
  /** Addresses that are handed out; undefined without a pool. */
  book: AddressBook | undefined;
  /** The LAN beyond this hub; undefined if there is none. */
  backbone: { readonly isIsolated: boolean; summary(): unknown } | undefined;
  /** Counters of the clients that have left. */
  departed: Totals = NO_TOTALS;
  readonly #options: MembersOptions;
  readonly #sockets = new Map<string, Socket>();
  readonly #lobby: Lobby<Socket>;
  /** Clients that wait for an address. */
  readonly #waiting = new Map<string, Socket>();
  readonly #started = performance.now();
  readonly #log: HostLog;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#lobby = new Lobby({ perHostMax: options.perHostMax });
    const { pool, leaseMs: keepMs, perHostMax: perOwnerMax } = options;
    this.book = pool === undefined ? undefined : new Leases(pool, { keepMs, perOwnerMax });
    const clock = (): number => performance.now();
    this.lan = new LearningSwitch({ ...options, clock });
    // Claims and reasons are words of a client: control characters are replaced.
    this.#log = new HostLog((line) => options.log(line.replace(/[^ -~]/g, "?")), clock);
  }

  /** Forgets what has not been seen for long; to be called now and then. */
  sweep(): void {
    this.lan.sweep();
    this.#log.sweep();
  }

  /** Takes a new connection. */
  open(socket: Socket): void {
    const { hello, host } = socket.data;
    if (hello.hold) this.#lobby.enter(socket, host, { isolated: this.backbone?.isIsolated ?? false });
    else this.#join(socket);
  }

  /** Lets a client in, as soon as it has an address: a hub of several asks a store for it. */
  #join(socket: Socket): void {
    const { hello } = socket.data;
    const code = (other: Socket): number => (other.data.hello.run === hello.run ? Close.SUPERSEDED : Close.REPLACED);
    const before = this.#sockets.get(hello.id);
    if (before !== undefined) this.#evict(before, code(before), TWICE);
    const waiting = this.#waiting.get(hello.id);
    this.#waiting.delete(hello.id);
    waiting?.close(code(waiting), TWICE);
    const full = this.#fullFor(socket.data);
    if (full !== undefined) {
      socket.close(Close.FULL, full);
      return;
    }
    const answer = this.#askForAddress(socket.data);
    if (!(answer instanceof Promise)) {
      this.#admit(socket, answer);
      return;
    }
    this.#waiting.set(hello.id, socket);
    void answer
      .catch((): Answer => ({ refused: [Close.UNAVAILABLE, "no answer"] }))
      .then((found) => {
        if (this.#waiting.get(hello.id) === socket) this.#admit(socket, found);
        // It has left meanwhile. One that has come in its place, or has been let in already, goes on with the address.
        else if (!this.#waiting.has(hello.id) && !this.#sockets.has(hello.id)) this.#release(hello.id);
      });
  }

  #askForAddress({ hello, host: owner }: Connection): Answer | Promise<Answer> {
    const { book } = this;
    const { id, run, sequence, claim, wish } = hello;
    const applicant = { id, run, sequence, owner, now: performance.now() };
    if (claim === undefined) {
      const lease = book?.lease(applicant, wish);
      return lease instanceof Promise ? lease.then((address) => ({ address })) : { address: lease };
    }
    const refused = (): Answer =>
      book?.trouble === undefined
        ? { refused: [Close.ADDRESS_TAKEN, `${claim} is another client's`] }
        : { refused: [Close.UNAVAILABLE, `${claim} cannot be booked now: ${book.trouble}`] };
    const isBooked = book?.claim(applicant, claim) ?? true;
    const answer = (booked: boolean): Answer => (booked ? { address: claim } : refused());
    return isBooked instanceof Promise ? isBooked.then(answer) : answer(isBooked);
  }

  /** Gives a client a port, or tells it why not. */
  #admit(socket: Socket, { address, refused }: Answer): void {
    const { hello, from, host } = socket.data;
    this.#waiting.delete(hello.id);
    if (refused !== undefined) {
      socket.close(...refused);
      return;
    }
    socket.data.address = address;
    socket.data.lacksAddress = address === undefined && this.book?.trouble !== undefined;
    socket.data.port = new Port((message) => this.#send(socket, message));
    this.#sockets.set(hello.id, socket);
    this.lan.attach(socket.data.port);
    this.changed();
    this.joined(presenceOf(socket.data));
    socket.send(JSON.stringify(this.#welcome(hello, address)));
    this.#log.log(host, `join  ${hello.id} from ${from}, ${address ?? "no address"}; ${this.#sockets.size} here`);
  }

  #welcome({ claim }: Hello, address: string | undefined): Welcome {
    const { mtu } = this.#options;
    if (claim !== undefined || this.book === undefined) return { mtu };
    if (address !== undefined) return { mtu, address };
    return { mtu, noAddress: this.book.trouble ?? "all that there are, or that one machine may have, are taken" };
  }

  /** The reason why there is no port for a client, or undefined if there is one. */
  #fullFor({ host }: Connection): string | undefined {
    const { portsMax, perHostMax } = this.#options;
    const all = [...this.#sockets.values(), ...this.#waiting.values()];
    if (all.length >= portsMax) return `all ${portsMax} ports are in use`;
    const own = all.filter(({ data }) => data.host === host).length;
    return own < perHostMax ? undefined : `all ${perHostMax} ports that one machine may have are in use`;
  }

  receive(socket: Socket, message: string | Uint8Array): void {
    const { port } = socket.data;
    if (this.#lobby.leave(socket)) {
      if (message === JOIN_MESSAGE) this.#join(socket);
      else socket.close(Close.UNSUPPORTED_DATA, `wanted "${JOIN_MESSAGE}"`);
      return;
    }
    if (port === undefined) return;
    if (typeof message === "string") this.#evict(socket, Close.UNSUPPORTED_DATA, "text, where frames were expected");
    else if (!this.lan.receive(port, message)) this.#evict(socket, Close.INVALID_DATA, "a message of broken frames");
  }

  leave(socket: Socket, why: string): void {
    const { data } = socket;
    this.#lobby.leave(socket);
    if (this.#waiting.get(data.hello.id) === socket) this.#waiting.delete(data.hello.id);
    if (data.port === undefined) return;
    this.lan.detach(data.port);
    this.changed();
    this.departed = sumOf([this.departed, data.port]);
    data.port = undefined;
    this.#sockets.delete(data.hello.id);
    this.#release(data.hello.id);
    const seconds = secondsSince(data.since);
    this.#log.log(data.host, `leave ${data.hello.id} after ${seconds} s: ${why}; ${this.#sockets.size} here`);
  }

  #release(id: string): void {
    this.book?.release(id, performance.now());
  }

  /** Ends a client's connection, because of what happened at another hub. */
  evict(id: string, code: number, why: string): void {
    const socket = this.#sockets.get(id);
    if (socket !== undefined) this.#evict(socket, code, why);
  }

  /** Has the clients come again that could not be given an address. */
  recall(): void {
    for (const socket of [...this.#sockets.values()])
      if (socket.data.lacksAddress) this.#evict(socket, Close.UNAVAILABLE, "addresses can be given again");
  }

  /** Tells all clients whether this hub is cut off from the others: those that know other hubs go there. */
  tellState(state: HubState): void {
    const text = JSON.stringify(state);
    for (const socket of this.#sockets.values()) socket.send(text);
  }

  /** Returns a client's connection. */
  find(id: string): Presence | undefined {
    const socket = this.#sockets.get(id);
    return socket && presenceOf(socket.data);
  }

  /** All connections. */
  all(): Presence[] {
    return [...this.#sockets.values()].map(({ data }) => presenceOf(data));
  }

  /** The clients that have a port. */
  *clients(): Iterable<ClientSource> {
    for (const socket of this.#sockets.values()) {
      const { hello, from, address, since, port } = socket.data;
      if (port === undefined) continue;
      yield { id: hello.id, from, address, since, port, queuedBytes: socket.getBufferedAmount() };
    }
  }

  /** Addresses that this hub hands out; undefined without a pool. */
  addresses(): AddressStatus | undefined {
    return this.book?.status();
  }

  /** All that there is to tell, with all clients. */
  details(): object {
    return {
      uptimeSeconds: secondsSince(this.#started),
      rssBytes: process.memoryUsage.rss(),
      mtu: this.#options.mtu,
      macAddresses: this.lan.table.size,
      ...(this.book?.details && { addresses: this.book.details() }),
      ...(this.backbone && { backbone: this.backbone.summary() }),
      ports: [...this.#sockets.values()].map((socket) => this.#portStatus(socket)),
    };
  }

  #portStatus(socket: Socket): unknown {
    const { hello, from, since, address, port } = socket.data;
    return {
      id: hello.id,
      from,
      address,
      connectedSeconds: secondsSince(since),
      ...port,
      queuedBytes: socket.getBufferedAmount(),
      macs: port === undefined ? [] : this.lan.table.addressesOf(port).map(macText),
    };
  }

  /** Takes the port of a client away at once: a stalled client takes its time to close. */
  #evict(socket: Socket, code: number, why: string): void {
    this.leave(socket, why);
    socket.close(code, why);
  }

  /** Sends to a client, or returns false if it does not keep up: it loses frames, and the others do not wait for it. */
  #send(socket: Socket, message: Uint8Array): boolean {
    if (socket.getBufferedAmount() + message.length > this.#options.queueMax) return false;
    return socket.sendBinary(message) !== 0;
  }
}

function presenceOf({ hello: { id, run, sequence }, since }: Connection): Presence {
  return { id, run, sequence, ageMs: Math.round(performance.now() - since) };
}

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 1000);
}
