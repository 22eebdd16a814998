/** One connection of a client to a hub, from its handshake to its end. */
import type { HubAddress } from "./hubs.ts";
import {
  Close,
  helloQuery,
  JOIN_MESSAGE,
  JOIN_PATH,
  parseHubState,
  parseWelcome,
  plainText,
  type Welcome,
} from "./protocol.ts";
import { bearer } from "./token.ts";

/** Options of a {@link Connection}. */
export interface ConnectionOptions {
  readonly token: string;
  /** Identity of this client in the LAN. */
  readonly id: string;
  /** Addresses to use instead of the one that the switch gives. */
  readonly addresses: readonly string[];
  /** Address that the client was given earlier. */
  readonly wish: string | undefined;
  /** The shortest prefix length of an address that the switch may give. */
  readonly shortestPrefix: number;
  /** The most bytes that wait for a switch that does not keep up. */
  readonly queueMax: number;
  /** Milliseconds without a sign of life, after which the connection counts as lost. */
  readonly timeoutMs: number;
  /** The certificate authority to trust, PEM. */
  readonly tlsCa: string | undefined;
}

/** A connection that was not made, with advice to the user where another attempt at this hub makes no sense. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly advice: string | undefined;

  constructor(message: string, advice?: string) {
    super(message);
    this.advice = advice;
  }
}

/** The end of a connection. */
export interface Ending {
  readonly why: string;
  /** Advice to the user, where another attempt makes no sense. */
  readonly advice?: string | undefined;
  /** Milliseconds for which the client was in the LAN; undefined if the hub did not let it in. */
  readonly stayedMs: number | undefined;
}

/** Receives what a hub says to a client that has joined. */
export interface Member {
  welcome(welcome: Welcome): void;
  /** Takes a message of frames. Returns false if it is broken. */
  deliver(message: Uint8Array): boolean;
  /** The hub is cut off from the other hubs, or is not any more. */
  isolated(isolated: boolean): void;
}

/** Close code of a connection that ended without a close message (RFC 6455 section 7.1.5). */
const LOST = 1006;
/** Milliseconds within which a hub lets a client in, or says why not: its store has two seconds. */
const WELCOME_MS = 5000;
/** Name of this process: tells a second process with the same id from a reconnection. */
const RUN = crypto.randomUUID();
let connections = 0;

/** Advice for ends that another attempt would not change, by close code. */
const FINAL: ReadonlyMap<number, string> = new Map([
  [Close.REPLACED, "give each client an --id of its own"],
  [Close.ADDRESS_TAKEN, "choose another --address, or none"],
]);

/** A client's connection to one hub. */
export class Connection {
  readonly hub: HubAddress;
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #life: Disposable & { heard(): void };
  readonly #opened = Promise.withResolvers<Connection>();
  readonly #ended = Promise.withResolvers<Ending>();
  #isolated = false;
  #member: Member | undefined;
  #welcomedAt: number | undefined;
  #failure = "";
  #late: Timer | undefined;

  /**
   * Connects, and resolves once the hub has told its state: the client is not in the LAN before {@link enter}.
   *
   * @throws {ConnectionError} If there is no connection
   */
  static async open(hub: HubAddress, options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    const connection = new Connection(hub, options);
    const stop = (): void => connection.end();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    return await connection.#opened.promise.finally(() => signal.removeEventListener("abort", stop));
  }

  private constructor(hub: HubAddress, options: ConnectionOptions) {
    this.hub = hub;
    this.#options = options;
    // Nobody waits for the end of a connection that was not made.
    this.#ended.promise.catch(() => {});
    this.#socket = openSocket(hub, options);
    this.#life = watch(this.#socket, options.timeoutMs);
    this.#expectAnswer(Math.max(WELCOME_MS, options.timeoutMs));
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onerror = ({ message }) => {
      this.#failure = `No connection to ${hub.url}: ${reasonOf(message)}`;
    };
    this.#socket.onclose = ({ code, reason }) => this.#close(code, reason);
  }

  /** True while the hub is cut off from the other hubs. */
  get isolated(): boolean {
    return this.#isolated;
  }

