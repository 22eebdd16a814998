/** Clients of a LAN with several hubs: which hub they go to, when, and what of it their programs see. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { announcement } from "../../apps/switch/announcement.ts";
import { HeldFrames } from "../../apps/switch/held-frames.ts";
import { Hubs } from "../../apps/switch/hubs.ts";
import { macAt } from "../../apps/switch/mac-table.ts";
import { type Failure, race } from "../../apps/switch/race.ts";
import { parseEthernet } from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { example, Lan, Running, tools } from "./switch-lan.ts";
import { EchoConnection } from "./tcp-echo-run.ts";

describe("the hubs of a client", () => {
  const addresses: Record<string, string[]> = { "hub.example": ["192.0.2.1", "2001:db8::1"], "none.example": [] };
  const lookup = async (name: string): Promise<string[]> => addresses[name] ?? Promise.reject(new Error("ENOTFOUND"));
  const urlsOf = async (hubs: Hubs, last?: string): Promise<string[]> =>
    (await hubs.addresses(last)).map(({ url }) => url);

  test("are all addresses of a name, which keeps its name for Host and certificate", async () => {
    const found = await new Hubs(["wss://hub.example:7000"], lookup).addresses();
    const named = { host: "hub.example:7000", serverName: "hub.example" };
    expect(found.toSorted((a, b) => a.url.localeCompare(b.url))).toEqual([
      { url: "wss://[2001:db8::1]:7000", ...named },
      { url: "wss://192.0.2.1:7000", ...named },
    ]);
  });

  test("are each there once, in any order, the one that was lost at the end", async () => {
    const hubs = new Hubs(["ws://192.0.2.1", "ws://192.0.2.2", "ws://hub.example", "ws://192.0.2.3"], lookup);
    const orders = await Promise.all(Array.from({ length: 300 }, () => urlsOf(hubs, "ws://192.0.2.2")));
    for (const order of orders) {
      expect(order.toSorted()).toEqual(["ws://192.0.2.1", "ws://192.0.2.2", "ws://192.0.2.3", "ws://[2001:db8::1]"]);
      expect(order.at(-1)).toBe("ws://192.0.2.2");
    }
    // Each of three is first in a third; fewer than 40 of 300 is nine standard deviations away.
    for (const url of ["ws://192.0.2.1", "ws://192.0.2.3", "ws://[2001:db8::1]"])
      expect(orders.filter(([first]) => first === url).length).toBeGreaterThan(40);
  });

  test("stay known when their name cannot be resolved any more; one that never could is tried by its name", async () => {
    let works = true;
    const hubs = new Hubs(["ws://hub.example:7000"], (name) => (works ? lookup(name) : Promise.reject(new Error())));
    const before = (await urlsOf(hubs)).toSorted();
    works = false;
    expect((await urlsOf(hubs)).toSorted()).toEqual(before);
    for (const name of ["none.example", "unknown.example"])
      expect(await new Hubs([`ws://${name}:7000`], lookup).addresses()).toEqual([{ url: `ws://${name}:7000` }]);
  });

  test("take an answer that comes late the next time", async () => {
    const { promise, resolve } = Promise.withResolvers<string[]>();
    let calls = 0;
    const hubs = new Hubs(["ws://hub.example"], () => (calls++ === 0 ? promise : new Promise(() => {})));
    expect(await urlsOf(hubs)).toEqual(["ws://hub.example"]);
    resolve(["192.0.2.1"]);
    await Bun.sleep(0);
    expect(await urlsOf(hubs)).toEqual(["ws://192.0.2.1"]);
  });

  test("do not wait for a name server that does not answer, once there are addresses", async () => {
    let answers = true;
    const hubs = new Hubs(["ws://hub.example"], (name) => (answers ? lookup(name) : new Promise(() => {})));
    const before = (await urlsOf(hubs)).toSorted();
    answers = false;
    expect((await urlsOf(hubs)).toSorted()).toEqual(before);
  });
});

describe("the race of attempts", () => {
  /** Attempts that end when the test says so. */
  function attempts(count: number) {
    const each = Array.from({ length: count }, () => Promise.withResolvers<string>());
    const started: number[] = [];
    const signals: AbortSignal[] = [];
    const late: string[] = [];
    const list = each.map(({ promise }, index) => (signal: AbortSignal) => {
      started.push(index);
      signals[index] = signal;
      return promise;
    });
    return { each, started, signals, late, list };
  }
  const never = new AbortController().signal;
  const indexes = (failures: readonly Failure[]): number[] => failures.map(({ index }) => index);

  test("starts the next one when another fails, and not before its head start is over", async () => {
    const { each, started, signals, late, list } = attempts(3);
    const outcome = race(list, 1e6, never, (result) => late.push(result));
    expect(started).toEqual([0]);
    each[0]?.reject(new Error("refused"));
    await until(() => started.length === 2, "the second has started");
    each[1]?.resolve("second");
    const { won, failures } = await outcome;
    expect([won, indexes(failures), started]).toEqual(["second", [0], [0, 1]]);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test("tries the next one beside one that does not answer, and gives back what comes too late", async () => {
    const { each, started, late, list } = attempts(3);
    const outcome = race(list, 10, never, (result) => late.push(result));
    await until(() => started.length === 3, "all have started");
    each[1]?.resolve("second");
    expect((await outcome).won).toBe("second");
    each[0]?.resolve("first");
    each[2]?.reject(new Error("stopped"));
    await until(() => late.length > 0, "the late one");
    expect(late).toEqual(["first"]);
  });

  test("has no winner if all fail, if there are none, or if it is stopped", async () => {
    const all = attempts(2);
    const failed = race(all.list, 1e6, never, () => {});
    for (const { reject } of all.each) reject(new Error("refused"));
    expect(indexes((await failed).failures)).toEqual([0, 1]);
    expect(await race([], 10, never, () => {})).toEqual({ failures: [] });
    const stop = new AbortController();
    const { list, signals } = attempts(2);
    const stopped = race(list, 1e6, stop.signal, () => {});
    stop.abort();
    expect([await stopped, signals[0]?.aborted]).toEqual([{ failures: [] }, true]);
    expect(await race(list, 10, stop.signal, () => {})).toEqual({ failures: [] });
  });
});

