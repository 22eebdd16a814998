/** Addresses of a LAN of several hubs, with the store in memory: what is given, kept, moved, refused and healed. */
import { afterEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Applicant } from "../../apps/switch/addresses/book.ts";
import { SharedLeases, type SharedLeasesOptions } from "../../apps/switch/addresses/shared-leases.ts";
import { Turns } from "../../apps/switch/addresses/turns.ts";
import { ProgramError } from "../../src/cli/program.ts";
import { until } from "../support/system.ts";
import { type Line, MemoryStore } from "./switch-store.ts";

const MINUTE = 60_000;
const KEEP_MS = 60 * MINUTE;

interface TestHub {
  readonly book: SharedLeases;
  readonly line: Line;
  readonly log: string[];
  readonly moved: string[];
  readonly lost: string[];
  readonly clock: { skewMs: number };
}

let store = new MemoryStore();
let hubs: TestHub[] = [];
afterEach(async () => {
  for (const { book, line } of hubs) {
    line.isConnected = false;
    await book.close();
  }
  [store, hubs] = [new MemoryStore(), []];
});

/** A hub whose clock begins somewhere, and can be moved. */
async function hub(name: string, options: Partial<SharedLeasesOptions> = {}, random?: () => number): Promise<TestHub> {
  const line = store.line(random);
  const [log, moved, lost]: [string[], string[], string[]] = [[], [], []];
  const clock = { skewMs: Math.random() * KEEP_MS };
  const book = await SharedLeases.open(line, {
    pool: "198.51.100.0/24",
    keepMs: KEEP_MS,
    perOwnerMax: 8,
    hub: name,
    run: `run of ${name}`,
    clock: () => performance.now() + clock.skewMs,
    log: (text) => log.push(text),
    moved: (id) => moved.push(id),
    lost: (id, address) => lost.push(`${id} ${address}`),
    recovered: () => {},
    ...options,
  });
  const hub: TestHub = { book, line, log, moved, lost, clock };
  hubs.push(hub);
  return hub;
}

const client = (id: string, owner = `of ${id}`): Applicant => ({ id, owner, now: 0 });
const leases = (): Record<string, { id: string; hub: string; here: boolean }> => store.values("address.") as never;