  /** Joins the LAN. Resolves when the connection ends; rejects with what the member throws. */
  async enter(member: Member): Promise<Ending> {
    this.#member = member;
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#expectAnswer(WELCOME_MS);
      this.#socket.send(JOIN_MESSAGE);
    }
    return await this.#ended.promise;
  }

  /** Sends a message of frames. Returns false if there is no room for it. */
  send(message: Uint8Array<ArrayBuffer>): boolean {
    const socket = this.#socket;
    if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > this.#options.queueMax) return false;
    socket.send(message);
    return true;
  }

  end(): void {
    this.#socket.terminate();
  }

  /** Bounds the wait for the next word of the hub. */
  #expectAnswer(withinMs: number): void {
    clearTimeout(this.#late);
    this.#late = setTimeout(() => {
      this.#failure = "The switch does not answer";
      this.end();
    }, withinMs);
  }

  #receive(data: string | ArrayBuffer): void {
    this.#life.heard();
    try {
      if (typeof data === "string") this.#hear(data);
      else if (this.#member?.deliver(new Uint8Array(data)) === false)
        this.#socket.close(Close.INVALID_DATA, "a message of broken frames");
    } catch (error) {
      // The interface could not be made or given what it needs, which another connection would not change.
      this.#opened.reject(error);
      this.#ended.reject(error);
      this.end();
    }
  }

  #hear(text: string): void {
    const state = parseHubState(text);
    if (state === null) {
      // One welcome is enough: a hub that repeats it has no say over the interface, nor over the log.
      if (this.#welcomedAt !== undefined) return;
      this.#member?.welcome(parseWelcome(text, this.#options.shortestPrefix));
      this.#welcomedAt = performance.now();
      clearTimeout(this.#late);
      return;
    }
    if (this.#member === undefined) clearTimeout(this.#late);
    this.#isolated = state.isolated;
    this.#member?.isolated(state.isolated);
    this.#opened.resolve(this);
  }

  #close(code: number, reason: string): void {
    this.#life[Symbol.dispose]();
    clearTimeout(this.#late);
    const refused = / 401$/.test(this.#failure) ? "The switch does not know this token" : undefined;
    const closed =
      code === LOST ? "The connection to the switch is lost" : `The switch says: ${plainText(reason) || code}`;
    const why = refused ?? (this.#failure || closed);
    const advice = refused ? "use the token that the switch has" : FINAL.get(code);
    const stayedMs = this.#welcomedAt === undefined ? undefined : performance.now() - this.#welcomedAt;
    this.#opened.reject(new ConnectionError(why, advice));
    this.#ended.resolve({ why, advice, stayedMs });
  }
}

/** Returns the reason in Bun's words for a connection that failed: before it comes the URL, with all of the query. */
function reasonOf(message: string): string {
  const reason = /^WebSocket connection to '.*' failed: (.+)$/s.exec(message)?.[1] ?? message;
  const advice = ADVICE.find(([pattern]) => pattern.test(reason))?.[1];
  return advice === undefined ? reason : `${reason} (${advice})`;
}

/** Advice for the words of Bun and of OpenSSL where only one side speaks TLS, or the certificate is not trusted. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/verify|self.signed/i, "--tls-ca is for an authority of your own"],
  [/WRONG_VERSION_NUMBER/, "a switch without TLS is joined by ws://"],
  [/^Connection ended$/, "a switch with TLS is joined by wss://"],
];

function openSocket({ url, host, serverName }: HubAddress, options: ConnectionOptions): WebSocket {
  const { token, id, addresses, wish, tlsCa } = options;
  const claim = addresses.find((address) => !address.includes(":"));
  const hello = { id, run: RUN, sequence: ++connections, claim, wish, hold: true };
  const socket = new WebSocket(`${url}${JOIN_PATH}?${helloQuery(hello)}`, {
    headers: { authorization: bearer(token), ...(host && { host }) },
    perMessageDeflate: false,
    ...(url.startsWith("wss:") && { tls: { ...(tlsCa && { ca: tlsCa }), ...(serverName && { serverName }) } }),
  });
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Ends the connection if nothing is heard of the switch for too long, whether it has been made yet or not. */
function watch(socket: WebSocket, timeoutMs: number): Disposable & { heard(): void } {
  let heardAt = performance.now();
  let checkedAt = heardAt;
  const heard = (): void => {
    heardAt = performance.now();
  };
  socket.addEventListener("ping", heard);
  socket.addEventListener("pong", heard);
  const pinging = setInterval(() => socket.readyState === WebSocket.OPEN && socket.ping(), timeoutMs / 4);
  const checking = setInterval(() => {
    const now = performance.now();
    // A process that was kept from running for so long has not read yet what has come.
    const late = now - checkedAt > timeoutMs / 2;
    checkedAt = now;
    if (!late && now - heardAt > timeoutMs) socket.terminate();
  }, timeoutMs / 16);
  return {
    heard,
    [Symbol.dispose]() {
      clearInterval(pinging);
      clearInterval(checking);
    },
  };
}
