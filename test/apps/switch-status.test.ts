/** The parts of the status that need no network: rates, the status of a hub and of a LAN, what other hubs say, metrics. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Envelopes, Kind } from "../../apps/switch/backbone/envelope.ts";
import { Port } from "../../apps/switch/learning-switch.ts";
import { metricsText } from "../../apps/switch/metrics.ts";
import {
  type ClientSource,
  encodeStatus,
  type HubSource,
  HubWatch,
  STATUS_BYTES_MAX,
} from "../../apps/switch/status.ts";
import { readHubStatus } from "../../apps/switch/status-check.ts";
import { BusyError, LanWatch, parseStatusQuery, readStatusQuery } from "../../apps/switch/status-lan.ts";
import { Rates } from "../../apps/switch/status-rates.ts";
import { NO_TOTALS, sumOf } from "../../apps/switch/status-totals.ts";
import { type SimulatedHub, SimulatedLan } from "./switch-bus.ts";

const ALL = { clients: 100, find: "" };

/** A hub with `clients` clients, each with one MAC address. */
function hubOf(
  name: string,
  clients: number,
  more: Partial<HubSource> = {},
): HubSource & { readonly list: ClientSource[] } {
  const list = Array.from({ length: clients }, (_, i): ClientSource => {
    const address = `198.51.100.${i + 1}/24`;
    return { id: `${name}/${i}`, from: "192.0.2.1", address, since: 0, port: new Port(() => true), queuedBytes: 10 };
  });
  const numbers = new Map(list.map(({ port }, i) => [port, 0x02_00_5e_00_53_01 + i]));
  return {
    hub: name,
    mtu: 1500,
    clientsMax: 256,
    departed: () => NO_TOTALS,
    table: { addressesOf: (port) => [numbers.get(port) as number] },
    clients: () => list,
    addresses: () => ({ given: 2, size: 254, available: true }),
    backbone: () => ({ connected: true, droppedFrames: 3, refusedMessages: 0, flaps: 1 }),
    links: () => [],
    details: () => ({}),
    list,
    ...more,
  };
}

const statusOf = (source: HubSource) => new HubWatch(source, () => 5000).status(ALL);

describe("rates", () => {
  test("are what was counted in the last interval, and of what is still there", () => {
    const rates = new Rates<string>(2000);
    rates.sample(0, [["a", [100]]]);
    expect(rates.of("a")).toBeUndefined();
    rates.sample(500, [["a", [9999]]]);
    rates.sample(2000, [
      ["a", [300]],
      ["b", [7]],
    ]);
    expect([rates.of("a"), rates.of("b")]).toEqual([[100], undefined]);
    rates.sample(4000, [["b", [7]]]);
    expect([rates.of("a"), rates.of("b")]).toEqual([undefined, [0]]);
  });

  test("never are below zero, when a hub has been started again", () => {
    const rates = new Rates<string>(1000);
    rates.sample(0, [["a", [100]]]);
    rates.sample(1000, [["a", [5]]]);
    expect(rates.of("a")).toEqual([0]);
  });
});