describe("an address of a LAN of several hubs", () => {
  test("is given once, whichever hub gives it, and a client has the same at each", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const first = await a.book.lease(client("one"));
    const second = await b.book.lease(client("two"));
    expect(first).toMatch(/^198\.51\.100\.\d+\/24$/);
    expect(second).not.toBe(first as string);
    expect(await b.book.lease(client("one"))).toBe(first);
    await until(() => a.moved.length > 0, "the first hub knows that its client has gone to the other");
    expect([a.moved, b.moved, a.lost]).toEqual([["one"], [], []]);
    expect(Object.values(leases()).map(({ id, hub, here }) => [id, hub, here])).toEqual(
      expect.arrayContaining([
        ["one", "b", true],
        ["two", "b", true],
      ]),
    );
  });

  test("stays that of a client whose hub was killed, at once and while it is away", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const given = await a.book.lease(client("one"));
    a.line.close();
    expect(await b.book.lease(client("one"))).toBe(given);
    b.book.release("one");
    await until(() => Object.values(leases())[0]?.here === false, "the store knows that it is away");
    for (const { clock } of hubs) clock.skewMs += KEEP_MS - MINUTE;
    const others = await Promise.all(Array.from({ length: 254 }, (_, i) => b.book.lease(client(`other${i}`))));
    expect(others.filter((address) => address !== undefined)).toHaveLength(253);
    expect(others).not.toContain(given);
    expect(await b.book.lease(client("one"))).toBe(given);
  });

  test("is given to another when nothing was seen of its client for longer than the lease, and no clock is compared", async () => {
    const [a, b] = [await hub("a", { pool: "198.51.100.0/30" }), await hub("b", { pool: "198.51.100.0/30" })];
    const given = await Promise.all(["one", "two"].map((id) => a.book.lease(client(id))));
    expect(given.toSorted()).toEqual(["198.51.100.1/30", "198.51.100.2/30"]);
    a.book.release("one");
    await until(() => Object.values(leases()).some(({ here }) => !here), "it is away");
    expect(await b.book.lease(client("three"))).toBeUndefined();
    b.clock.skewMs += KEEP_MS;
    // The hub of the other is alive, as its signs say.
    const before = store.revision;
    a.book.connectionChanged();
    await until(() => store.revision > before, "a sign of life");
    expect(await b.book.lease(client("three"))).toBe(given[0] as string);
    expect(await b.book.lease(client("four"))).toBeUndefined();
    expect(await a.book.lease(client("one"))).toBeUndefined();
  });

  test("of a hub that is gone is not kept longer than that of a client that has left", async () => {
    const [a, b] = [await hub("a", { pool: "198.51.100.0/30" }), await hub("b", { pool: "198.51.100.0/30" })];
    await Promise.all(["one", "two"].map((id) => a.book.lease(client(id))));
    await b.book.lease(client("two"));
    a.line.isConnected = false;
    b.clock.skewMs += KEEP_MS;
    expect(await b.book.lease(client("three"))).toBeDefined();
    expect(
      Object.values(leases())
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(["three", "two"]);
  });

  test("is that which a client wishes or claims, if it is free; a claim frees what the client had", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    expect(await a.book.lease(client("one"), "198.51.100.77/24")).toBe("198.51.100.77/24");
    expect(await b.book.lease(client("two"), "198.51.100.77/24")).not.toBe("198.51.100.77/24");
    expect(await b.book.claim(client("three"), "198.51.100.77/24")).toBe(false);
    expect(await b.book.claim(client("three"), "198.51.100.78/24")).toBe(true);
    expect(await a.book.claim(client("one"), "198.51.100.79/24")).toBe(true);
    expect(await b.book.claim(client("four"), "198.51.100.77/24")).toBe(true);
    expect(await b.book.claim(client("five"), "203.0.113.1/24")).toBe(true);
    for (const wish of ["", "x", "198.51.100.0/24", "198.51.100.255/24", "2001:db8::1/64"])
      expect(await a.book.lease(client(`wish${wish.length}`), wish)).toMatch(/^198\.51\.100\.\d+\/24$/);
  });

  test("is not taken back by an earlier connection of its client that comes late", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const connection = (sequence: number): Applicant => ({ ...client("one"), run: "process", sequence });
    const given = await b.book.lease(connection(2));
    expect(await a.book.lease(connection(1))).toBe(given);
    expect([b.moved, Object.values(leases()).map((lease) => lease.hub)]).toEqual([[], ["b"]]);
    // Nor does the end of that connection change anything, or one that was written before the later one was known.
    a.book.release("one");
    const record = store.values("address.") as Record<string, object>;
    const [key = ""] = Object.keys(record);
    store.put(key, JSON.stringify({ ...record[key], hub: "a", run: "run of a", sequence: 1 }));
    await until(() => Object.values(leases())[0]?.hub === "b", "the second hub writes it again");
    expect(b.moved).toEqual([]);
  });

  test("of a client that joins at two hubs at once is one, and one of them keeps the client", async () => {
    for (let round = 0; round < 20; round++) {
      const [a, b] = [await hub("a", {}, Math.random), await hub("b", {}, Math.random)];
      const [at, bt] = await Promise.all([a.book.lease(client("one")), b.book.lease(client("one"))]);
      await until(() => a.moved.length + b.moved.length === 1, "one of them has lost it");
      expect([Object.keys(leases()).length, at]).toEqual([1, bt]);
      for (const { line } of hubs) line.close();
      [store, hubs] = [new MemoryStore(), []];
    }
  });
});

