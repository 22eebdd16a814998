/** Who is not let in, and what nobody gets away with. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { MESSAGE_MAX } from "../../apps/switch/framing.ts";
import { serve } from "../../apps/switch/serve.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { Lan, type Running, type Status, serveOptions, TOKEN, tools, URL_OF_SWITCH } from "./switch-lan.ts";

const right = `Bearer ${TOKEN}`;
/** All that is not it. */
const wrong: { what: string; authorization?: string }[] = [
  { what: "no token" },
  { what: "an empty token", authorization: "Bearer " },
  { what: "another token", authorization: "Bearer a-token-for-tests-onlx" },
  { what: "half of it", authorization: "Bearer a-token" },
  { what: "more than it", authorization: `${right}x` },
  { what: "another scheme", authorization: `Basic ${TOKEN}` },
  { what: "no scheme", authorization: TOKEN },
];

/** Returns the first line of the answer to a handshake, as it is on the wire; a WebSocket made by hand. */
async function handshake(port: number, path: string, authorization?: string, host = "switch"): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = createConnection(port, "127.0.0.1", () => {
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ...(authorization === undefined ? [] : [`Authorization: ${authorization}`]),
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  socket.once("data", (bytes) => resolve(bytes.toString("latin1").split("\r\n")[0] as string));
  socket.once("error", reject);
  return promise.finally(() => socket.destroy());
}

describeWithTools("the switch", ["ip", "curl"], () => {
  let server: ReturnType<typeof serve>;
  const log: string[] = [];

  const options = serveOptions(log, { portsMax: 3, perHostMax: 3, perPortMax: 2, pool: "198.51.100.0/30" });

  beforeAll(() => run("ip", "link", "set", "lo", "up"));
  beforeEach(async () => {
    await server?.stop(true);
    log.length = 0;
    server = serve(options);
  });
  afterAll(() => server.stop(true));

  /** With curl: the answer's status code and what is in it. Not waiting for it would stop the server, which is here. */
  async function curl(path: string, authorization?: string): Promise<{ code: number; body: string }> {
    const header = authorization === undefined ? [] : ["-H", `Authorization: ${authorization}`];
    const url = `http://127.0.0.1:${server.port}${path}`;
    const child = Bun.spawn(["curl", "-s", "--max-time", "30", "-w", "\n%{http_code}", ...header, url]);
    const lines = (await child.stdout.text()).split("\n");
    return { code: Number(lines.pop()), body: lines.join("\n") };
  }

  async function status(): Promise<Status> {
    return JSON.parse((await curl("/status", right)).body);
  }

  /** A client without an interface; resolves when the switch has spoken, or has closed the connection. */
  async function client(query: string): Promise<Client> {
    const url = `ws://127.0.0.1:${server.port}/lan?${query}`;
    const socket = new WebSocket(url, { headers: { authorization: right } });
    const client: Client = { socket, messages: [], closed: undefined };
    socket.binaryType = "nodebuffer";
    socket.onmessage = ({ data }) => client.messages.push(data);
    socket.onclose = ({ code, reason }) => {
      client.closed = { code, reason };
    };
    await until(() => client.messages.length > 0 || client.closed !== undefined, "the switch has spoken");
    return client;
  }

  test.each(wrong)("lets nobody in anywhere with $what", async ({ authorization }) => {
    const before = (await status()).ports.length;
    for (const path of ["/status", "/status/lan", "/metrics", "/lan?id=a", "/nowhere"]) {
      expect((await curl(path, authorization)).code).toBe(401);
      expect(await handshake(server.port as number, path, authorization)).toBe("HTTP/1.1 401 Unauthorized");
    }
    expect((await status()).ports.length).toBe(before);
    expect(log).toEqual([]);
  });

  test("lets the right token in, and tells the status", async () => {
    expect(await handshake(server.port as number, "/lan?id=a", right)).toBe("HTTP/1.1 101 Switching Protocols");
    expect((await curl("/status", right)).code).toBe(200);
    expect((await curl("/lan?id=a", right)).code).toBe(426);
    expect((await curl("/lan?id=a%20b", right)).code).toBe(400);
    expect((await curl("/lan", right)).code).toBe(400);
    expect((await curl("/nowhere", right)).code).toBe(404);
  });

  test("tells the LAN of one hub as that of many, and metrics; the page itself is for everybody, and has no secret", async () => {
    const { socket } = await client("id=a");
    const { lan } = JSON.parse((await curl("/status", right)).body);
    expect(lan).toMatchObject({ hubCount: 1, clientCount: 1, hubs: [{ answered: true, clients: [{ id: "a" }] }] });
    expect(JSON.parse((await curl("/status/lan?find=b", right)).body)).toMatchObject({ matched: 0, clientCount: 1 });
    expect((await curl("/status/lan?clients=501", right)).code).toBe(400);
    socket.close();
    await until(() => log.some((line) => line.startsWith("leave")), "it has left");
    const metrics = (await curl("/metrics", right)).body;
    expect(metrics).toContain("\ntuntap_switch_clients 0\n");
    expect(metrics).toContain("\ntuntap_switch_clients_limit 3\n");
    for (const path of ["/", "/page"]) {
      const { code, body } = await curl(path);
      expect([code, body.startsWith("<!doctype html>")]).toEqual([200, true]);
      expect(body).not.toContain(TOKEN);
    }
  });

  test("welcomes with MTU and address, and takes the place of an older connection with the same id", async () => {
    const first = await client("id=a");
    expect(first.messages).toEqual([JSON.stringify({ mtu: 1500, address: "198.51.100.1/30" })]);
    const second = await client("id=a&run=2");
    const third = await client("id=a&run=2");
    expect([second.messages, third.messages]).toEqual([first.messages, first.messages]);
    await until(() => first.closed !== undefined && second.closed !== undefined, "those before are closed");
    const reason = "another connection with this id";
    // The second is told that it was itself: it may try again.
    expect([first.closed, second.closed]).toEqual([
      { code: 4001, reason },
      { code: 4004, reason },
    ]);
    expect((await status()).ports.map(({ id }) => id)).toEqual(["a"]);
    third.socket.close();
  });

  test("refuses an address that another client has, and clients beyond the last port", async () => {
    const clients = [await client("id=a"), await client("id=b&claim=192.0.2.77/24")];
    expect((await client("id=c&claim=198.51.100.1/30")).closed?.code).toBe(4002);
    clients.push(await client("id=c&wish=198.51.100.1/30"), await client("id=d"));
    expect(clients[1]?.messages).toEqual(['{"mtu":1500}']);
    expect(clients[2]?.messages).toEqual(['{"mtu":1500,"address":"198.51.100.2/30"}']);
    expect(clients[3]?.closed).toEqual({ code: 4003, reason: "all 3 ports are in use" });
    for (const { socket } of clients) socket.close();
  });

  test("refuses a fourth client of a machine that may have three, whichever ids they use", async () => {
    server.stop(true);
    server = serve({ ...options, portsMax: 10 });
    const clients = [await client("id=a"), await client("id=b"), await client("id=c")];
    expect((await client("id=d")).closed).toEqual({
      code: 4003,
      reason: "all 3 ports that one machine may have are in use",
    });
    // The one that comes again takes its own place.
    clients.push(await client("id=c"));
    expect(clients[3]?.closed).toBeUndefined();
    for (const { socket } of clients) socket.close();
  });

  test.each([
    { what: "text", message: "hello", code: 1003 },
    { what: "a length without its frame", message: Uint8Array.of(0, 20, 1, 2, 3), code: 1007 },
    { what: "half a length", message: Uint8Array.of(0), code: 1007 },
  ])("closes the connection of who sends $what, and no other", async ({ message, code }) => {
    const [bad, good] = [await client("id=bad"), await client("id=good")];
    bad.socket.send(message);
    await until(() => bad.closed !== undefined, "it is closed");
    expect(bad.closed?.code).toBe(code);
    expect((await status()).ports.map(({ id }) => id)).toEqual(["good"]);
    expect(good.closed).toBeUndefined();
    good.socket.close();
  });

  test("writes what clients say into one line of its log, and nothing that a terminal obeys", async () => {
    const bad = await client("id=bad&claim=192.0.2.1");
    bad.socket.close(4999, "bye\nleave root\x1b[0m");
    await until(() => log.length === 2, "it has left");
    expect(log).toEqual([
      "join  bad from 127.0.0.1, 192.0.2.1; 1 here",
      "leave bad after 0 s: bye?leave root?[0m; 0 here",
    ]);
  });

  test("does not let a client that comes and goes fill its log", async () => {
    for (let i = 0; i < 40; i++) {
      const restless = await client("id=restless");
      restless.socket.close();
      await until(() => restless.closed !== undefined, "it has left");
    }
    expect(log.length).toBe(60);
  });

  test.each([
    { who: "anybody", authorization: undefined, status: 401 },
    { who: "a client", authorization: right, status: 400 },
  ])("answers $who whose Host header is none, and throws nothing", async ({ authorization, status }) => {
    const line = await handshake(server.port as number, "/", authorization, "[::::");
    expect(line).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("takes no message beyond the limit", async () => {
    const bad = await client("id=bad");
    bad.socket.send(new Uint8Array(MESSAGE_MAX + 1));
    await until(() => bad.closed !== undefined, "it is closed");
    expect((await status()).ports).toEqual([]);
  });

  test("drops frames that are none, counts them, and switches the others of the same message", async () => {
    const [from, to] = [await client("id=from"), await client("id=to")];
    const frame = (source: string, length: number): Buffer => {
      const bytes = Buffer.alloc(length, 0xa5);
      Buffer.from(`ffffffffffff${source}88b5`, "hex").copy(bytes);
      return Buffer.concat([Buffer.of(length >> 8, length & 0xff), bytes]);
    };
    const good = [frame("02005e005301", 60), frame("02005e005301", 1522), frame("02005e005302", 14)];
    const bad = [
      frame("02005e005301", 13),
      frame("02005e005301", 0),
      frame("02005e005301", 1523),
      frame("03005e005301", 60),
      frame("000000000000", 60),
    ];
    const [short, empty, long, group, zero] = bad as [Buffer, Buffer, Buffer, Buffer, Buffer];
    const [one, two, three] = good as [Buffer, Buffer, Buffer];
    from.socket.send(Buffer.concat([short, one, empty, long, two, group, zero, three]));
    await until(() => to.messages.length > 1, "frames arrive");
    expect(Buffer.concat(to.messages.slice(1) as Buffer[]).toString("hex")).toBe(Buffer.concat(good).toString("hex"));
    const port = (await status()).ports.find(({ id }) => id === "from");
    expect(port?.dropped).toEqual({ short: 2, long: 1, source: 2, circle: 0, backPressure: 0 });
    expect(port?.macs).toEqual(["02:00:5e:00:53:01", "02:00:5e:00:53:02"]);
    for (const { socket } of [from, to]) socket.close();
  });
});

interface Client {
  readonly socket: WebSocket;
  readonly messages: (string | Buffer)[];
  closed: { code: number; reason: string } | undefined;
}

describeWithTools("the client's command", tools, () => {
  let lan: Lan;
  let switching: Running;
  beforeAll(async () => {
    lan = await Lan.open(2);
    switching = await lan.serve();
  }, 120_000);
  afterAll(async () => expect(await lan.end()).toEqual([]), 30_000);

  test("with the wrong token ends, says so, and makes no interface", async () => {
    const client = lan.startJoin(1, [URL_OF_SWITCH], { SWITCH_TOKEN: `${lan.token}x` });
    expect(await client.exited).toBe(1);
    expect(client.log).toBe("The switch does not know this token: use the token that the switch has\n");
    expect(lan.site(1).run("ip", "-o", "link")).not.toContain("lan0");
  });

  test("without a token says what to give", async () => {
    const client = lan.startJoin(1, [URL_OF_SWITCH], { SWITCH_TOKEN: "" });
    expect(await client.exited).toBe(2);
    expect(client.log).toContain("SWITCH_TOKEN must have 16 or more of the characters");
  });

  test("takes the token from the environment too, and shows it to nobody", async () => {
    const client = lan.startJoin(1, [URL_OF_SWITCH, "--id", "client1"], { SWITCH_TOKEN: lan.token });
    await client.says("lan0 is in the LAN");
    expect(readFileSync(`/proc/${client.pid}/cmdline`, "latin1")).not.toContain(lan.token);
    expect(statSync(lan.tokenFile).mode & 0o777).toBe(0o600);
    expect(await client.end()).toBe(0);
  });

  test("two on one machine are two clients, and one that is killed and comes back has its address again", async () => {
    const own = [URL_OF_SWITCH, "--token-file", lan.tokenFile];
    const [first, second] = [1, 2].map((number) => lan.startJoin(number, own)) as [Running, Running];
    for (const client of [first, second]) await client.says("lan0 is in the LAN");
    const address = (number: number): unknown => lan.interfaceOf(number).addr_info?.find((a) => a.local.includes("."));
    const before = [address(1), address(2)];
    expect(before[0]).not.toEqual(before[1]);
    expect([first.ended, second.ended, lan.status().ports.length]).toEqual([false, false, 2]);
    await first.end("SIGKILL");
    const again = lan.startJoin(1, own);
    await again.says("lan0 is in the LAN");
    expect([address(1), address(2)]).toEqual(before);
    expect([second.ended, lan.status().ports.length]).toEqual([false, 2]);
    expect([await again.end(), await second.end()]).toEqual([0, 0]);
  });

  test("gives way to another with its id, and says what to do", async () => {
    const first = await lan.join(1, "--id", "twin");
    const second = await lan.join(2, "--id", "twin");
    expect(await first.exited).toBe(1);
    expect(first.log).toContain("another connection with this id: give each client an --id of its own\n");
    expect(await second.end()).toBe(0);
  });

  test("does not take an address that another was given, and takes any other that is asked for", async () => {
    const first = await lan.join(1);
    const [{ address: taken = "" } = {}] = lan.status().ports;
    const own = [URL_OF_SWITCH, "--token-file", lan.tokenFile];
    const second = lan.startJoin(2, [...own, "--address", taken]);
    expect(await second.exited).toBe(1);
    expect(second.log).toContain(`${taken} is another client's: choose another --address, or none\n`);
    const third = await lan.join(2, "--address", "203.0.113.7/24", "--address", "2001:db8::7/64");
    const shown = lan.interfaceOf(2).addr_info?.map(({ local }) => local);
    expect(shown).toEqual(expect.arrayContaining(["203.0.113.7", "2001:db8::7"]));
    expect(shown?.some((local) => local.startsWith("198.51.100."))).toBe(false);
    for (const client of [first, third]) expect(await client.end()).toBe(0);
  });

  test("follows what another switch says: the address and MTU of the same interface change", async () => {
    const client = await lan.join(1);
    const before = lan.interfaceOf(1);
    expect(before.addr_info?.some(({ local }) => local.startsWith("198.51.100."))).toBe(true);
    await switching.end();
    switching = await lan.serve("--pool", "203.0.113.0/24", "--mtu", "1400");
    await until(() => lan.status().ports.length === 1, "it is back");
    const shown = (): unknown[] => {
      const addresses = lan.interfaceOf(1).addr_info?.filter(({ family }) => family === "inet") ?? [];
      return [lan.interfaceOf(1).mtu, ...addresses.map(({ local, prefixlen }) => `${local}/${prefixlen}`)];
    };
    await until(() => Bun.deepEquals(shown(), [1400, "203.0.113.1/24"]), "the interface has changed");
    const { ifindex, address } = lan.interfaceOf(1);
    expect([ifindex, address]).toEqual([before.ifindex, before.address]);
    expect(await client.end()).toBe(0);
  }, 120_000);

  test("a second switch at the same address says that it is in use, in a line", async () => {
    await expect(lan.serve()).rejects.toThrow(
      /It ended without "listening on ": --listen [\d.]+:\d+ is in use; choose another port, or 0 for any that is free\n$/,
    );
  });

  test.each([
    // The command line is wrong, and --help is named on a line of its own.
    { wrong: "--name a/b", says: '"a/b"', code: 2, lines: 2 },
    { wrong: "--name lo", says: '"lo"', code: 1, lines: 1 },
  ])("says what is wrong with $wrong in a line", async ({ wrong, says, code, lines }) => {
    const own = [URL_OF_SWITCH, "--token-file", lan.tokenFile, "--id", "wrong"];
    const client = lan.startJoin(1, [...own, ...wrong.split(" ")]);
    expect(await client.exited).toBe(code);
    expect(client.log).toContain(says);
    expect(client.log.trim().split("\n")).toHaveLength(lines);
  });
});
