/** Clients that go from hub to hub, as the hubs tell each other: who is evicted, and that it comes to an end. */
import { beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Kind } from "../../apps/switch/backbone/envelope.ts";
import { Link } from "../../apps/switch/backbone/link.ts";
import { isNewer, type Presence, Roaming } from "../../apps/switch/backbone/roaming.ts";
import { Isolation } from "../../apps/switch/isolation.ts";
import { until } from "../support/system.ts";
import { MemoryBroker, MemoryBus } from "./switch-bus.ts";

let broker = new MemoryBroker();
beforeEach(() => {
  broker = new MemoryBroker();
});

/** A hub's word of its clients, without the rest of the hub. */
function hub(name: string) {
  const link = new Link(new MemoryBus(broker), { lan: "lan", hub: name, clock: () => 0, log: () => {} });
  const roaming = new Roaming(link);
  const here = new Map<string, Presence>();
  const evicted: [string, boolean][] = [];
  roaming.residents = {
    find: (id) => here.get(id),
    all: () => here.values(),
    evict(id, isSame) {
      here.delete(id);
      evicted.push([id, isSame]);
    },
  };
  const taken: boolean[] = [];
  link.bus.subscribe(link.subjects.macs, (message) => {
    const envelope = link.envelopes.open(message);
    if (typeof envelope !== "string" && envelope.kind === Kind.JOINED) taken.push(roaming.take(envelope.body));
  });
  return { roaming, here, evicted, taken, link };
}

/** Delivers until nobody says anything more. */
function settle(): number {
  let messages = 0;
  for (let round = 0; round < 20; round++) {
    const delivered = broker.deliver();
    if (delivered === 0) return messages;
    messages += delivered;
  }
  throw new Error("It does not come to an end");
}

const presence = (run: string, sequence: number, ageMs = 0): Presence => ({ id: "one", run, sequence, ageMs });

describe("a client that joins at another hub", () => {
  test.each([
    { what: "the same process", before: presence("a", 1, 5000), after: presence("a", 2), isSame: true },
    { what: "another process", before: presence("a", 9, 5000), after: presence("b", 1), isSame: false },
    { what: "one that does not say", before: presence("", 0, 5000), after: presence("", 0), isSame: true },
  ])("is evicted where it was: $what", ({ before, after, isSame }) => {
    const [a, b] = [hub("a"), hub("b")];
    a.here.set("one", before);
    b.here.set("one", after);
    b.roaming.joined(after);
    settle();
    expect([a.evicted, b.evicted]).toEqual([[["one", isSame]], []]);
  });

  test("is told by the hub that has the later connection, where an earlier one comes late", () => {
    const [a, b] = [hub("a"), hub("b")];
    a.here.set("one", presence("a", 2, 5000));
    b.here.set("one", presence("a", 1));
    b.roaming.joined(presence("a", 1));
    settle();
    expect([a.evicted, b.evicted]).toEqual([[], [["one", true]]]);
  });

  test("is at one hub after a reconnection of both, whichever speaks first", () => {
    for (const first of [0, 1]) {
      broker = new MemoryBroker();
      const both = [hub("a"), hub("b")] as const;
      both[0].here.set("one", presence("a", 1, 60_000));
      both[1].here.set("one", presence("b", 1, 5000));
      both[first as 0 | 1].roaming.tellAll();
      both[(1 - first) as 0 | 1].roaming.tellAll();
      settle();
      expect([both[0].evicted, both[1].evicted]).toEqual([[["one", false]], []]);
    }
  });

  test("many are told in several messages", () => {
    const [a, b] = [hub("a"), hub("b")];
    for (let i = 0; i < 600; i++) {
      a.here.set(`${i}`, { id: `${i}`, run: "a", sequence: 1, ageMs: 9000 });
      b.here.set(`${i}`, { id: `${i}`, run: "a", sequence: 2, ageMs: 0 });
    }
    b.roaming.tellAll();
    settle();
    expect([a.evicted.length, a.taken.length]).toEqual([600, 3]);
  });
});

test("of two connections at most one is newer, for both hubs, and equal ones do not go on for ever", () => {
  const any = fc.record({
    id: fc.constant("one"),
    run: fc.constantFrom("", "a", "b"),
    sequence: fc.nat(3),
    ageMs: fc.nat(6000),
  });
  fc.assert(
    fc.property(any, any, (one, other) => {
      expect(isNewer(one, other) && isNewer(other, one)).toBe(false);
      if (one.run !== other.run) expect(isNewer(one, other) || isNewer(other, one)).toBe(true);
      broker = new MemoryBroker();
      const [a, b] = [hub("a"), hub("b")];
      a.here.set("one", one);
      b.here.set("one", other);
      a.roaming.tellAll();
      b.roaming.tellAll();
      settle();
      expect(a.here.size + b.here.size).toBeGreaterThanOrEqual(1);
    }),
  );
});

test.each([
  "",
  "null",
  "[]",
  "7",
  '{"clients":7,"isAnswer":true}',
  '{"clients":[7],"isAnswer":true}',
  '{"clients":[]}',
])("%p is no word of clients", (text) => expect(hub("a").roaming.take(Buffer.from(text))).toBe(false));

test("a hub tells its clients that it is cut off when it has been so for a moment, and once", async () => {
  const told: boolean[] = [];
  let isIsolated = false;
  const isolation = new Isolation(
    () => isIsolated,
    (isolated) => told.push(isolated),
  );
  isolation.changed();
  isIsolated = true;
  isolation.changed();
  isIsolated = false;
  isolation.changed();
  expect(told).toEqual([]);
  isIsolated = true;
  isolation.changed();
  await until(() => told.length > 0, "it tells");
  isolation.changed();
  isIsolated = false;
  isolation.changed();
  isolation.changed();
  expect(told).toEqual([true, false]);
});
