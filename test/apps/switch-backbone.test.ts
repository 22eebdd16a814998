/** A LAN of several hubs: who gets which frame, by the hubs' own code on a bus in memory. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Envelopes, Kind } from "../../apps/switch/backbone/envelope.ts";
import type { Peer } from "../../apps/switch/backbone/peer.ts";
import { BROADCAST, frameOf, type SimulatedClient, type SimulatedHub, SimulatedLan } from "./switch-bus.ts";

interface Three {
  readonly lan: SimulatedLan;
  readonly hubs: [SimulatedHub, SimulatedHub, SimulatedHub];
  readonly clients: [SimulatedClient, SimulatedClient, SimulatedClient];
}

/** Three hubs with a client each, whose addresses are 0x21, 0x22, 0x23 and known. */
async function three(size: "usual" | "jumbo" = "usual"): Promise<Three> {
  const lan = await SimulatedLan.of(3, size === "usual" ? 1500 : 65_000);
  const clients = lan.hubs.map((hub) => hub.client());
  lan.settle();
  clients.forEach((client, i) => {
    client.send(frameOf(BROADCAST, 0x21 + i));
  });
  lan.settle();
  for (const client of clients) client.got = [];
  lan.broker.published.clear();
  return { lan, hubs: lan.hubs as unknown as Three["hubs"], clients: clients as Three["clients"] };
}

const marksOf = (clients: readonly SimulatedClient[]): number[][] => clients.map((client) => client.marks());
const ownerAt = (hub: SimulatedHub, mac: number): string | undefined => {
  const port = hub.lan.table.lookUp(mac, 0);
  if (port === undefined) return undefined;
  return [...hub.backbone.roster.peers.values()].find((peer) => peer.port === port)?.hub ?? "here";
};

