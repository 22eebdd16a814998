/** Addresses of a LAN of several hubs, as NATS keeps them: a cluster of three, one server, and one without JetStream. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Applicant } from "../../apps/switch/addresses/book.ts";
import { bucketOf, openNatsStore } from "../../apps/switch/addresses/nats-store.ts";
import { SharedLeases, type SharedLeasesOptions } from "../../apps/switch/addresses/shared-leases.ts";
import { type BackboneConnection, connectBackbone } from "../../apps/switch/backbone/connection.ts";
import { describeWithTools } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { NATS, NatsServer } from "./nats.ts";

interface NatsHub extends AsyncDisposable {
  readonly book: SharedLeases;
  readonly connection: BackboneConnection;
  readonly log: string[];
  readonly moved: string[];
}

/** The address book of a hub that is connected to one of the servers, or to others when that is gone. */
async function hub(
  name: string,
  servers: readonly NatsServer[],
  lan: string,
  options: Partial<SharedLeasesOptions> = {},
): Promise<NatsHub> {
  const urls = servers.map(({ url }) => url);
  const connection = await connectBackbone({ servers: urls, lan, hub: name, credentials: undefined, tls: undefined });
  const log: string[] = [];
  const moved: string[] = [];
  const say = (line: string): void => void log.push(line);
  const isConnected = (): boolean => connection.isConnected;
  const end = async (): Promise<void> => {
    await book?.close();
    await connection.close();
  };
  let book: SharedLeases | undefined;
  try {
    const store = await openNatsStore(connection.nats, { lan, isConnected, log: say });
    book = await SharedLeases.open(store, {
      pool: "198.51.0.0/20",
      keepMs: 3_600_000,
      perOwnerMax: 32,
      hub: name,
      run: crypto.randomUUID(),
      clock: () => performance.now(),
      log: say,
      moved: (id) => moved.push(id),
      lost: () => {},
      recovered: () => {},
      ...options,
    });
  } catch (error) {
    await end();
    throw error;
  }
  const opened = book;
  connection.onEvent(() => opened.connectionChanged());
  return { book, connection, log, moved, [Symbol.asyncDispose]: end };
}

const client = (id: string, owner = `of ${id}`): Applicant => ({ id, owner, now: 0 });