test("a station that has moved says so in a broadcast of its own", () => {
  const mac = Uint8Array.fromHex("02005e005301");
  const frame = announcement(mac);
  expect([frame.length, macAt(frame, 0), macAt(frame, 6)]).toEqual([60, 0xffffffffffff, 0x02005e005301]);
  expect(parseEthernet(frame)?.etherType).toBe(0x8035);
});

test("of the frames that wait for another hub the last ones are kept, as copies, and the others counted", () => {
  const held = new HeldFrames({ framesMax: 3, bytesMax: 100 });
  const frame = new Uint8Array(20).fill(1);
  expect(held.add([frame])).toBe(0);
  frame.fill(2);
  expect([held.add([frame]), held.add([frame]), held.add([frame.slice().fill(3)])]).toEqual([0, 0, 1]);
  expect(held.takeAll().map(([first]) => first)).toEqual([2, 2, 3]);
  expect(held.takeAll()).toEqual([]);
  // By bytes, too: one that is longer than all that may wait is not kept at all.
  expect([held.add([new Uint8Array(60)]), held.add([new Uint8Array(60)]), held.add([new Uint8Array(101)])]).toEqual([
    0, 1, 2,
  ]);
  expect(held.takeAll()).toEqual([]);
});

describeWithTools("two clients with two hubs", tools, () => {
  const [NEAR, FAR] = [3, 4];
  const urls = [NEAR, FAR].map((number) => `ws://192.0.2.${10 + number}:7000`);
  const pool = ["--pool", "198.51.100.0/24"];
  let lan: Lan;
  let hubs: Running[];
  let clients: Running[];
  let connection: EchoConnection | undefined;

  beforeAll(async () => {
    lan = await Lan.open(4);
  }, 120_000);
  // Without a backbone two hubs are two LANs: both clients find the first alone, and later the second alone.
  beforeEach(async () => {
    hubs = [await lan.serveAt(NEAR, ...pool)];
    // Several hubs have 1.2 s by default, for which a busy machine may stop: no client is to leave a hub for nothing.
    const args = [...urls, "--token-file", lan.tokenFile, "--timeout", "3"];
    clients = [1, 2].map((number) => lan.startJoin(number, [...args, "--id", `client${number}`]));
    for (const client of clients) await client.says("lan0 is in the LAN");
    hubs.push(await lan.serveAt(FAR, ...pool));
  }, 120_000);
  afterEach(async () => {
    connection?.[Symbol.dispose]();
    await Promise.all([...clients, ...hubs].map((running) => running.end("SIGKILL")));
  });
  afterAll(async () => expect(await lan.end()).toEqual([]), 30_000);

  test("a TCP connection lives on when the hub is killed: interface, MAC, address and carrier stay", async () => {
    connection = await EchoConnection.open(lan, 1, 2);
    await connection.answers(20);
    const before = [1, 2].map((number) => lan.interfaceOf(number));
    using watched = lan.site(1).start("ip", "-o", "monitor", "link", "dev", "lan0");
    await hubs[0]?.end("SIGKILL");
    for (const client of clients) await client.says(`at ${urls[1]}`);
    await connection.answers(50);
    const now = [1, 2].map((number) => lan.interfaceOf(number));
    expect(now).toEqual(before);
    watched.signal("SIGTERM");
  }, 120_000);

  test("a hub that is cut off is noticed, and one that comes back is not gone to", async () => {
    connection = await EchoConnection.open(lan, 1, 2);
    await connection.answers(20);
    lan.site(NEAR).run("ip", "link", "set", "eth0", "down");
    for (const client of clients) await client.says(`at ${urls[1]}`);
    await connection.answers(50);
    lan.site(NEAR).run("ip", "link", "set", "eth0", "up");
    await connection.answers(100);
    for (const client of clients) expect(client.log.split("is in the LAN")).toHaveLength(3);
  }, 120_000);

  test("a hub that is stopped is noticed, too, and does not keep a client from another", async () => {
    hubs[0]?.signal("SIGSTOP");
    for (const client of clients) await client.says(`at ${urls[1]}`);
    // A new one tries either first.
    for (let i = 0; i < 2; i++) {
      await clients[0]?.end();
      clients[0] = lan.startJoin(1, [...urls, "--token-file", lan.tokenFile, "--id", "client1"]);
      await clients[0].says(`at ${urls[1]}`);
    }
  }, 120_000);
});