describe("frames between hubs", () => {
  test("for a known address go to the hub that owns it, and to no other", async () => {
    const { lan, clients } = await three();
    clients[0].send(frameOf(0x22, 0x21, 7));
    lan.settle();
    expect(marksOf(clients)).toEqual([[], [7], []]);
    expect([...lan.broker.published]).toEqual([["bun-tuntap.test.hub.hub2", 1]]);
  });

  test("for all, or for nobody knows whom, go once to each hub that has clients, and never back", async () => {
    const { lan, clients } = await three();
    const empty = await lan.add("hub4");
    clients[0].send(frameOf(BROADCAST, 0x21, 8), frameOf(0x99, 0x21, 9));
    lan.settle();
    expect(marksOf(clients)).toEqual([[], [8, 9], [8, 9]]);
    expect(lan.broker.published.get("bun-tuntap.test.flood")).toBe(1);
    expect(empty.backbone.roster.peers.get("hub1")?.port.framesIn).toBe(0);
  });

  test("of one turn go in one message for each destination, in order", async () => {
    const { lan, clients } = await three();
    for (let i = 0; i < 20; i++) clients[0].send(frameOf(i % 2 === 0 ? 0x22 : 0x23, 0x21, i));
    lan.settle();
    expect([...lan.broker.published.values()]).toEqual([1, 1]);
    const even = Array.from({ length: 10 }, (_, i) => 2 * i);
    expect(marksOf(clients)).toEqual([[], even, even.map((mark) => mark + 1)]);
  });

  test("reach each of their receivers once and in order, whoever sends what to whom", async () => {
    const { lan, clients } = await three();
    const frame = fc.record({ from: fc.nat(2), to: fc.constantFrom(0x21, 0x22, 0x23, 0x99, BROADCAST) });
    fc.assert(
      fc.property(fc.array(fc.array(frame, { maxLength: 20 }), { maxLength: 5 }), (turns) => {
        const wanted: number[][] = [[], [], []];
        let mark = 0;
        for (const turn of turns) {
          for (const { from, to } of turn) {
            mark = (mark + 1) % 256;
            clients[from]?.send(frameOf(to, 0x21 + from, mark));
            for (const [i, list] of wanted.entries())
              if (i !== from && (to >= 0x99 || to === 0x21 + i)) list.push(mark);
          }
          lan.settle();
        }
        // Of one turn, what goes to all comes before what goes to one, and senders come in any order.
        const sorted = (lists: number[][]): number[][] => lists.map((list) => list.sort((a, b) => a - b));
        expect(sorted(marksOf(clients))).toEqual(sorted(wanted));
      }),
      { numRuns: 50 },
    );
  });

  test("fit in messages of the server's limit, which a frame does not", async () => {
    const { lan, hubs, clients } = await three();
    lan.broker.payloadMax = 4000;
    const frames = Array.from({ length: 30 }, (_, i) => frameOf(0x22, 0x21, i, 60 + 45 * i));
    clients[0].send(...frames);
    lan.settle();
    expect(marksOf(clients)[1]).toEqual(frames.map((_, i) => i));
    expect(lan.broker.longest).toBeLessThanOrEqual(4000);
    lan.broker.payloadMax = 1000;
    clients[0].send(frameOf(0x22, 0x21, 1, 900), frameOf(0x22, 0x21, 2, 1400), frameOf(0x22, 0x21, 3, 900));
    lan.settle();
    expect(marksOf(clients)[1]).toEqual([1, 3]);
    expect(hubs[0].backbone.roster.peers.get("hub2")?.target.outbox.tooLong).toBe(1);
    await expect(lan.add("hub4")).rejects.toThrow("needs a message of 1548 bytes, and the NATS server takes 1000");
  });

  test("go in messages of 32,000 bytes, and in a longer one if the frame is", async () => {
    const { lan, clients } = await three("jumbo");
    // Windows open with what they let pass.
    for (let i = 0; i < 50; i++) {
      clients[0].send(frameOf(0x22, 0x21, i, 10_000));
      lan.settle();
      await new Promise(setImmediate);
    }
    expect(marksOf(clients)[1]).toHaveLength(50);
    lan.broker.published.clear();
    const lengths = [9000, 40_000, 60, 31_000, 990, 65_000, 65_000];
    clients[0].send(...lengths.map((length, i) => frameOf(0x22, 0x21, i, length)));
    lan.settle();
    expect(marksOf(clients)[1]).toEqual(lengths.map((_, i) => i));
    // 60 and 31,000 bytes in one, all others by themselves.
    expect(lan.broker.published.get("bun-tuntap.test.hub.hub2")).toBe(6);
  });

  test("wait up to a limit for a server that does not take them, and are dropped and counted beyond it", async () => {
    const { lan, hubs, clients } = await three();
    hubs[0].bus.takes = false;
    for (let i = 0; i < 200; i++) {
      clients[0].send(frameOf(BROADCAST, 0x21, i, 1400));
      lan.settle();
    }
    const { pendingBytes, windowBytes, dropped } = hubs[0].backbone.summary();
    expect(pendingBytes).toBeLessThanOrEqual(windowBytes);
    expect(dropped.backPressure).toBeGreaterThan(100);
    expect(marksOf(clients)[1]?.length).toBe(200 - dropped.backPressure);
  });

  test("are dropped and counted while there is no connection", async () => {
    const { lan, hubs, clients } = await three();
    hubs[0].bus.isConnected = false;
    clients[0].send(frameOf(BROADCAST, 0x21), frameOf(0x22, 0x21));
    lan.settle();
    expect([marksOf(clients), hubs[0].backbone.summary().dropped.backPressure]).toEqual([[[], [], []], 2]);
    expect(hubs[0].backbone.isIsolated).toBe(true);
  });
});

