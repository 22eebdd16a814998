/** Looks for a NATS server at an address: the client library leaves the socket to one that does not answer open. */
import { createConnection } from "node:net";

const ANSWER_MS = 2000;
/** The longest greeting: that of a server in a large cluster has the addresses of all others. */
const GREETING_MAX = 64 * 1024;

/** A server as its greeting tells of it. */
export interface Greeting {
  /** True if it lets in only those that have a certificate. */
  readonly wantsCertificate: boolean;
}

/** Resolves to the greeting of a NATS server. @throws {Error} With the reason why there is none */
export async function probe(server: string): Promise<Greeting> {
  const { hostname, port } = new URL(server.replace(/^\w+:/, "tcp:"));
  const { promise, resolve, reject } = Promise.withResolvers<Greeting>();
  const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
  const timer = setTimeout(() => reject(new Error("no answer")), ANSWER_MS);
  let text = "";
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    const isNats = text.startsWith("INFO ".slice(0, text.length)) && text.length <= GREETING_MAX;
    if (!isNats) reject(new Error("what answers is no NATS server"));
    else if (text.includes("\n")) resolve({ wantsCertificate: /"tls_verify":\s*true/.test(text) });
  });
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("it closes the connection")));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.on("error", () => {});
    socket.destroy();
  }
}