describe("the quota of a machine", () => {
  const small = { perOwnerMax: 3 };

  test("holds across hubs, at once or one after the other", async () => {
    const three = [await hub("a", small, Math.random), await hub("b", small, Math.random), await hub("c", small)];
    const asked = Array.from({ length: 12 }, (_, i) => three[i % 3]?.book.lease(client(`client${i}`, "machine")));
    const given = (await Promise.all(asked)).filter((address) => address !== undefined);
    expect([given.length, new Set(given).size, Object.keys(leases()).length]).toEqual([3, 3, 3]);
    expect(await three[0]?.book.claim(client("more", "machine"), "198.51.100.9")).toBe(false);
    expect(await three[0]?.book.lease(client("other", "other machine"))).toBeDefined();
  });

  test("holds with a store that takes several writes of one revision, as a cluster of nats-server 2.9 does", async () => {
    for (let round = 0; round < 10; round++) {
      const three: TestHub[] = [];
      for (const name of ["a", "b", "c"]) three.push(await hub(name, small, Math.random));
      const asked = Array.from({ length: 15 }, (_, i) => three[i % 3]?.book.lease(client(`client${i}`, "machine")));
      const given = (await Promise.all(asked)).filter((address) => address !== undefined);
      expect([given.length, new Set(given).size, Object.keys(leases()).length]).toEqual([3, 3, 3]);
      for (const { line } of hubs) line.close();
      [store, hubs] = [new MemoryStore(), []];
    }
  });

  test("gives way to new clients of the machine: the lease of the one that left first goes", async () => {
    const [a, b] = [await hub("a", small), await hub("b", small)];
    const given = [];
    for (const id of ["one", "two", "three"]) given.push(await a.book.lease(client(id, "machine")));
    for (const id of ["two", "one"]) {
      a.book.release(id);
      await until(() => Object.values(leases()).find((lease) => lease.id === id)?.here === false, `${id} is away`);
      for (const { clock } of hubs) clock.skewMs += 10;
    }
    expect(await b.book.lease(client("four", "machine"))).toBeDefined();
    expect(
      Object.values(leases())
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(["four", "one", "three"]);
    expect(await b.book.lease(client("one", "machine"))).toBe(given[0]);
    expect(await b.book.lease(client("five", "machine"))).toBeUndefined();
  });

  test("counts what a hub that crashed between two writes has left over, and heals", async () => {
    const [a, b] = [await hub("a", small), await hub("b", small)];
    a.line.before = (key) => {
      if (key.startsWith("owner.")) a.line.loses = "writes";
    };
    expect(await a.book.lease(client("one", "machine"))).toBeUndefined();
    expect([Object.keys(leases()).length, store.values("owner.")]).toEqual([1, {}]);
    a.line.close();
    for (const id of ["two", "three"]) expect(await b.book.lease(client(id, "machine"))).toBeDefined();
    b.clock.skewMs += MINUTE;
    // The hub of the one that is left over is gone, and so is its client.
    expect(await b.book.lease(client("four", "machine"))).toBeDefined();
    expect(await b.book.lease(client("five", "machine"))).toBeUndefined();
    const [list] = Object.values(store.values("owner.")) as { hosts: number[] }[];
    expect(list?.hosts.map((host) => leases()[`address.198.51.100.${host}`]?.id).toSorted()).toEqual([
      "four",
      "three",
      "two",
    ]);
  });

  test("follows a client to another machine", async () => {
    const a = await hub("a", { perOwnerMax: 1 });
    const given = await a.book.lease(client("one", "machine"));
    expect(await a.book.lease(client("one", "elsewhere"))).toBe(given);
    expect(await a.book.lease(client("two", "machine"))).toBeDefined();
    expect(await a.book.lease(client("three", "elsewhere"))).toBeUndefined();
  });
});

describe("a hub that is cut off from the store", () => {
  function cut(hub: TestHub): void {
    hub.line.isConnected = false;
    hub.book.connectionChanged();
  }
  async function mend(hub: TestHub): Promise<void> {
    hub.line.isConnected = true;
    hub.book.connectionChanged();
    await until(() => hub.book.trouble === undefined, "the store is there again");
  }

  test("says so, keeps the addresses of clients that it knows, and gives no new one", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const [one, two] = [await a.book.lease(client("one")), await b.book.lease(client("two"))];
    await until(() => a.book.status().given === 2, "the first hub knows both");
    cut(a);
    a.book.release("one");
    expect([await a.book.lease(client("one")), await a.book.lease(client("two"))]).toEqual([one, two]);
    expect([await a.book.lease(client("three")), await a.book.claim(client("three"), "198.51.100.9")]).toEqual([
      undefined,
      false,
    ]);
    expect([await a.book.claim(client("one"), one as string), a.book.status().available]).toEqual([true, false]);
    expect([a.book.trouble, a.log]).toEqual([
      "the hub is cut off from the store",
      ["addresses: the hub is cut off from the store: known clients keep theirs, no new ones are given"],
    ]);
    await mend(a);
    expect(a.log.at(-1)).toBe("addresses: the store is there again");
    expect(await a.book.lease(client("three"))).toBeDefined();
    // The second client is at the first hub now, which could not say so before.
    await until(() => b.moved.includes("two"), "the second hub hears of it");
    expect([a.moved, a.lost, b.lost]).toEqual([[], [], []]);
  });

  test("gives a client that it knows its address at once, whoever of its machine waits for a new one", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const given = await b.book.lease(client("one", "machine"));
    await until(() => a.book.status().given === 1, "the first hub knows");
    a.line.loses = "patience";
    // The first to ask finds out that the store does not answer.
    const others = ["two", "three"].map((id) => a.book.lease(client(id, "machine")));
    await until(() => a.book.trouble !== undefined, "the first hub knows that the store is of no use");
    const order: string[] = [];
    const known = a.book.lease(client("one", "machine")).then((address) => order.push(`${address}`));
    await Promise.all([known, ...others.map((other) => other.then((address) => order.push(`${address}`)))]);
    expect(order).toEqual([given as string, "undefined", "undefined"]);
  });

  test("does not take a client back that has joined elsewhere meanwhile", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    const one = await a.book.lease(client("one"));
    cut(a);
    expect(await b.book.lease(client("one"))).toBe(one);
    await mend(a);
    await until(() => a.moved.length > 0, "the first hub hears of it");
    expect([a.moved, b.moved]).toEqual([["one"], []]);
    expect(Object.values(leases())).toEqual([expect.objectContaining({ id: "one", hub: "b", here: true })]);
  });

  test("tells a client whose address was given to another, after longer than the lease", async () => {
    const pool = "198.51.100.0/30";
    const [a, b] = [await hub("a", { pool }), await hub("b", { pool })];
    const given = await Promise.all(["one", "two"].map((id) => a.book.lease(client(id))));
    cut(a);
    b.clock.skewMs += KEEP_MS;
    const taken = await b.book.lease(client("three"));
    expect(given).toContain(taken);
    await mend(a);
    await until(() => a.lost.length > 0, "the first hub hears of it");
    expect(a.lost).toEqual([`${given[0] === taken ? "one" : "two"} ${taken?.split("/")[0]}`]);
    // The other one is written again.
    await until(() => Object.values(leases()).filter(({ here }) => here).length === 2, "both are there");
  });

  test("gives no known address that may be another's by now", async () => {
    const a = await hub("a");
    await a.book.lease(client("one"));
    a.book.release("one");
    await until(() => Object.values(leases())[0]?.here === false, "it is away");
    cut(a);
    a.clock.skewMs += KEEP_MS;
    expect(await a.book.lease(client("one"))).toBeUndefined();
  });

  test("writes who has left when the store is there again", async () => {
    const a = await hub("a");
    await a.book.lease(client("one"));
    cut(a);
    a.book.release("one");
    await mend(a);
    await until(() => Object.values(leases())[0]?.here === false, "it is away");
  });

  test("gives up a store that does not answer, and finds what was written all the same", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    a.line.loses = "answers";
    expect(await a.book.lease(client("one"))).toBeUndefined();
    const written = Object.keys(leases());
    const given = await b.book.lease(client("one"));
    expect([written, Object.keys(leases())]).toEqual([written, [`address.${given?.split("/")[0]}`]]);
  });

  test("that hears nothing more of the store asks again", async () => {
    const [a, b] = [await hub("a"), await hub("b")];
    a.line.deaf = true;
    const given = await b.book.lease(client("one"));
    expect(await a.book.lease(client("one"))).toBe(given);
  });

  test("reads all anew when a record is not there any more, or another one than was seen", async () => {
    const a = await hub("a");
    const given = await a.book.lease(client("one"));
    const [key = ""] = Object.keys(leases());
    // A server that was stopped has come back as the leader, and has never had the last writes.
    for (const entry of store.entries.values())
      if (entry.key === key) store.entries.set(key, { ...entry, revision: 1.5 });
    expect(await a.book.lease(client("one"))).toBe(given);
    a.book.connectionChanged();
    await until(() => a.log.includes("addresses: the store has lost records: all are read anew"), "it reads anew");
    store.entries.delete(key);
    expect(await a.book.lease(client("one"))).toBe(given);
    expect(Object.keys(leases())).toEqual([key]);
  });

  test("begins anew with a store that has lost its records: its clients keep their addresses", async () => {
    const a = await hub("a");
    const given = await a.book.lease(client("one"));
    store.reset();
    cut(a);
    await mend(a);
    await until(() => Object.keys(leases()).length === 1, "the lease is written again");
    expect([await a.book.lease(client("one")), store.values("pool")]).toEqual([
      given,
      { pool: { pool: "198.51.100.0/24" } },
    ]);
  });
});