describe("addresses", () => {
  test("are announced when they come, go, and move to another hub", async () => {
    const { lan, hubs, clients } = await three();
    expect(hubs.map((hub) => ownerAt(hub, 0x21))).toEqual(["here", "hub1", "hub1"]);
    const moved = hubs[1].client();
    moved.send(frameOf(BROADCAST, 0x21));
    lan.settle();
    expect(hubs.map((hub) => ownerAt(hub, 0x21))).toEqual(["hub2", "here", "hub2"]);
    // Its old connection ends later than it is here: nobody forgets where it is now.
    clients[0].leave();
    lan.settle();
    expect(hubs.map((hub) => ownerAt(hub, 0x21))).toEqual(["hub2", "here", "hub2"]);
    moved.leave();
    lan.settle();
    expect(hubs.map((hub) => ownerAt(hub, 0x21))).toEqual([undefined, undefined, undefined]);
    expect(lan.hubs.map((hub) => hub.backbone.announcer.count)).toEqual([0, 1, 1]);
  });

  test("of a hub that stays silent are forgotten after 1.5 seconds, of one that ends at once", async () => {
    const { lan, hubs } = await three();
    const events: string[] = [];
    hubs[0].backbone.onHub(({ type, hub }) => void events.push(`${hub} ${type}`));
    hubs[1].backbone.close();
    lan.hubs.splice(1, 1);
    const [, third] = lan.hubs as [SimulatedHub, SimulatedHub];
    lan.settle();
    expect([ownerAt(hubs[0], 0x22), events]).toEqual([undefined, ["hub2 gone"]]);
    third.bus.isConnected = false;
    lan.pass(1400);
    expect(ownerAt(hubs[0], 0x23)).toBe("hub3");
    lan.pass(600);
    expect([ownerAt(hubs[0], 0x23), events]).toEqual([undefined, ["hub2 gone", "hub3 gone"]]);
    expect(hubs[0].log.at(-1)).toMatch(/^hub {3}hub3 is gone: not heard for 1[56]00 ms; 1 in the LAN test$/);
  });

  test("are known again at once after a hub was cut off", async () => {
    const { lan, hubs, clients } = await three();
    hubs[0].bus.isConnected = false;
    lan.pass(3000);
    expect(hubs.map((hub) => hub.backbone.roster.peers.size)).toEqual([0, 1, 1]);
    clients[1].leave();
    hubs[0].bus.isConnected = true;
    hubs[0].backbone.reconnected();
    lan.settle();
    expect(hubs.map((hub) => [0x21, 0x22, 0x23].map((mac) => ownerAt(hub, mac)))).toEqual([
      ["here", undefined, "hub3"],
      ["hub1", undefined, "hub3"],
      ["hub1", undefined, "here"],
    ]);
  });

  test("that were missed are asked for", async () => {
    const { lan, hubs, clients } = await three();
    lan.broker.loses = (subject) => subject.endsWith(".macs");
    clients[0].send(frameOf(BROADCAST, 0x31), frameOf(BROADCAST, 0x32));
    clients[1].leave();
    lan.settle();
    expect([ownerAt(hubs[2], 0x31), ownerAt(hubs[2], 0x22)]).toEqual([undefined, "hub2"]);
    lan.broker.loses = () => false;
    lan.pass(600);
    expect([ownerAt(hubs[2], 0x31), ownerAt(hubs[2], 0x22)]).toEqual(["hub1", undefined]);
  });

  test("of a hub have a bound, and many of them go in several messages", async () => {
    const lan = await SimulatedLan.of(1);
    const [first] = lan.hubs as [SimulatedHub];
    const client = first.client();
    for (let i = 0; i < 30_000; i++) client.send(frameOf(0x21, 0x10_0000 + i));
    lan.settle();
    const whole = await lan.add("whole");
    const bounded = await lan.add("bounded", { macsMax: 1000 });
    const found = [whole, bounded].map(({ backbone }) => backbone.summary().hubs.find(({ id }) => id === "hub1"));
    expect(found.map((hub) => [hub?.macs, (hub?.refusedMacs ?? 0) > 0])).toEqual([
      [30_000, false],
      [1000, true],
    ]);
    expect(bounded.log.filter((line) => line.includes("more than 1000 addresses"))).toHaveLength(1);
  });

  test("stay known while they are silent here, until their hub says that they are old", async () => {
    const { lan, hubs } = await three();
    lan.now += 299_000;
    hubs[0].lan.sweep();
    lan.now += 2000;
    for (const hub of hubs) hub.lan.sweep();
    expect(hubs[0].lan.table.size).toBe(2);
    lan.settle();
    expect(hubs.map((hub) => hub.lan.table.size)).toEqual([0, 0, 0]);
  });
});

