/** Three hubs with one NATS server, and clients without interfaces: addresses, moves from hub to hub, and hubs cut off. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Hub, startHub } from "../../apps/switch/hub.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { NATS, NatsServer } from "./nats.ts";
import { example, Running, serveOptions, TOKEN } from "./switch-lan.ts";

const NAMES = ["north", "south", "west"] as const;

interface Client {
  readonly socket: WebSocket;
  readonly messages: { readonly address?: string; readonly noAddress?: string; readonly isolated?: boolean }[];
  closed?: { readonly code: number; readonly reason: string };
}

describeWithTools("three hubs with NATS", ["ip", "curl", NATS], () => {
  let nats: NatsServer;
  let hubs: Hub[] = [];
  let clients: Client[] = [];
  let log: string[] = [];
  let lans = 0;
  const failures: string[] = [];

  beforeAll(async () => {
    run("ip", "link", "set", "lo", "up");
    nats = await NatsServer.start({ jetStream: true, port: 4422 });
  });
  afterAll(async () => await nats?.[Symbol.asyncDispose]());
  beforeEach(() => {
    log = [];
    failures.length = 0;
    lans++;
  });
  afterEach(async () => {
    for (const { socket } of clients) socket.terminate();
    await Promise.all(hubs.map((hub) => hub.stop()));
    [clients, hubs] = [[], []];
    expect(failures).toEqual([]);
  });

  async function start(pool: string | undefined): Promise<void> {
    const options = serveOptions(log, { pool, leaseMs: 3_600_000 });
    const backbone = {
      queueMax: 4 * 2 ** 20,
      servers: [nats.url],
      lan: `lan${lans}`,
      credentials: undefined,
      tls: undefined,
    };
    for (const hub of NAMES)
      hubs.push(await startHub({ ...options, backbone: { ...backbone, hub } }, (why) => failures.push(why)));
  }

  /** Connects a client to one of the hubs. */
  function connect(at: number, query: string): Client {
    const url = `${hubs[at]?.url.origin.replace("http", "ws")}/lan?${query}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${TOKEN}` } });
    const client: Client = { socket, messages: [] };
    socket.onmessage = ({ data }) => typeof data === "string" && client.messages.push(JSON.parse(data));
    socket.onclose = ({ code, reason }) => {
      client.closed = { code, reason };
    };
    clients.push(client);
    return client;
  }

  /** Connects a client; resolves once it is in the LAN, or was refused. */
  async function join(at: number, query: string): Promise<Client> {
    const client = connect(at, query);
    await until(() => client.messages.length > 0 || client.closed !== undefined, "it is in the LAN");
    return client;
  }
  const addressOf = ({ messages }: Client): string | undefined => messages[0]?.address;
  /** With curl, as the threads of fetch() are in another network namespace. */
  async function status(at: number): Promise<{ addresses?: { trouble?: string } }> {
    const url = `${hubs[at]?.url.origin}/status`;
    const child = Bun.spawn(["curl", "-s", "--max-time", "30", "-H", `Authorization: Bearer ${TOKEN}`, url]);
    return await child.stdout.json();
  }

  test("give 120 clients at once an address each, and no address twice", async () => {
    await start("198.51.100.0/24");
    const all = Array.from({ length: 120 }, (_, i) => connect(i % 3, `id=client${i}`));
    await until(
      () => all.every(({ messages, closed }) => messages.length > 0 || closed !== undefined),
      "all are there",
    );
    // On a busy machine some had to wait for too long, and come again.
    for (const [i, client] of all.entries())
      if (addressOf(client) === undefined) all[i] = await join(i % 3, `id=client${i}`);
    expect(all.filter(({ closed }) => closed !== undefined)).toEqual([]);
    expect(new Set(all.map(addressOf)).size).toBe(120);
    expect(all.map(addressOf)).not.toContain(undefined);
  }, 120_000);

  describe.each([{ pool: "198.51.100.0/24" }, { pool: undefined }])(
    "a client of a LAN with the pool $pool",
    ({ pool }) => {
      test("that comes to another hub has left the first one, and has the same address", async () => {
        await start(pool);
        const first = await join(0, "id=one&run=a&seq=1");
        const second = await join(1, "id=one&run=a&seq=2");
        await until(() => first.closed !== undefined, "the first hub lets it go");
        expect(first.closed).toEqual({ code: 4004, reason: "joined at another hub" });
        expect([addressOf(second), pool === undefined]).toEqual([addressOf(first), addressOf(first) === undefined]);
        // Another process with its id takes its place, and it is told that it is not itself.
        const third = await join(2, "id=one&run=b&seq=1");
        await until(() => second.closed !== undefined, "the second hub lets it go");
        expect(second.closed).toEqual({ code: 4001, reason: "joined at another hub" });
        expect([addressOf(third), third.closed]).toEqual([addressOf(first), undefined]);
      });

      test("stays where it is when an earlier connection comes late to another hub, which is told", async () => {
        await start(pool);
        const second = await join(1, "id=one&run=a&seq=2");
        const first = await join(0, "id=one&run=a&seq=1");
        await until(() => first.closed !== undefined, "the other hub lets it go");
        expect([first.closed?.code, second.closed]).toEqual([4004, undefined]);
      });
    },
  );

  test("tell their clients when they are cut off; those that come meanwhile get addresses later", async () => {
    await start("198.51.100.0/24");
    const one = await join(0, "id=one&run=a");
    await nats.kill();
    let isBack = false;
    try {
      await until(() => one.messages.some(({ isolated }) => isolated === true), "it is told");
      const two = await join(0, "id=two");
      expect(two.messages[0]?.noAddress).toBe("the hub is cut off from the store");
      expect((await join(1, "id=two&claim=198.51.100.9/24")).closed).toEqual({
        code: 4006,
        reason: "198.51.100.9/24 cannot be booked now: the hub is cut off from the store",
      });
      // Known at another hub, too.
      expect(addressOf(await join(2, "id=one&run=a"))).toBe(addressOf(one) as string);
      expect((await status(0)).addresses).toMatchObject({
        trouble: "the hub is cut off from the store",
      });
      await nats.restart();
      isBack = true;
      await until(() => two.closed !== undefined, "it is to come again");
      expect(two.closed).toEqual({ code: 4006, reason: "addresses can be given again" });
    } finally {
      if (!isBack) await nats.restart();
    }
    expect(addressOf(await join(0, "id=two"))).toBeDefined();
    await until(() => one.closed !== undefined || one.messages.at(-1)?.isolated === false, "it is told");
    expect(log.filter((line) => line.startsWith("addresses: the store is there again")).length).toBeGreaterThan(0);
  }, 120_000);

  test("know a client that is away, over the end of its hub", async () => {
    await start("198.51.100.0/24");
    const one = await join(0, "id=one");
    await hubs.shift()?.stop();
    const again = await join(1, "id=one");
    expect(addressOf(again)).toBe(addressOf(one) as string);
    expect(log.findIndex((line) => line.startsWith("leave one"))).toBeGreaterThan(0);
  });
});

