/** The connection to NATS. The client library is loaded here, and only when there is a backbone. */
import type { ConnectionOptions, NatsConnection, Status } from "@nats-io/transport-node";
import { ProgramError } from "../../../src/cli/program.ts";
import type { Bus } from "./bus.ts";
import type { Credentials } from "./credentials.ts";
import { NatsBus } from "./nats-bus.ts";
import { type Greeting, probe } from "./probe.ts";
import { subjectsOf } from "./subjects.ts";

/** Certificates, PEM. */
export interface BackboneTls {
  /** The authority to trust; default: those of the system. */
  readonly ca?: string | undefined;
  /** Certificate of this hub, where the server asks for one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Options of {@link connectBackbone}. */
export interface ConnectOptions {
  /** "nats://192.0.2.1:4222", or "tls://…". */
  readonly servers: readonly string[];
  readonly lan: string;
  readonly hub: string;
  readonly credentials: Credentials | undefined;
  /** Undefined: TLS if the server wants it. */
  readonly tls: BackboneTls | undefined;
}

/** News of a connection. */
export type ConnectionEvent =
  | { readonly type: "disconnected"; readonly server: string }
  | { readonly type: "reconnected"; readonly server: string }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "closed" };

/** A connection to a NATS server, or to the next one while there is none. */
export interface BackboneConnection {
  /** For JetStream and its key-value store. */
  readonly nats: NatsConnection;
  readonly bus: Bus;
  readonly isConnected: boolean;
  /** Address of the server. */
  readonly server: string;
  /** Calls `listener` for each event. Returns a function that ends it. */
  onEvent(listener: (event: ConnectionEvent) => void): () => void;
  /** Sends what waits, and ends. */
  close(): Promise<void>;
}

/**
 * Bounds of the client library. A lost connection is noticed after two pings without an answer, so within 1.2 s; those
 * that it had do not come back at the same moment.
 */
const LIMITS = {
  pingInterval: 400,
  maxPingOut: 2,
  reconnect: true,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 200,
  reconnectJitter: 300,
  reconnectJitterTLS: 300,
  /** For one attempt to connect. */
  timeout: 2000,
  waitOnFirstConnect: false,
  // New permissions may come, and the log says what is refused.
  ignoreAuthErrorAbort: true,
  // The servers are those that were named: a cluster may tell addresses that cannot be reached from here.
  ignoreClusterUpdates: true,
  noEcho: true,
  noAsyncTraces: true,
} as const satisfies Partial<ConnectionOptions>;

/** Connects to one of the servers. @throws {ProgramError} If none can be had, with the reason of each */
export async function connectBackbone(options: ConnectOptions): Promise<BackboneConnection> {
  const { connect } = await import("@nats-io/transport-node");
  const settings = await settingsOf(options);
  const first = await firstOf(options.servers, async (server, { wantsCertificate }) => {
    if (wantsCertificate && settings.tls?.cert === undefined)
      throw new Error("it wants a certificate of this hub (--backbone-tls-cert and --backbone-tls-key)");
    const nats = await connect({ ...settings, servers: [server] }).catch((error: unknown) => {
      // TLS 1.3 has the client's certificate behind the server's last word (RFC 8446 section 2): silence is the refusal.
      if (wantsCertificate && isTimeout(error)) throw new Error("it refuses this hub's certificate", { cause: error });
      throw error;
    });
    await nats.close();
  });
  const others = options.servers.filter((server) => server !== first).sort(() => Math.random() - 0.5);
  // The library strikes off for ever what does not answer at first, unless it may wait.
  const servers = { servers: [first, ...others], noRandomize: true, waitOnFirstConnect: true };
  return new Connection(await connect({ ...settings, ...servers }));
}