describe("two hubs that a client bridges", () => {
  /** Joins a client of hub 1 with one of hub 2: what one gets, the other sends. Counts what goes round. */
  function bridge({ lan, hubs }: Three): { step: (turns: number) => number; log: () => string[] } {
    const [one, other] = [hubs[0].client(), hubs[1].client()];
    const waiting: (() => void)[] = [];
    one.react = (frame) => void waiting.push(() => other.send(frame));
    other.react = (frame) => void waiting.push(() => one.send(frame));
    const step = (turns: number): number => {
      let bridged = 0;
      for (let turn = 0; turn < turns; turn++) {
        lan.settle();
        lan.now += 1;
        const due = waiting.splice(0);
        if (due.length === 0) break;
        bridged += due.length;
        for (const each of due) each();
      }
      return bridged;
    };
    return { step, log: () => hubs.flatMap((hub) => hub.log.filter((line) => line.startsWith("flap"))) };
  }

  test("make no storm: broadcasts stop going round, and stations go on to reach each other", async () => {
    const all = await three();
    const { lan, hubs, clients } = all;
    const { step, log } = bridge(all);
    let bridged = 0;
    for (let round = 0; round < 20; round++) {
      for (const [i, client] of clients.entries()) client.send(frameOf(BROADCAST, 0x21 + i, round));
      bridged += step(1000);
      // Nothing goes round any more.
      expect(step(1)).toBe(0);
    }
    expect(bridged).toBeLessThan(3 * 2 * 200);
    expect(log().length).toBeGreaterThan(0);
    expect(log().length).toBeLessThanOrEqual(3 * 3);
    for (const marks of marksOf(clients)) expect(marks.length).toBeLessThan(3 * 2 * 200);
    clients[0].send(frameOf(0x23, 0x21, 99));
    clients[2].send(frameOf(0x21, 0x23, 98));
    step(1000);
    expect(marksOf(clients).map((marks) => marks.filter((mark) => mark > 90))).toEqual([[98], [], [99]]);
    expect(hubs[0].backbone.summary().held.length).toBeGreaterThan(0);
    expect(lan.hubs.map((hub) => ownerAt(hub, 0x21))).toEqual(["here", "hub1", "hub1"]);
  });
});

