/** The switch: a WebSocket for each client, and the status over HTTP. */
import { MESSAGE_MAX } from "./framing.ts";
import { hostOf } from "./host.ts";
import { type Connection, Members, type MembersOptions } from "./members.ts";
import { JOIN_PATH, parseHello } from "./protocol.ts";
import { answerWithoutToken, LOOK_PATHS, StatusAnswers } from "./status-http.ts";
import { sourceOf } from "./status-source.ts";
import { gatekeeper } from "./token.ts";

/** Options of {@link serve}. */
export interface ServeOptions extends MembersOptions {
  readonly hostname: string;
  readonly port: number;
  readonly token: string;
  /** Seconds without a sign of life, after which a client counts as gone. */
  readonly timeout: number;
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
}

/** Close code of a connection that ended without a close message (RFC 6455 section 7.1.5). */
const LOST = 1006;

/** Starts the switch; it runs until `stop()`. */
export function serve(
  options: ServeOptions,
  members: Members = new Members(options),
  answers: StatusAnswers = new StatusAnswers(sourceOf(options, members), undefined),
): Bun.Server<Connection> {
  const knowsToken = gatekeeper(options.token);
  const sweeping = setInterval(() => members.sweep(), Math.min(60_000, Math.max(1000, options.ageMs / 4)));
  sweeping.unref();
  return Bun.serve<Connection>({
    hostname: options.hostname,
    port: options.port,
    development: false,
    // Without this it follows from the line above that a second switch may listen here too, and clients find either.
    reusePort: false,
    maxRequestBodySize: 1024,
    ...(options.tls && { tls: options.tls }),
    fetch: (request, server) =>
      answerWithoutToken(request) ?? (knowsToken(request) ? answer(request, server, answers) : unauthorized()),
    websocket: {
      perMessageDeflate: false,
      maxPayloadLength: MESSAGE_MAX,
      // The queue is bounded by what a port does; this is room for control frames beyond it.
      backpressureLimit: options.queueMax + MESSAGE_MAX,
      idleTimeout: options.timeout,
      sendPings: true,
      open: (socket) => members.open(socket),
      message: (socket, message) => members.receive(socket, message),
      close: (socket, code, reason) =>
        members.leave(socket, reason || (code === LOST ? "connection lost" : `closed (${code})`)),
    },
  });
}

function unauthorized(): Response {
  const headers = { "www-authenticate": "Bearer" };
  return new Response("No token, or not the right one\n", { status: 401, headers });
}

/** Answers a request with the right token. Returns undefined if it becomes a WebSocket. */
function answer(
  request: Request,
  server: Bun.Server<Connection>,
  answers: StatusAnswers,
): Response | Promise<Response> | undefined {
  const url = URL.parse(request.url);
  if (url === null) return new Response("There is no such host\n", { status: 400 });
  if (url.pathname !== JOIN_PATH) {
    return answers.answer(url) ?? new Response(`There are ${JOIN_PATH}, ${LOOK_PATHS}\n`, { status: 404 });
  }
  const hello = parseHello(url.searchParams);
  if (hello === null)
    return new Response("The id must be 1 to 64 of A-Z a-z 0-9 _ . : / @ -, claim and wish IPv4 addresses\n", {
      status: 400,
    });
  const from = server.requestIP(request)?.address ?? "?";
  const none = { address: undefined, lacksAddress: false, port: undefined };
  const data = { hello, from, host: hostOf(from), since: performance.now(), ...none };
  if (server.upgrade(request, { data })) return undefined;
  return new Response("This is for a WebSocket\n", { status: 426, headers: { upgrade: "websocket" } });
}
