/** Clients of hubs that are joined by NATS: they leave a hub that is cut off, from them or from the others. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { until } from "../support/system.ts";
import { NATS, NatsServer } from "./nats.ts";
import { Lan, type Running, tools } from "./switch-lan.ts";
import { EchoConnection } from "./tcp-echo-run.ts";

const NATS_HOST = "192.0.2.1";
/** A station that is not there: frames to it go nowhere, without an error. */
const NOWHERE = "02:00:5e:00:53:99";

describeWithTools("two clients of two hubs that NATS joins", [...tools, NATS], () => {
  const [NEAR, FAR] = [3, 4];
  const hosts = [NEAR, FAR].map((number) => `192.0.2.${10 + number}`) as [string, string];
  const urls = hosts.map((host) => `ws://${host}:7000`);
  let lan: Lan;
  let nats: NatsServer;
  let lans = 0;
  let hubs: Running[] = [];
  let clients: Running[] = [];
  let connection: EchoConnection | undefined;

  beforeAll(async () => {
    lan = await Lan.open(4);
    nats = await NatsServer.start({ host: NATS_HOST, netns: lan.hub.path, jetStream: true });
  }, 120_000);
  afterAll(async () => {
    await nats?.[Symbol.asyncDispose]();
    expect(await lan.end()).toEqual([]);
  }, 120_000);

  const serve = (number: number): Promise<Running> => {
    const backbone = ["--backbone", nats.url, "--lan", `office${lans}`, "--hub", `hub${number}`];
    return lan.serveAt(number, "--pool", "198.51.100.0/24", ...backbone);
  };
  // Both clients find the first hub alone, and later the second one, too.
  beforeEach(async () => {
    lans++;
    hubs = [await serve(NEAR)];
    // Several hubs have 1.2 s by default, for which a busy machine may stop: no client is to leave a hub for nothing.
    const args = [...urls, "--token-file", lan.tokenFile, "--timeout", "3"];
    clients = [1, 2].map((number) => lan.startJoin(number, [...args, "--id", `client${number}`]));
    for (const client of clients) await client.says(`at ${urls[0]}`);
    hubs.push(await serve(FAR));
    connection = await EchoConnection.open(lan, 1, 2);
    await connection.answers(20);
  }, 120_000);
  afterEach(async () => {
    connection?.[Symbol.dispose]();
    await Promise.all([...clients, ...hubs].map((running) => running.end("SIGKILL")));
    for (const number of [1, 2, NEAR, FAR]) lan.site(number).run("ip", "neigh", "flush", "all", "nud", "permanent");
  });

  /** Has all that a host sends to an address go nowhere. */
  function cut(number: number, address: string): void {
    lan.site(number).run("ip", "neigh", "replace", address, "lladdr", NOWHERE, "nud", "permanent", "dev", "eth0");
  }
  const addresses = (): unknown[] => [1, 2].map((number) => lan.interfaceOf(number).addr_info);

  test("one that is cut off from its hub goes to the other; the first one hears of it, and lets it go", async () => {
    const before = addresses();
    cut(1, hosts[0]);
    await clients[0]?.says(`at ${urls[1]}`);
    await connection?.answers(50);
    await hubs[0]?.says("leave client1");
    expect(hubs[0]?.log).toMatch(/leave client1 after \d+ s: joined at another hub; 1 here\n/);
    expect(addresses()).toEqual(before);
    expect(clients[1]?.log).not.toContain(urls[1] as string);
  }, 120_000);

  test("both leave a hub that is cut off from NATS, and go back to none by themselves", async () => {
    const before = addresses();
    cut(NEAR, NATS_HOST);
    for (const client of clients) await client.says(`at ${urls[1]}`);
    await connection?.answers(50);
    expect(addresses()).toEqual(before);
    lan.site(NEAR).run("ip", "neigh", "del", NATS_HOST, "dev", "eth0");
    await hubs[0]?.says("addresses: the store is there again");
    await connection?.answers(50);
    for (const client of clients) expect(client.log.split(`at ${urls[0]}`)).toHaveLength(2);
    expect(hubs[0]?.log.split("leave client")).toHaveLength(3);
  }, 120_000);

  test("all stay where they are while no hub has NATS", async () => {
    await nats.kill();
    try {
      await until(() => hubs.every(({ log }) => log.includes("is lost; trying again")), "both hubs know");
      await hubs[0]?.says("addresses: the hub is cut off");
      await connection?.answers(150);
    } finally {
      await nats.restart();
    }
    for (const hub of hubs) await hub.says("addresses: the store is there again");
    await connection?.answers(20);
    expect(clients.map(({ ended }) => ended)).toEqual([false, false]);
  }, 120_000);
});
