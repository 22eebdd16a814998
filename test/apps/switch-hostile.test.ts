/** Words of another machine: what a hub says to a client that does not trust it, and a client to a hub. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Connection, type ConnectionOptions, type Ending } from "../../apps/switch/connection.ts";
import { parseHello, type Welcome } from "../../apps/switch/protocol.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { Authority } from "./authority.ts";

const options: ConnectionOptions = {
  token: "a-token-for-tests-only",
  id: "client",
  addresses: [],
  wish: undefined,
  shortestPrefix: 16,
  queueMax: 1024,
  timeoutMs: 5000,
  tlsCa: undefined,
};

describePrivileged("a hub that is hostile", () => {
  beforeAll(() => run("ip", "link", "set", "lo", "up"));

  /** Joins a hub that says so to whoever connects, and ends. Resolves to the end, and to the welcomes before it. */
  async function join(
    say: (socket: Bun.ServerWebSocket<undefined>) => void,
  ): Promise<Ending & { welcomes: Welcome[] }> {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 426 })),
      websocket: {
        open: (socket) => void socket.send('{"isolated":false}'),
        message: (socket) => say(socket),
      },
    });
    const welcomes: Welcome[] = [];
    try {
      const hub = { url: `ws://127.0.0.1:${server.port}` };
      const connection = await Connection.open(hub, options, AbortSignal.timeout(10_000));
      const ending = await connection.enter({
        welcome: (welcome) => void welcomes.push(welcome),
        deliver: () => true,
        isolated: () => {},
      });
      return { ...ending, welcomes };
    } finally {
      await server.stop(true);
    }
  }

  test("writes nothing to the client's terminal but plain characters", async () => {
    const { why } = await join((socket) => socket.close(4003, "\u001b]0;mine\u0007\u001b[2J full\nof words\u009b"));
    expect(why).toBe("The switch says: ?]0;mine??[2J full?of words?");
  });

  test("that speaks at length is quoted in part", async () => {
    const failure = await join((socket) => void socket.send("\u001b".repeat(1_000_000))).catch(String);
    expect([`${failure}`.length < 300, `${failure}`]).toEqual([true, expect.stringContaining('welcomes with "????')]);
  });

  test("that welcomes again and again is heard once", async () => {
    const { welcomes } = await join((socket) => {
      for (let i = 1; i <= 100; i++) socket.send(JSON.stringify({ mtu: 1500, address: `198.51.100.${i}/24` }));
      socket.close(4000, "enough");
    });
    expect(welcomes).toEqual([{ mtu: 1500, address: "198.51.100.1/24" }]);
  });

  test("that is not there is named without the query, which has the client's id", async () => {
    const hub = { url: "ws://127.0.0.1:1" };
    const failure = Connection.open(hub, options, AbortSignal.timeout(10_000));
    await expect(failure).rejects.toThrow(/^No connection to ws:\/\/127\.0\.0\.1:1: [\w ]+$/);
  });
});

describeWithTools("a switch that speaks TLS, and one that does not", ["openssl", "ip"], () => {
  let folder: string;

  beforeAll(() => {
    run("ip", "link", "set", "lo", "up");
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-tls-`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { scheme: "wss", hasTls: true, advice: "(--tls-ca is for an authority of your own)" },
    { scheme: "wss", hasTls: false, advice: "(a switch without TLS is joined by ws://)" },
    { scheme: "ws", hasTls: true, advice: "(a switch with TLS is joined by wss://)" },
  ])("a client of $scheme:// is told what to do, TLS there: $hasTls", async ({ scheme, hasTls, advice }) => {
    const { cert, key } = new Authority(folder).issue("switch", "IP:127.0.0.1");
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(""),
      ...(hasTls && { tls: { cert, key } }),
    });
    const hub = { url: `${scheme}://127.0.0.1:${server.port}` };
    const failure = await Connection.open(hub, options, AbortSignal.timeout(10_000)).catch(String);
    await server.stop(true);
    expect(failure).toContain(advice);
  });
});

test.each([
  "\u001b[2J",
  "198.51.100.7/24 ",
  `198.51.100.7/${"2".repeat(500)}`,
  "<b>",
  "",
  "2001:db8::7/64",
  "999.51.100.7/24",
  "198.51.100.7/33",
])("a hub does not take %j for a client's address", (text) => {
  for (const name of ["claim", "wish"]) {
    expect(parseHello(new URLSearchParams({ id: "client", [name]: text }))).toBeNull();
    expect(parseHello(new URLSearchParams({ id: "client", [name]: "198.51.100.7/24" }))).not.toBeNull();
  }
});