describeWithTools("addresses in NATS", ["ip", NATS], () => {
  beforeAll(() => run("ip", "link", "set", "lo", "up"));

  describe("a cluster of three", () => {
    const hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let servers: NatsServer[] = [];
    beforeAll(async () => {
      servers = await NatsServer.startCluster(hosts);
    }, 120_000);
    afterAll(async () => {
      for (const server of servers) await server[Symbol.asyncDispose]();
    });
    /** The servers, another one first for each hub. */
    const from = (index: number): NatsServer[] => [...servers.slice(index), ...servers.slice(0, index)];

    test("no address is given twice in a thousand joins at three hubs at once", async () => {
      await using stack = new AsyncDisposableStack();
      const hubs: NatsHub[] = [];
      for (const [i, name] of ["a", "b", "c"].entries()) hubs.push(stack.use(await hub(name, from(i), "thousand")));
      // Ten clients of each machine, at all hubs; and each client wishes what all others wish.
      const ask = (i: number) => hubs[i % 3]?.book.lease(client(`client${i}`, `machine ${i % 100}`), "198.51.0.1");
      const first = Array.from({ length: 1000 }, (_, i) => i);
      const given = new Map<number, string>();
      // A store that is slow today gives some of them later.
      for (let round = 0; given.size < 1000 && round < 10; round++) {
        const missing = first.filter((i) => !given.has(i));
        const answers = await Promise.all(missing.map(ask));
        for (const [at, address] of answers.entries())
          if (address !== undefined) given.set(missing[at] as number, address);
      }
      expect([given.size, new Set(given.values()).size]).toEqual([1000, 1000]);
      const { replicas } = await bucketStatus(hubs[0] as NatsHub, "thousand");
      expect(replicas).toBe(3);
      // Each hub knows all of it, and each client has the same address at another one.
      await until(() => hubs.every(({ book }) => book.status().given === 1000), "all hubs know all");
      for (let i = 0; i < 9; i++)
        expect(await hubs[(i + 1) % 3]?.book.lease(client(`client${i}`, `machine ${i % 100}`))).toBe(given.get(i));
    }, 120_000);

    test("the quota of a machine holds at three hubs at once", async () => {
      await using stack = new AsyncDisposableStack();
      const hubs: NatsHub[] = [];
      for (const [i, name] of ["a", "b", "c"].entries())
        hubs.push(stack.use(await hub(name, from(i), "quota", { perOwnerMax: 5 })));
      const asked = Array.from({ length: 30 }, (_, i) => hubs[i % 3]?.book.lease(client(`client${i}`, "machine")));
      const given = (await Promise.all(asked)).filter((address) => address !== undefined);
      expect([given.length, new Set(given).size]).toEqual([5, 5]);
    }, 120_000);

    test("the leader of the store may be killed: joins go on, and no address is given twice", async () => {
      await using stack = new AsyncDisposableStack();
      const hubs: NatsHub[] = [];
      for (const [i, name] of ["a", "b", "c"].entries()) hubs.push(stack.use(await hub(name, from(i), "killed")));
      const given = new Map<string, Set<string>>();
      const note = (id: string, address: string | undefined): void => {
        if (address !== undefined) given.set(id, (given.get(id) ?? new Set()).add(address));
      };
      const asked: Promise<void>[] = [];
      const ask = (i: number, at: number): void => {
        const asking = hubs[at % 3]?.book.lease(client(`client${i}`)) ?? Promise.resolve(undefined);
        asked.push(asking.then((address) => note(`client${i}`, address)));
      };
      for (let i = 0; i < 60; i++) ask(i, i);
      const { leader } = await bucketStatus(hubs[0] as NatsHub, "killed");
      const killed = servers.find(({ folder }) => folder && leader === nameOf(servers, folder)) as NatsServer;
      await killed.kill();
      for (let i = 60; i < 120; i++) ask(i, i);
      await Promise.all(asked.splice(0));
      await until(
        () => hubs.every(({ book, connection }) => connection.isConnected && book.trouble === undefined),
        "new leader",
      );
      // A client that got none asks again, at another hub.
      for (let round = 0; given.size < 120 && round < 10; round++) {
        for (let i = 0; i < 120; i++) if (!given.has(`client${i}`)) ask(i, i + 1);
        await Promise.all(asked.splice(0));
      }
      const all = [...given.values()].map((addresses) => [...addresses]);
      expect([all.length, all.flat().length, new Set(all.flat()).size]).toEqual([120, 120, 120]);
      await killed.restart();
    }, 120_000);
  });

  describe("one server", () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await NatsServer.start({ jetStream: true, port: 4322 });
    });
    afterAll(async () => await server[Symbol.asyncDispose]());

    test("has one replica, as the log says", async () => {
      await using one = await hub("a", [server], "alone");
      expect(one.log[0]).toMatch(/^addresses: one replica of the store instead of 3: /);
      expect(await one.book.lease(client("one"))).toMatch(/^198\.51\.\d+\.\d+\/20$/);
    });

    test("refuses a hub with another pool, and knows nothing of the pools of other LANs", async () => {
      await using _ = await hub("a", [server], "pools");
      await expect(hub("b", [server], "pools", { pool: "203.0.113.0/24" })).rejects.toThrow(
        "--pool 203.0.113.0/24 cannot be used, as the LAN has the pool 198.51.0.0/20: give all hubs the same pool",
      );
      await using other = await hub("b", [server], "others", { pool: "203.0.113.0/24" });
      expect(other.book.status()).toEqual({ given: 0, size: 254, available: true });
    });

    test("keeps addresses over the restart of all hubs, and of itself", async () => {
      const given: (string | undefined)[] = [];
      {
        await using one = await hub("a", [server], "restart");
        given.push(await one.book.lease(client("one")));
        one.book.release("one");
      }
      await using again = await hub("a", [server], "restart");
      given.push(await again.book.lease(client("one")));
      await server.kill();
      await until(() => again.book.trouble !== undefined, "the hub knows that it is cut off");
      expect(await again.book.lease(client("two"))).toBeUndefined();
      given.push(await again.book.lease(client("one")));
      await server.restart();
      await until(() => again.book.trouble === undefined, "the store is there again");
      given.push(await again.book.lease(client("one")));
      expect([new Set(given).size, given[0] !== undefined]).toEqual([1, true]);
      expect(await again.book.lease(client("two"))).toBeDefined();
      // Nothing that a hub does to the bucket keeps the server from reading it.
      expect(server.log).not.toContain("[WRN]");
      await using other = await hub("b", [server], "restart");
      expect(await other.book.lease(client("one"))).toBe(given[0]);
    }, 120_000);

    test("that stops for a while is waited for, but not for long", async () => {
      await using one = await hub("a", [server], "stopped");
      const given = await one.book.lease(client("one"));
      server.signal("SIGSTOP");
      try {
        await until(() => / T /.test(readFileSync(`/proc/${server.pid}/stat`, "utf8")), "it has stopped");
        const asked = [one.book.lease(client("one")), one.book.lease(client("two"))];
        expect(await Promise.all(asked)).toEqual([given, undefined]);
        expect(one.book.status().available).toBe(false);
      } finally {
        server.signal("SIGCONT");
      }
      await until(() => one.book.trouble === undefined, "the store is there again");
      expect(await one.book.lease(client("two"))).toBeDefined();
    }, 120_000);

    test("may have anything in the bucket", async () => {
      await using one = await hub("a", [server], "foreign");
      const { Kvm } = await import("@nats-io/kv");
      const kv = await new Kvm(one.connection.nats).open(bucketOf("foreign"));
      const given = await one.book.lease(client("one"));
      const own = given?.split("/")[0] as string;
      for (const key of [`address.${own}`, "address.198.51.0.9", "hub.a", "owner.of=20one", "x.y"])
        await kv.put(key, Uint8Array.of(0xff, 0, 0x7b));
      await until(() => one.book.details().garbage >= 5, "all are seen");
      await kv.purge("x.y");
      expect(await one.book.lease(client("two"), "198.51.0.9")).toBe("198.51.0.9/20");
      expect(await one.book.lease(client("one"), own)).toBe(given);
    });
  });

  test("the permissions of the README are enough for a hub of one LAN, and keep it out of another", async () => {
    const readme = readFileSync(`${import.meta.dir}/../../apps/switch/README.md`, "utf8");
    const [, block = ""] = /```conf\n(.*?)```/s.exec(readme) ?? [];
    const config = block.replace(/^jetstream .*$/m, "");
    await using server = await NatsServer.start({ jetStream: true, port: 4324, config });
    const credentials = { kind: "user", user: "office", password: "s3cret" } as const;
    const connected = { servers: [server.url], lan: "office", hub: "a", tls: undefined, credentials };
    const connection = await connectBackbone(connected);
    try {
      const errors: string[] = [];
      connection.onEvent((event) => event.type === "error" && errors.push(event.message));
      const own = { isConnected: () => connection.isConnected, log: () => {} };
      const store = await openNatsStore(connection.nats, { lan: "office", ...own });
      const seen: string[] = [];
      await store.watch(0, ({ key }) => seen.push(key));
      const revision = await store.write("hub.a", "x", 0, 1000);
      expect((await store.read("hub.a", 1000))?.revision).toBe(revision);
      await until(() => seen.includes("hub.a"), "the watch tells");
      // It ends, and begins anew.
      await store.watch(revision, ({ key }) => seen.push(key));
      await store.write("hub.b", "x", 0, 1000);
      await until(() => seen.includes("hub.b"), "the watch tells");
      expect(errors).toEqual([]);
      store.close();
      await expect(openNatsStore(connection.nats, { lan: "other", ...own })).rejects.toThrow(
        "cannot be kept in JetStream",
      );
    } finally {
      await connection.close();
    }
  }, 120_000);

  test("a server without JetStream: says the line of its configuration that is missing", async () => {
    await using server = await NatsServer.start({ port: 4323 });
    await expect(hub("a", [server], "none")).rejects.toThrow(
      'has no JetStream, which keeps the addresses of --pool: put `jetstream { store_dir: "/var/lib/nats" }` into its configuration',
    );
  });
});

function nameOf(servers: readonly NatsServer[], folder: string): string {
  return `nats${servers.findIndex((server) => server.folder === folder) + 1}`;
}

async function bucketStatus({ connection }: NatsHub, lan: string): Promise<{ replicas: number; leader: string }> {
  const { Kvm } = await import("@nats-io/kv");
  const { replicas, streamInfo } = await (await new Kvm(connection.nats).open(bucketOf(lan))).status();
  return { replicas, leader: streamInfo.cluster?.leader ?? "" };
}