/** Returns the server that is the first to answer and to let this hub in. */
async function firstOf(
  servers: readonly string[],
  enter: (server: string, greeting: Greeting) => Promise<void>,
): Promise<string> {
  const look = (server: string): Promise<Look> =>
    probe(server).then(
      (greeting) => ({ server, greeting }),
      (defect: unknown) => ({ server, defect }),
    );
  const waiting = new Map(servers.map((server) => [server, look(server)]));
  const reasons = new Map<string, string>();
  while (waiting.size > 0) {
    const { server, greeting, defect } = await Promise.race(waiting.values());
    waiting.delete(server);
    try {
      if (greeting === undefined) throw defect;
      await enter(server, greeting);
      return server;
    } catch (error) {
      reasons.set(server, reasonOf(error));
    }
  }
  const all = servers.map((server) => `${server}: ${reasons.get(server)}`);
  throw new ProgramError(`The backbone cannot be reached: ${all.join("; ")}`);
}

/** A server that was looked at. */
interface Look {
  readonly server: string;
  readonly greeting?: Greeting;
  readonly defect?: unknown;
}

async function settingsOf({ servers, lan, hub, credentials, tls }: ConnectOptions): Promise<ConnectionOptions> {
  const nats = await import("@nats-io/transport-node");
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const proof = (): Partial<ConnectionOptions> => {
    if (credentials?.kind === "user") return { user: credentials.user, pass: credentials.password };
    if (credentials?.kind === "nkey") return { authenticator: nats.nkeyAuthenticator(encode(credentials.seed)) };
    if (credentials?.kind === "creds") return { authenticator: nats.credsAuthenticator(encode(credentials.text)) };
    return {};
  };
  const files = Object.fromEntries(Object.entries(tls ?? {}).filter(([, text]) => text !== undefined));
  return {
    ...LIMITS,
    ...proof(),
    ...(tls && { tls: files }),
    servers: [...servers],
    name: `bun-tuntap ${lan} ${hub}`,
    inboxPrefix: subjectsOf(lan).inbox,
  };
}

/** Puts the reason why a server is not used into words. */
function reasonOf(error: unknown): string {
  const { name, message, code, cause } = Object(error) as Record<string, unknown> & { cause?: { code?: unknown } };
  if (name === "AuthorizationError" || name === "UserAuthenticationExpiredError")
    return "it refuses the credentials (--backbone-creds, --backbone-nkey or --backbone-user-file)";
  if (isTimeout(error)) return "no answer";
  if (code === "ECONNREFUSED") return "connection refused";
  const text = String(message || code || cause?.code || error).replace(/[^ -~]/g, "?");
  return UNTRUSTED.has(String(code)) ? `${text} (--backbone-tls-ca is for an authority of your own)` : text;
}

/** Codes of OpenSSL for a certificate that no known authority has signed. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === "TimeoutError";
}

/**
 * Ends the connection to a server that has not answered. The library itself waits before that until all that it has
 * written is sent, and does not look again: of a server that takes nothing it never finds out.
 */
function dropSocket(nats: NatsConnection): void {
  const { protocol } = nats as unknown as { readonly protocol?: { transport?: { socket?: { destroy(): void } } } };
  protocol?.transport?.socket?.destroy();
}

class Connection implements BackboneConnection {
  readonly nats: NatsConnection;
  readonly bus: Bus;
  isConnected = true;
  readonly #listeners = new Set<(event: ConnectionEvent) => void>();

  constructor(nats: NatsConnection) {
    this.nats = nats;
    this.bus = new NatsBus(nats, () => this.isConnected);
    void this.#follow();
  }

  get server(): string {
    return this.nats.getServer();
  }

  onEvent(listener: (event: ConnectionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    // A server that does not answer is not waited for.
    if (this.isConnected) await Promise.race([this.nats.flush().catch(() => {}), Bun.sleep(LIMITS.timeout)]);
    await this.nats.close();
  }

  async #follow(): Promise<void> {
    for await (const status of this.nats.status()) this.#take(status);
    this.isConnected = false;
    this.#tell({ type: "closed" });
  }

  #take(status: Status): void {
    if (status.type === "staleConnection") dropSocket(this.nats);
    else if (status.type === "disconnect") {
      this.isConnected = false;
      this.#tell({ type: "disconnected", server: status.server });
    } else if (status.type === "reconnect") {
      this.isConnected = true;
      this.#tell({ type: "reconnected", server: status.server });
    } else if (status.type === "error") this.#tell({ type: "error", message: reasonOf(status.error) });
  }

  #tell(event: ConnectionEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }
}