describeWithTools("the command with a NATS server that has no JetStream", ["ip", NATS], () => {
  let nats: NatsServer;
  beforeAll(async () => {
    run("ip", "link", "set", "lo", "up");
    nats = await NatsServer.start({ port: 4423 });
  });
  afterAll(async () => await nats?.[Symbol.asyncDispose]());
  const serve = (...args: string[]): Running => {
    const own = ["--listen", "127.0.0.1:0", "--backbone", nats.url, "--lan", "office"];
    return new Running([...example, "serve", ...own, ...args], { SWITCH_TOKEN: TOKEN });
  };

  test("does not start with a pool, and says in a line what the server lacks", async () => {
    const hub = serve("--pool", "198.51.100.0/24");
    expect(await hub.exited).toBe(1);
    await until(() => hub.log.includes("\n"), "its last words");
    expect(hub.log.split("\n").filter((line) => line !== "" && !line.startsWith("nats"))).toEqual([
      `The NATS server ${nats.url.slice("nats://".length)} has no JetStream, which keeps the addresses of --pool: put \`jetstream { store_dir: "/var/lib/nats" }\` into its configuration, or leave out --pool`,
    ]);
  }, 120_000);

  test("starts without a pool", async () => {
    const hub = serve();
    await hub.says("listening on ");
    expect(await hub.end()).toBe(0);
  }, 120_000);
});