describe("the status of a hub", () => {
  test("sums up its clients and those that have left, and has rates after a while", () => {
    let now = 0;
    const source = hubOf("a", 3, { departed: () => ({ ...NO_TOTALS, framesIn: 1000 }) });
    const watch = new HubWatch(source, () => now);
    watch.sample();
    Object.assign(source.list[1]?.port as Port, { framesIn: 20, bytesIn: 2000 });
    now = 2000;
    watch.sample();
    const { clients, totals, traffic, ...status } = watch.status(ALL);
    expect([totals.framesIn, totals.bytesIn]).toEqual([1020, 2000]);
    const moving = { inBitsPerSecond: 8000, inFramesPerSecond: 10, outBitsPerSecond: 0, outFramesPerSecond: 0 };
    expect([traffic, clients[1]?.traffic, clients[0]?.traffic?.inBitsPerSecond]).toEqual([moving, moving, 0]);
    expect(status).toMatchObject({ hub: "a", uptimeSeconds: 2, macAddresses: 3, clientCount: 3, queuedBytes: 30 });
  });

  test("has the part of the messages that were lost lately, per pair of hubs", () => {
    let [now, messages, lost] = [0, 1000, 500];
    const watch = new HubWatch(
      hubOf("a", 0, { links: () => [{ from: "b", messages, lost, reordered: 2 }] }),
      () => now,
    );
    watch.sample();
    expect(watch.status(ALL).links).toEqual([{ from: "b", messages, lost, reordered: 2 }]);
    [now, messages, lost] = [10_000, 1950, 550];
    watch.sample();
    expect(watch.status(ALL).links[0]).toEqual({ from: "b", messages, lost, reordered: 2, recentLoss: 0.05 });
  });

  test("finds clients by id, address and MAC address, whatever the case, and counts those that it does not name", () => {
    const watch = new HubWatch(hubOf("Office", 30), () => 0);
    expect(watch.status({ clients: 2, find: "office/1" })).toMatchObject({ clientCount: 30, matched: 11 });
    expect(watch.status({ clients: 2, find: "office/1" }).clients.map(({ id }) => id)).toEqual([
      "Office/1",
      "Office/10",
    ]);
    expect(watch.status({ clients: 9, find: ".100.17/" }).clients.map(({ id }) => id)).toEqual(["Office/16"]);
    expect(watch.status({ clients: 9, find: "02:00:5e:00:53:0a" }).clients.map(({ id }) => id)).toEqual(["Office/9"]);
  });

  test("fits a message, however long what clients say is", () => {
    const source = hubOf("a", 20_000);
    for (const client of source.list)
      Object.assign(client, { id: "\u{1f600}".repeat(3000), address: '"'.repeat(9000) });
    const text = encodeStatus(new HubWatch(source, () => 0).status({ clients: 20_000, find: "" }));
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(STATUS_BYTES_MAX);
    expect(readHubStatus(text, "a")).toMatchObject({ clientCount: 20_000, matched: 20_000 });
  });
});

describe("what another hub says", () => {
  const good = statusOf(hubOf("b", 4, { links: () => [{ from: "a", messages: 5, lost: 0, reordered: 0 }] }));

  test("is read as it was written, under the name by which the backbone knows it", () => {
    expect(readHubStatus(encodeStatus(good), "b")).toEqual(good);
    expect(readHubStatus(encodeStatus(good), "c")).toEqual({ ...good, hub: "c" });
  });

  test("is refused where a member is missing or of another kind, wherever that is", () => {
    const spoil = (value: unknown, path: readonly (string | number)[], to: unknown): unknown => {
      const [first, ...rest] = path;
      if (first === undefined) return to;
      const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
      const members = copy as Record<string | number, unknown>;
      members[first] = spoil(members[first], rest, to);
      return copy;
    };
    for (const path of [
      ["rssBytes"],
      ["clients"],
      ["clients", 0, "id"],
      ["totals", "dropped", "short"],
      ["links", 0],
    ]) {
      for (const to of [undefined, null, -1, [[]], { length: 3 }, Number.MAX_VALUE]) {
        expect({ path, to, read: readHubStatus(JSON.stringify(spoil(good, path, to)), "b") }).toEqual({
          path,
          to,
          read: null,
        });
      }
    }
    for (const text of ["", "null", "[]", "7", "{", encodeStatus(good).slice(0, -1)])
      expect(readHubStatus(text, "b")).toBeNull();
  });

  test("is cut where it is too much, and has no control characters", () => {
    const [first] = good.clients;
    const clients = Array.from({ length: 3000 }, () => ({
      ...first,
      id: `\u001b[31m\u202e${"x".repeat(500)}`,
      more: "?",
    }));
    const read = readHubStatus(JSON.stringify({ ...good, clients }), "b\n");
    expect([read?.hub, read?.clients.length, read?.clients[0]?.id]).toEqual(["b?", 500, `?[31m?${"x".repeat(58)}`]);
    expect(read?.clients[0]).not.toHaveProperty("more");
  });

  test("never throws, whatever JSON it is", () => {
    fc.assert(fc.property(fc.json(), (text) => expect(readHubStatus(text, "b")).toBeNull()));
    fc.assert(fc.property(fc.string(), (text) => void readStatusQuery(text)));
  });
});