describe("a store with other things in it", () => {
  test.each([
    [
      "another pool",
      '{"pool":"203.0.113.0/24"}',
      "as the LAN has the pool 203.0.113.0/24: give all hubs the same pool",
    ],
    ["garbage", "\0", "as the store has something else where the LAN's pool should be"],
  ])("with %s is refused", async (_, value, says) => {
    store.put("pool", value);
    await expect(hub("a")).rejects.toThrow(says);
    await expect(hub("a")).rejects.toThrow(ProgramError);
  });

  test("counts what no hub has written, and lives with it", async () => {
    const a = await hub("a");
    const foreign = ["", "null", "7", '"x"', "[]", "{", '{"id":"a b"}', '{"hosts":["x"]}', '{"hosts":7}', "\uffff"];
    const keys = ["address.198.51.100.7", "address.203.0.113.1", "address.x", "owner.x", "hub.x", "x", "address"];
    for (const key of keys) for (const value of foreign) store.put(key, value);
    const [one, other] = [await a.book.lease(client("one"), "198.51.100.7"), await a.book.lease(client("two"))];
    expect([one, other !== undefined, a.book.details().garbage]).toEqual([
      "198.51.100.7/24",
      true,
      keys.length * foreign.length,
    ]);
    fc.assert(
      fc.property(
        fc.constantFrom(...keys),
        fc.oneof(fc.json(), fc.string()),
        (key, value) => void store.put(key, value),
      ),
    );
    expect(await a.book.lease(client("two"))).toBe(other);
  });
});