describe("signs of life", () => {
  test("tell the others how many clients and addresses there are, and what was lost between each two", async () => {
    const { lan, hubs, clients } = await three();
    let n = 0;
    lan.broker.loses = (subject) => subject.endsWith(".hub.hub2") && ++n % 4 === 0;
    for (let i = 0; i < 40; i++) {
      clients[0].send(frameOf(0x22, 0x21, i));
      lan.settle();
    }
    lan.broker.loses = () => false;
    lan.pass(1100);
    const [toTwo] = hubs[0].backbone.summary().hubs;
    const [fromOne] = hubs[1].backbone.summary().hubs;
    expect(toTwo).toMatchObject({ id: "hub2", clients: 1, macs: 1, messagesOut: 40, theyLost: 10 });
    expect(fromOne).toMatchObject({ id: "hub1", lost: 10, reordered: 0, duplicates: 0 });
    expect(marksOf(clients)[1]).toHaveLength(30);
  });

  test("that could not be read because this process stood still make no hub go", async () => {
    const { lan, hubs } = await three();
    const events: string[] = [];
    hubs[0].backbone.onHub(({ type }) => void events.push(type));
    lan.now += 10_000;
    hubs[0].backbone.roster.tick();
    expect(events).toEqual([]);
    lan.pass(2000);
    expect([events, hubs[0].backbone.roster.peers.size]).toEqual([[], 2]);
  });

  test("of a hub that was forgotten, but has not forgotten this one, make it a hub whose frames arrive", async () => {
    const { lan, hubs, clients } = await three();
    for (let i = 0; i < 80; i++) {
      clients[0].send(frameOf(0x22, 0x21, i));
      lan.settle();
    }
    const [peer] = hubs[0].backbone.roster.peers.values();
    hubs[0].backbone.roster.leave(peer as Peer, "not heard");
    lan.pass(1000);
    marksOf(clients);
    clients[0].send(frameOf(0x22, 0x21, 99));
    lan.settle();
    expect(marksOf(clients)[1]).toEqual([99]);
    expect(hubs[1].backbone.link.dropped.duplicate).toBe(0);
  });

  test("that one hub alone has missed do not make it send what the other takes for old", async () => {
    const { lan, hubs, clients } = await three();
    for (let i = 0; i < 100; i++) {
      clients[1].send(frameOf(0x21, 0x22, i));
      lan.settle();
      await Promise.resolve();
    }
    expect(marksOf(clients)[0]).toHaveLength(100);
    const isOfFirst = (message: Uint8Array): boolean => Buffer.from(message).toString("latin1", 20, 24) === "hub1";
    lan.broker.loses = (_subject, message) => isOfFirst(message);
    lan.pass(2000);
    expect(hubs.map((hub) => hub.backbone.roster.peers.size)).toEqual([2, 1, 1]);
    lan.broker.loses = () => false;
    lan.pass(600);
    expect(ownerAt(hubs[1], 0x21)).toBe("hub1");
    expect(hubs.map((hub) => hub.backbone.roster.peers.size)).toEqual([2, 2, 2]);
    clients[1].send(frameOf(0x21, 0x22, 7));
    clients[2].send(frameOf(BROADCAST, 0x23, 8));
    lan.settle();
    expect(marksOf(clients)[0]?.sort()).toEqual([7, 8]);
    expect(hubs[0].backbone.summary().dropped.duplicate).toBe(0);
  });

  test("a listener that throws keeps no other from its word", async () => {
    const { lan, hubs } = await three();
    const [before, errors, heard]: [typeof reportError, unknown[], string[]] = [globalThis.reportError, [], []];
    globalThis.reportError = (error: unknown) => void errors.push(error);
    hubs[0].backbone.onHub(() => {
      throw new Error("of a listener");
    });
    const end = hubs[0].backbone.onHub(({ hub }) => void heard.push(hub));
    hubs[1].backbone.close();
    lan.settle();
    end();
    hubs[2].backbone.close();
    lan.settle();
    globalThis.reportError = before;
    expect([heard, errors.length]).toEqual([["hub2"], 2]);
  });
});

describe("two hubs of one name", () => {
  test("the second one is refused", async () => {
    const { lan } = await three();
    await expect(lan.add("hub2")).rejects.toThrow(
      'There is a hub "hub2" in the LAN "test" already: give each a --hub of its own',
    );
  });

  test("that could not hear each other both say so, and the later one ends", async () => {
    const { lan, hubs } = await three();
    lan.now += 10_000;
    const [old] = hubs;
    // Cut off: it does not answer.
    old.bus.isConnected = false;
    const late = await lan.add("hub1");
    lan.pass(500);
    old.bus.isConnected = true;
    old.backbone.reconnected();
    lan.pass(1000);
    expect([old.failure, late.failure]).toEqual([undefined, expect.stringContaining("give each a --hub of its own")]);
    expect(old.log.some((line) => line.includes("another process calls itself hub1"))).toBe(true);
  });

  test("that began at the same time agree on which one ends", async () => {
    for (let round = 0; round < 8; round++) {
      const lan = new SimulatedLan();
      const first = await lan.add("hub1");
      first.bus.isConnected = false;
      lan.now += 100 * round;
      const second = await lan.add("hub1");
      first.bus.isConnected = true;
      lan.pass(1500);
      expect([first.failure, second.failure].filter((failure) => failure !== undefined)).toHaveLength(1);
    }
  });
});

