/** Whether there is a NATS server at an address: the client library leaves the socket to one that does not answer open. */
import { createConnection } from "node:net";

const ANSWER_MS = 2000;

/** Resolves to the reason why a server cannot be used; undefined if it greets as a NATS server does. */
export async function probe(server: string): Promise<Error | undefined> {
  const { hostname, port } = new URL(server.replace(/^\w+:/, "tcp:"));
  const { promise, resolve } = Promise.withResolvers<Error | undefined>();
  const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
  const timer = setTimeout(() => resolve(new Error("no answer")), ANSWER_MS);
  socket.once("data", (bytes) => {
    const isNats = bytes.toString("latin1").startsWith("INFO ");
    resolve(isNats ? undefined : new Error("what answers is no NATS server"));
  });
  socket.once("error", resolve);
  socket.once("close", () => resolve(new Error("it closes the connection")));
  const defect = await promise;
  clearTimeout(timer);
  socket.on("error", () => {});
  socket.destroy();
  return defect;
}