test("a thousand clients at three hubs at once: no address twice", async () => {
  const options = { pool: "198.51.0.0/20", perOwnerMax: 32 };
  const three: TestHub[] = [];
  for (const name of ["a", "b", "c"]) three.push(await hub(name, options, Math.random));
  const given = new Map<number, string>();
  // On a busy machine some of them do not get theirs within two seconds, and ask again.
  for (let round = 0; given.size < 1000 && round < 20; round++) {
    const missing = Array.from({ length: 1000 }, (_, i) => i).filter((i) => !given.has(i));
    const ask = (i: number) => three[i % 3]?.book.lease(client(`client${i}`, `machine ${i % 100}`), "198.51.0.1/20");
    const answers = await Promise.all(missing.map(ask));
    for (const [at, address] of answers.entries()) if (address !== undefined) given.set(missing[at] as number, address);
  }
  expect([given.size, new Set(given.values()).size]).toEqual([1000, 1000]);
}, 120_000);

test("whatever clients and hubs do, each client that is there has an address of its own in the end", async () => {
  const step = fc.record({
    what: fc.constantFrom("join", "join", "join", "leave", "cut", "mend", "lose answers", "wait"),
    at: fc.nat(2),
    who: fc.nat(11),
    claims: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      for (const { line } of hubs) line.close();
      [store, hubs] = [new MemoryStore(), []];
      const options = { pool: "198.51.100.0/28", perOwnerMax: 3 };
      for (const name of ["a", "b", "c"]) await hub(name, options, Math.random);
      /** Who is at which hub, with which address: a client is at the hub that it came to last. */
      const sessions = new Map<string, { hub: TestHub; address: string }>();
      const pending: Promise<unknown>[] = [];
      const at = (index: number): TestHub => hubs[index] as TestHub;
      const end = (id: string): void => {
        sessions.get(id)?.hub.book.release(id);
        sessions.delete(id);
      };
      let sequence = 0;
      const last = new Map<string, { readonly sequence: number; readonly there: TestHub }>();
      async function join(there: TestHub, who: number, claims: boolean): Promise<void> {
        const applicant = { ...client(`c${who}`, `machine ${who % 3}`), run: "process", sequence: ++sequence };
        last.set(applicant.id, { sequence, there });
        // As the members of a hub do: an earlier connection to the same hub ends first.
        if (sessions.get(applicant.id)?.hub === there) end(applicant.id);
        const claim = `198.51.100.${1 + who}`;
        const address = claims
          ? (await there.book.claim(applicant, claim)) && claim
          : (await there.book.lease(applicant))?.split("/")[0];
        const now = last.get(applicant.id);
        if (now?.sequence !== applicant.sequence) {
          if (now?.there !== there) there.book.release(applicant.id);
          return;
        }
        if (sessions.get(applicant.id)?.hub !== there) end(applicant.id);
        if (address) sessions.set(applicant.id, { hub: there, address });
      }
      for (const { what, at: index, who, claims } of steps) {
        const there = at(index);
        if (what === "join") pending.push(join(there, who, claims));
        else if (what === "leave") end(`c${who}`);
        else if (what === "wait") await Promise.all(pending.splice(0));
        else if (what === "lose answers") there.line.loses = "answers";
        else {
          there.line.isConnected = what === "mend";
          there.line.loses = "nothing";
          there.book.connectionChanged();
        }
      }
      await Promise.all(pending);
      for (const { line, book } of hubs) {
        line.loses = "nothing";
        line.isConnected = true;
        book.connectionChanged();
      }
      const problems = (): string[] => {
        const found: string[] = hubs.flatMap(({ book }) => book.trouble ?? []);
        for (const [id, { hub, address }] of sessions) {
          // The hub would have ended these.
          if (hub.moved.includes(id) || hub.lost.some((lost) => lost.startsWith(`${id} `))) continue;
          const record = leases()[`address.${address}`];
          if (record?.id !== id || !record.here) found.push(`${id} has ${address}, which is ${JSON.stringify(record)}`);
        }
        return found;
      };
      await until(
        () => problems().length === 0,
        () => problems().join("; "),
        15_000,
      );
    }),
    { numRuns: 50, endOnFailure: true },
  );
}, 120_000);

test("turns of one name follow each other, whatever becomes of them, and those of others do not wait", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take("a", async () => {
    await gate.promise;
    order.push("a1");
    throw new Error("failed");
  });
  const second = turns.take("a", async () => order.push("a2"));
  await turns.take("b", async () => order.push("b1"));
  gate.resolve();
  await expect(first).rejects.toThrow("failed");
  await second;
  await turns.done();
  expect(order).toEqual(["b1", "a1", "a2"]);
});