describe("what others send on the LAN's subjects", () => {
  const envelopes = new Envelopes("test", "stranger", 7);

  test("is counted and dropped, whatever it is", async () => {
    const { lan, hubs, clients } = await three();
    const before = hubs[0].lan.table.size;
    const inject = (message: Uint8Array): void => hubs[0].backbone.receive(message);
    inject(new Uint8Array(0));
    inject(Buffer.from("hello"));
    const right = envelopes.seal(Kind.BYE, 0, []);
    inject(Buffer.from(right).fill(9, 2, 3));
    inject(new Envelopes("other", "stranger", 7).seal(Kind.HELLO, 0, []));
    inject(Buffer.from(right).fill(255, 14, 16));
    inject(right);
    inject(envelopes.seal(77 as typeof Kind.BYE, 0, []));
    for (const kind of [Kind.HELLO, Kind.CHANGES, Kind.TABLE, Kind.FRAMES])
      inject(envelopes.seal(kind, 0, [Buffer.from("nonsense")]));
    inject(new Envelopes("test", "a.b", 7).seal(Kind.ASK_TABLE, 0, []));
    lan.settle();
    expect(hubs[0].backbone.summary().dropped).toMatchObject({ garbage: 4, version: 1, lan: 1, kind: 1, body: 4 });
    expect([hubs[0].lan.table.size, marksOf(clients)]).toEqual([before, [[], [], []]]);
  });

  test("frames are checked as those of a client: length, and a source that is a station", async () => {
    const { hubs, clients } = await three();
    const frames = [
      frameOf(0x21, 0x0100_5e00_0001, 1),
      frameOf(0x21, 0, 2),
      frameOf(0x21, 0x71, 3, 13),
      frameOf(0x21, 0x71, 4, 1523),
      frameOf(0x21, 0x71, 5),
    ];
    const body = frames.map((frame) => Buffer.concat([Uint8Array.of(frame.length >> 8, frame.length & 255), frame]));
    hubs[0].backbone.receive(envelopes.seal(Kind.FRAMES, 1, body));
    expect(marksOf(clients)).toEqual([[5], [], []]);
    const stranger = hubs[0].backbone.summary().hubs.find(({ id }) => id === "stranger");
    expect(stranger?.dropped).toEqual({ short: 1, long: 1, source: 2, circle: 0, backPressure: 0 });
  });

  test("a frame whose source is a client of this hub goes in a circle, and is dropped", async () => {
    const { hubs, clients } = await three();
    const frame = frameOf(BROADCAST, 0x21, 6);
    hubs[0].backbone.receive(envelopes.seal(Kind.FLOOD, 1, [Uint8Array.of(0, frame.length), frame]));
    expect(marksOf(clients)).toEqual([[], [], []]);
    expect(hubs[0].backbone.summary().hubs.find(({ id }) => id === "stranger")?.dropped["circle"]).toBe(1);
  });

  test("a message that comes twice is taken once", async () => {
    const { hubs, clients } = await three();
    const frame = frameOf(BROADCAST, 0x71, 6);
    const message = envelopes.seal(Kind.FLOOD, 5, [Uint8Array.of(0, frame.length), frame]);
    for (let i = 0; i < 3; i++) hubs[0].backbone.receive(message);
    expect(marksOf(clients)).toEqual([[6], [], []]);
    expect(hubs[0].backbone.summary().dropped.duplicate).toBe(2);
  });

  test("more hubs than there may be are not taken in", async () => {
    const { hubs } = await three();
    for (let i = 0; i < 3000; i++)
      hubs[0].backbone.receive(new Envelopes("test", `stranger${i}`, 7).seal(Kind.ASK_TABLE, 0, []));
    const { hubs: found, dropped } = hubs[0].backbone.summary();
    expect([found.length, dropped.hubs]).toEqual([1024, 3000 - 1022]);
  });

  test("random bytes throw nothing", async () => {
    const { hubs } = await three();
    const bodies = fc.tuple(fc.nat(14), fc.uint8Array({ maxLength: 64 }));
    fc.assert(
      fc.property(bodies, ([kind, body]) => {
        hubs[0].backbone.receive(body);
        hubs[0].backbone.receive(envelopes.seal(kind as typeof Kind.BYE, 3, [body]), () => {});
      }),
    );
  });
});