describeWithTools("a client of hubs that do not let it in", [...tools, "openssl"], () => {
  const [FIRST, SECOND] = [2, 3];
  const urls = [FIRST, SECOND].map((number) => `ws://192.0.2.${10 + number}:7000`);
  let lan: Lan;
  let running: Running[] = [];

  beforeAll(async () => {
    lan = await Lan.open(3);
  }, 120_000);
  afterEach(async () => {
    await Promise.all(running.map((each) => each.end("SIGKILL")));
    running = [];
  });
  afterAll(async () => expect(await lan.end()).toEqual([]), 30_000);

  function join(...args: string[]): Running {
    const client = lan.startJoin(1, args);
    running.push(client);
    return client;
  }

  test("goes to the next one if a hub is full, or does not know its token", async () => {
    running.push(await lan.serveAt(SECOND, "--pool", "198.51.100.0/24"));
    const full = await lan.serveAt(FIRST, "--ports", "1");
    running.push(full);
    running.push(lan.startJoin(SECOND, [urls[0] as string, "--token-file", lan.tokenFile]));
    await running.at(-1)?.says("lan0 is in the LAN");
    // Whichever it tries first.
    for (let i = 0; i < 2; i++) {
      const client = join(...urls, "--token-file", lan.tokenFile);
      await client.says(`at ${urls[1]}`);
      expect(client.log).not.toContain(`at ${urls[0]}`);
      await client.end();
    }
    await full.end();
    writeFileSync(`${lan.folder}/other`, "another-token-for-it");
    running.push(await lan.serveAt(FIRST, "--token-file", `${lan.folder}/other`));
    const client = join(...urls, "--token-file", lan.tokenFile);
    await client.says(`at ${urls[1]}`);
    await client.end();
  }, 120_000);

  test("ends if all of them do not know its token, and goes on trying if one cannot be asked", async () => {
    running.push(await lan.serveAt(FIRST), await lan.serveAt(SECOND));
    writeFileSync(`${lan.folder}/wrong`, "a-token-that-is-wrong");
    const args = [...urls, "--token-file", `${lan.folder}/wrong`];
    const client = join(...args);
    expect(await client.exited).toBe(1);
    expect(client.log).toBe("The switch does not know this token: use the token that the switch has\n");
    await running[1]?.end();
    const other = join(...args);
    await other.says("trying again");
    expect([other.ended, other.log]).toEqual([false, expect.stringContaining("The switch does not know this token")]);
  }, 120_000);

  test("finds all addresses of a name, over TLS, too", async () => {
    const { folder } = lan;
    const names = ["-subj", "/CN=hub.example", "-addext", "subjectAltName=DNS:hub.example"];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${folder}/key`];
    run("openssl", "req", "-x509", ...key, "-out", `${folder}/cert`, "-days", "2", ...names);
    const tls = ["--tls-cert", `${folder}/cert`, "--tls-key", `${folder}/key`, "--pool", "198.51.100.0/24"];
    const hubs = [await lan.serveAt(FIRST, ...tls), await lan.serveAt(SECOND, ...tls)];
    running.push(...hubs);
    writeFileSync(`${folder}/hosts`, "192.0.2.12 hub.example\n192.0.2.13 hub.example\n192.0.2.99 hub.example\n");
    const inside = ["unshare", "-m", "sh", "-c", `mount --bind ${folder}/hosts /etc/hosts && exec "$@"`, "sh"];
    const args = ["join", "wss://hub.example:7000", "--tls-ca", `${folder}/cert`, "--token-file", lan.tokenFile];
    const client = new Running(["nsenter", `--net=${lan.site(1).path}`, ...inside, ...example, ...args], {});
    running.push(client);
    await client.says("at wss://192.0.2.1");
    const [first, other] = client.log.includes("at wss://192.0.2.12:7000") ? [0, "13"] : [1, "12"];
    await hubs[first]?.end("SIGKILL");
    await client.says(`at wss://192.0.2.${other}:7000`);
  }, 120_000);
});