describe("the status of the LAN", () => {
  const texts = new Map([
    ["b", encodeStatus(statusOf(hubOf("b", 90)))],
    ["d", "broken"],
  ]);
  const others = { lan: "office", names: () => ["d", "c", "b"], ask: async () => texts };
  const watch = (clients: number) =>
    new LanWatch(
      (query) => new HubWatch(hubOf("a", clients), () => 0).status(query),
      others,
      () => 0,
    );

  test("has every hub: those that did not answer, or broken, without figures", async () => {
    const { hubs, ...status } = await watch(2).status(ALL);
    expect(hubs.map(({ hub, answered }) => [hub, answered])).toEqual([
      ["a", true],
      ["b", true],
      ["c", false],
      ["d", false],
    ]);
    expect(status).toEqual({ lan: "office", hub: "a", hubCount: 4, clientCount: 92, matched: 92, macAddresses: 92 });
  });

  test("names as many clients as were asked for, and many of one hub push out no few of another", async () => {
    const named = async (clients: number) =>
      (await watch(clients).status({ clients: 50, find: "" })).hubs.map((hub) =>
        hub.answered ? hub.clients.length : 0,
      );
    expect(await named(4)).toEqual([4, 46, 0, 0]);
    expect(await named(200)).toEqual([25, 25, 0, 0]);
  });

  test("asks no more hubs than it has room for, and says how many there are", async () => {
    let asked: readonly string[] = [];
    const many = Array.from({ length: 500 }, (_, i) => `hub${i + 100}`);
    const ask = async (_: string, hubs: readonly string[]) => {
      asked = hubs;
      return new Map(hubs.map((hub) => [hub, encodeStatus(statusOf(hubOf(hub, 1)))]));
    };
    const lan = new LanWatch(
      () => statusOf(hubOf("a", 1)),
      { lan: "office", names: () => many, ask },
      () => 0,
    );
    const { hubs, hubCount, clientCount } = await lan.status(ALL);
    expect([asked.length, hubs.length, hubCount, clientCount]).toEqual([63, 64, 501, 64]);
    expect(hubs.every(({ answered }) => answered)).toBe(true);
  });

  test("asks the LAN once a second for the same thing, and refuses more different things than it can serve", async () => {
    let [asked, now] = [0, 0];
    const ask = async () => {
      asked++;
      return texts;
    };
    const counted = { ...others, ask };
    const lan = new LanWatch(
      () => statusOf(hubOf("a", 1)),
      counted,
      () => now,
    );
    await Promise.all(Array.from({ length: 1000 }, () => lan.status(ALL)));
    expect(asked).toBe(1);
    now = 1000;
    await lan.status(ALL);
    expect(asked).toBe(2);
    const many = await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => lan.status({ clients: 1, find: `${i}` })),
    );
    expect(many.filter(({ status }) => status === "fulfilled")).toHaveLength(15);
    expect((many.at(-1) as PromiseRejectedResult).reason).toBeInstanceOf(BusyError);
    now = 2000;
    expect((await lan.status({ clients: 1, find: "99" })).hub).toBe("a");
  });

  test("takes no query but its own", () => {
    for (const text of ["clients=501", "clients=-1", "clients=1e2", "clients=x", `find=${"x".repeat(65)}`])
      expect(() => parseStatusQuery(new URLSearchParams(text))).toThrow(RangeError);
    expect(parseStatusQuery(new URLSearchParams("find=ABC"))).toEqual({ clients: 100, find: "abc" });
    expect(readStatusQuery(JSON.stringify(ALL))).toEqual(ALL);
    for (const text of ["", "null", '{"clients":1}', '{"clients":501,"find":""}', '{"clients":1,"find":7}'])
      expect(readStatusQuery(text)).toBeNull();
  });
});

