/** The client: connects to the switch, again and again, and joins it to the interface. */
import { setTimeout as sleep } from "node:timers/promises";
import { LanInterface } from "./lan-interface.ts";
import { Close, helloQuery, JOIN_PATH, parseWelcome } from "./protocol.ts";
import { bearer } from "./token.ts";

export interface JoinOptions {
  /** "ws://192.0.2.1:7000" */
  readonly url: string;
  readonly token: string;
  /** The interface's name. */
  readonly name: string;
  /** Identity of this client at the switch. */
  readonly id: string;
  readonly mac: string;
  /** Addresses to use instead of the one that the switch gives. */
  readonly addresses: readonly string[];
  /** The shortest prefix length of an address that the switch may give. */
  readonly shortestPrefix: number;
  /** The most bytes that wait for a switch that does not keep up. */
  readonly queueMax: number;
  /** Seconds without a sign of life, after which the connection counts as lost. */
  readonly timeout: number;
  /** The certificate authority to trust, PEM. */
  readonly tlsCa: string | undefined;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Close code of a connection that ended without a close message (RFC 6455 section 7.1.5). */
const LOST = 1006;
const RUN = crypto.randomUUID();
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 10_000;

/** Advice for ends that another attempt would not change, by close code. */
const FINAL: ReadonlyMap<number, string> = new Map([
  [Close.REPLACED, "give each client an --id of its own"],
  [Close.ADDRESS_TAKEN, "choose another --address, or none"],
]);

/** How a connection ended. */
interface Ending {
  readonly why: string;
  /** Advice to the user, where another attempt makes no sense. */
  readonly advice?: string | undefined;
  /** Whether the switch had let us in. */
  readonly welcomed: boolean;
}

/** Stays in the LAN until `signal` is aborted. @returns the exit code */
export async function join(options: JoinOptions): Promise<number> {
  const { log, signal } = options;
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  using lan = new LanInterface({ ...options, gone: (why) => failed.abort(why) });
  let backoffMs = BACKOFF_FIRST_MS;
  while (!stop.aborted) {
    const { why, advice, welcomed } = await connect(options, lan, stop);
    if (stop.aborted) break;
    if (advice !== undefined) {
      log(`${why}: ${advice}`);
      return 1;
    }
    if (welcomed) backoffMs = BACKOFF_FIRST_MS;
    // Not all at the same moment, when a switch comes back.
    const waitMs = Math.round(backoffMs * (0.5 + Math.random() / 2));
    log(`${why}; trying again in ${waitMs} ms`);
    await sleep(waitMs, undefined, { signal: stop }).catch(() => {});
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
  }
  if (failed.signal.aborted) log(String(failed.signal.reason));
  return failed.signal.aborted ? 1 : 0;
}

/** One connection, from its beginning to its end. */
function connect(options: JoinOptions, lan: LanInterface, stop: AbortSignal): Promise<Ending> {
  const { promise, resolve, reject } = Promise.withResolvers<Ending>();
  const socket = open(options, lan.leased);
  const life = watch(socket, options.timeout * 1000);
  const end = (): void => socket.terminate();
  stop.addEventListener("abort", end);
  let welcomed = false;
  let failure = "";
  const uplink = (message: Uint8Array<ArrayBuffer>): boolean => {
    if (socket.readyState !== WebSocket.OPEN || socket.bufferedAmount > options.queueMax) return false;
    socket.send(message);
    return true;
  };
  socket.onmessage = ({ data }) => {
    life.heard();
    try {
      if (typeof data === "string") {
        lan.plugIn(parseWelcome(data, options.shortestPrefix), uplink);
        welcomed = true;
      } else if (!lan.deliver(new Uint8Array(data))) socket.close(Close.INVALID_DATA, "a message of broken frames");
    } catch (error) {
      // The interface could not be made or given what it needs, which another connection would not change.
      reject(error);
      end();
    }
  };
  socket.onerror = ({ message }) => {
    failure = message;
  };
  socket.onclose = ({ code, reason }) => {
    life[Symbol.dispose]();
    stop.removeEventListener("abort", end);
    lan.unplug();
    const refused = / 401$/.test(failure) ? "The switch does not know this token" : undefined;
    const closed = code === LOST ? "The connection to the switch is lost" : `The switch says: ${reason || code}`;
    const why = refused ?? (failure || closed);
    resolve({ why, advice: refused ? "use the token that the switch has" : FINAL.get(code), welcomed });
  };
  return promise;
}

function open({ url, token, id, addresses, tlsCa }: JoinOptions, wish: string | undefined): WebSocket {
  const claim = addresses.find((address) => !address.includes(":"));
  const socket = new WebSocket(`${url}${JOIN_PATH}?${helloQuery({ id, run: RUN, claim, wish })}`, {
    headers: { authorization: bearer(token) },
    perMessageDeflate: false,
    ...(tlsCa && { tls: { ca: tlsCa } }),
  });
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Ends the connection if nothing is heard of the switch for too long, whether it has been made yet or not. */
function watch(socket: WebSocket, timeoutMs: number): Disposable & { heard(): void } {
  let heardAt = performance.now();
  const heard = (): void => {
    heardAt = performance.now();
  };
  socket.addEventListener("ping", heard);
  socket.addEventListener("pong", heard);
  const timer = setInterval(() => {
    if (performance.now() - heardAt > timeoutMs) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, timeoutMs / 4);
  return { heard, [Symbol.dispose]: () => clearInterval(timer) };
}
