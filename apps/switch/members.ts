/** The clients at the switch. */
import { LearningSwitch, Port } from "./learning-switch.ts";
import { Leases } from "./leases.ts";
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
  /** Writes a line for each client that joins or leaves. */
  readonly log: (line: string) => void;
}

/** Milliseconds within which a client that looks before it joins has to join. */
const HOLD_MS = 5000;

/** A connection. It has a port from when it is let in until another takes its place. */
export interface Connection {
  readonly hello: Hello;
  readonly from: string;
  /** The machine that it comes from. */
  readonly host: string;
  readonly since: number;
  address: string | undefined;
  port: Port | undefined;
  /** Ends the connection of a client that has not joined yet. */
  holding: Timer | undefined;
}

type Socket = Bun.ServerWebSocket<Connection>;

/** Keeps a port and an address for each client that is connected. */
export class Members {
  readonly lan: LearningSwitch;
  /** Called when a client has come or gone. */
  changed: () => void = () => {};
  /** The LAN beyond this hub; undefined if there is none. */
  backbone: { readonly isIsolated: boolean; summary(): unknown } | undefined;
  /** Counters of the clients that have left. */
  departed: Totals = NO_TOTALS;
  readonly #options: MembersOptions;
  readonly #leases: Leases | undefined;
  readonly #sockets = new Map<string, Socket>();
  readonly #started = performance.now();

  constructor(options: MembersOptions) {
    this.#options = options;
    const { pool, leaseMs: keepMs, perHostMax: perOwnerMax } = options;
    this.#leases = pool === undefined ? undefined : new Leases(pool, { keepMs, perOwnerMax });
    this.lan = new LearningSwitch({ ...options, clock: () => performance.now() });
  }

  /** Tells a client the state of this hub, and waits for its word. */
  hold(socket: Socket): void {
    socket.data.holding = setTimeout(() => socket.close(Close.TOO_LATE, "no word of joining"), HOLD_MS);
    socket.send(JSON.stringify({ isolated: this.backbone?.isIsolated ?? false } satisfies HubState));
  }

  join(socket: Socket): void {
    const { hello, from } = socket.data;
    const before = this.#sockets.get(hello.id);
    if (before !== undefined) {
      const code = before.data.hello.run === hello.run ? Close.SUPERSEDED : Close.REPLACED;
      this.#evict(before, code, "another connection with this id");
    }
    const full = this.#fullFor(socket.data);
    if (full !== undefined) {
      socket.close(Close.FULL, full);
      return;
    }
    const applicant = { id: hello.id, owner: socket.data.host, now: performance.now() };
    if (hello.claim !== undefined && this.#leases?.claim(applicant, hello.claim) === false) {
      socket.close(Close.ADDRESS_TAKEN, `${hello.claim} is another client's`);
      return;
    }
    const address = hello.claim ?? this.#leases?.lease(applicant, hello.wish);
    socket.data.address = address;
    socket.data.port = new Port((message) => this.#send(socket, message));
    this.#sockets.set(hello.id, socket);
    this.lan.attach(socket.data.port);
    this.changed();
    const given = hello.claim === undefined && address !== undefined ? { address } : {};
    socket.send(JSON.stringify({ mtu: this.#options.mtu, ...given } satisfies Welcome));
    this.#log(`join  ${hello.id} from ${from}, ${address ?? "no address"}; ${this.#sockets.size} here`);
  }

  /** The reason why there is no port for a client, or undefined if there is one. */
  #fullFor({ host }: Connection): string | undefined {
    const { portsMax, perHostMax } = this.#options;
    if (this.#sockets.size >= portsMax) return `all ${portsMax} ports are in use`;
    const own = [...this.#sockets.values()].filter(({ data }) => data.host === host).length;
    return own < perHostMax ? undefined : `all ${perHostMax} ports that one machine may have are in use`;
  }

  receive(socket: Socket, message: string | Uint8Array): void {
    const { port, holding } = socket.data;
    if (holding !== undefined) {
      this.#endHold(socket);
      if (message === JOIN_MESSAGE) this.join(socket);
      else socket.close(Close.UNSUPPORTED_DATA, `wanted "${JOIN_MESSAGE}"`);
      return;
    }
    if (port === undefined) return;
    if (typeof message === "string") this.#evict(socket, Close.UNSUPPORTED_DATA, "text, where frames were expected");
    else if (!this.lan.receive(port, message)) this.#evict(socket, Close.INVALID_DATA, "a message of broken frames");
  }

  #endHold({ data }: Socket): void {
    clearTimeout(data.holding);
    data.holding = undefined;
  }

  leave(socket: Socket, why: string): void {
    const { data } = socket;
    this.#endHold(socket);
    if (data.port === undefined) return;
    this.lan.detach(data.port);
    this.changed();
    this.departed = sumOf([this.departed, data.port]);
    data.port = undefined;
    this.#sockets.delete(data.hello.id);
    this.#leases?.release(data.hello.id, performance.now());
    const seconds = secondsSince(data.since);
    this.#log(`leave ${data.hello.id} after ${seconds} s: ${why}; ${this.#sockets.size} here`);
  }

  /** Writes a line to the log. Claims and reasons are words of a client: control characters are replaced. */
  #log(line: string): void {
    this.#options.log(line.replace(/[^ -~]/g, "?"));
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
    return this.#leases?.status();
  }

  /** All that there is to tell, with all clients. */
  details(): object {
    return {
      uptimeSeconds: secondsSince(this.#started),
      rssBytes: process.memoryUsage.rss(),
      mtu: this.#options.mtu,
      macAddresses: this.lan.table.size,
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

function secondsSince(start: number): number {
  return Math.round((performance.now() - start) / 1000);
}