describe("over the backbone", () => {
  /** Three hubs that answer with their name and the query. */
  async function three(): Promise<SimulatedLan> {
    const lan = await SimulatedLan.of(3);
    for (const { backbone } of lan.hubs) backbone.status.answerTo = (query) => `${backbone.link.hub} ${query}`;
    return lan;
  }

  test("each hub is asked, and a hub that does not answer holds up no other", async () => {
    const lan = await three();
    const [first, second] = lan.hubs as [SimulatedHub, SimulatedHub];
    expect([...(await first.backbone.status.ask("x", ["hub2", "hub3"]))]).toEqual([
      ["hub2", "hub2 x"],
      ["hub3", "hub3 x"],
    ]);
    second.backbone.status.answerTo = () => undefined;
    expect([...(await first.backbone.status.ask("x", ["hub2", "hub3"]))]).toEqual([["hub3", "hub3 x"]]);
    expect(second.backbone.link.dropped.body).toBe(1);
    first.bus.isConnected = false;
    expect((await first.backbone.status.ask("x", ["hub2", "hub3"])).size).toBe(0);
  });

  test("a hub that is asked without end answers 32 times a second, and no question that is too long", async () => {
    const lan = await three();
    const [first, second] = lan.hubs as [SimulatedHub, SimulatedHub];
    const answers = async (times: number, query = "x"): Promise<number> => {
      let found = 0;
      for (let i = 0; i < times; i++)
        if ((await first.backbone.status.ask(query, ["hub2", "hub3"])).has("hub2")) found++;
      return found;
    };
    expect(await answers(100)).toBe(32);
    lan.now += 1000;
    expect(await answers(100)).toBe(32);
    lan.now += 1000;
    expect(await answers(1, "x".repeat(2000))).toBe(0);
    expect(second.backbone.link.dropped.body).toBe(1);
  });

  test("an answer counts that is a status of the hub that was asked, in this LAN, and no other", async () => {
    const lan = await three();
    const first = lan.hubs[0] as SimulatedHub;
    const forge = async (lanName: string, hub: string, kind: Kind): Promise<number> => {
      first.bus.ask = async () => new Envelopes(lanName, hub, 7).seal(kind, 0, [Buffer.from("forged")]);
      return (await first.backbone.status.ask("x", ["hub2", "hub3"])).size;
    };
    expect(await forge("test", "hub2", Kind.STATUS)).toBe(1);
    expect(await forge("other", "hub2", Kind.STATUS)).toBe(0);
    expect(await forge("test", "hub9", Kind.STATUS)).toBe(0);
    expect(await forge("test", "hub2", Kind.HELLO)).toBe(0);
    first.bus.ask = async () => new Uint8Array(0);
    expect((await first.backbone.status.ask("x", ["hub2", "hub3"])).size).toBe(0);
    first.bus.ask = () => Promise.reject(new Error("closed"));
    expect((await first.backbone.status.ask("x", ["hub2", "hub3"])).size).toBe(0);
  });
});

describe("metrics", () => {
  const links = [
    { from: 'b"\\\n', messages: 7, lost: 1, reordered: 0 },
    { from: "c", messages: 0, lost: 0, reordered: 0 },
  ];
  const text = metricsText(statusOf(hubOf("a", 5, { links: () => links })), "office", {
    startTime: 1.5e9,
    cpuSeconds: 0.25,
  });

  test("are lines of the format, and nothing else, with help and type before each family", () => {
    const families = new Map<string, { type: string; samples: Set<string> }>();
    let helped = "";
    for (const line of text.slice(0, -1).split("\n")) {
      const [, help] = /^# HELP ([a-z_]+) \S.*\.$/.exec(line) ?? [];
      const [, typed, type = ""] = /^# TYPE ([a-z_]+) (counter|gauge)$/.exec(line) ?? [];
      const [, name = "", labels = "", value = ""] =
        /^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? ([\d.e+]+)$/.exec(
          line,
        ) ?? [];
      if (help !== undefined) helped = help;
      else if (typed !== undefined) {
        expect([typed, families.has(typed)]).toEqual([helped, false]);
        families.set(typed, { type, samples: new Set() });
      } else {
        expect({ line, name }).toEqual({ line, name: helped });
        expect(Number.isFinite(Number(value))).toBe(true);
        const { samples } = families.get(name) as { samples: Set<string> };
        expect(samples.has(labels)).toBe(false);
        samples.add(labels);
      }
    }
    expect(text).toEndWith("\n");
    expect(families.size).toBeGreaterThan(20);
    for (const [name, { type }] of families) {
      expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
      expect(name).not.toMatch(/milli|_ms\b|kilo|percent|bits/);
    }
  });

  test("have a series for each other hub, and none for a client or a MAC address", () => {
    expect(text).toContain(String.raw`tuntap_switch_backbone_received_messages_total{peer="b\"\\\n"} 7`);
    const many = metricsText(statusOf(hubOf("a", 1000, { links: () => links })), "office", {
      startTime: 0,
      cpuSeconds: 0,
    });
    expect(many.split("\n").length).toBe(text.split("\n").length);
    expect(many).not.toMatch(/02:00|198\.51/);
  });

  const promtool = Bun.which("promtool");
  // Debian has it in a package of 100 MB, which is much for one test: the one above knows the format, too.
  describe.skipIf(promtool === null)("to Prometheus's own tool [skipped without promtool]", () => {
    test("nothing is wrong with their names, types and helps", () => {
      const { exitCode, stdout, stderr } = Bun.spawnSync([promtool as string, "check", "metrics"], {
        stdin: Buffer.from(text),
      });
      expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: "" });
    });
  });
});

test("sums leave out what is no counter", () => {
  expect(sumOf([])).toEqual(NO_TOTALS);
  expect(sumOf([new Port(() => true), new Port(() => true)])).toEqual(NO_TOTALS);
});
