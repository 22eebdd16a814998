/** The parts of the backbone that need neither a bus nor a switch: heads, announcements, numbers, names, options. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import {
  formatChanges,
  formatMacs,
  formatTable,
  parseChanges,
  parseMacs,
  parseTable,
} from "../../apps/switch/backbone/announcements.ts";
import { Arena } from "../../apps/switch/backbone/arena.ts";
import { CREDENTIAL_VARIABLES, givenCredentials } from "../../apps/switch/backbone/credentials.ts";
import { type Envelope, Envelopes, Kind, newRun } from "../../apps/switch/backbone/envelope.ts";
import { formatHello, type Hello, parseHello } from "../../apps/switch/backbone/hello.ts";
import { LogLimit } from "../../apps/switch/backbone/log-limit.ts";
import { SequenceTracker } from "../../apps/switch/backbone/sequence.ts";
import { CircleWatch } from "../../apps/switch/circle-watch.ts";
import { parseCommandLine } from "../../apps/switch/command-line.ts";
import { MacTable } from "../../apps/switch/mac-table.ts";

describe("the head of a message", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);

  test("comes out as it went in", () => {
    const run = fc.integer({ min: 1, max: 2 ** 48 - 1 });
    const sequence = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(name, name, run, sequence, fc.uint8Array(), (lan, hub, run, sequence, body) => {
        const envelopes = new Envelopes(lan, hub, run);
        const [head, tail] = [body.subarray(0, 3), body.subarray(3)];
        const message = envelopes.seal(Kind.FLOOD, sequence, [head, tail]);
        const opened = new Envelopes(lan, "me", 1).open(message) as Envelope;
        expect({ ...opened, body: [...opened.body] }).toEqual({
          kind: Kind.FLOOD,
          hub,
          run,
          sequence,
          body: [...body],
        });
        expect(message.length).toBe(envelopes.length + body.length);
      }),
    );
  });

  test("is as it is written down", () => {
    const message = new Envelopes("lan", "hub", 0x0102_0304_0506).seal(Kind.HELLO, 7, [Uint8Array.of(9)]);
    expect(message.toString("hex")).toBe("42540103010203040506000000070303" + "6c616e" + "687562" + "09");
  });

  test("of other LANs, versions and programs is told from it, and a cut one, wherever it was cut", () => {
    const envelopes = new Envelopes("lan", "hub", 5);
    const message = envelopes.seal(Kind.HELLO, 0, []);
    for (const lan of ["lan2", "la", "LAN"]) expect(new Envelopes(lan, "me", 1).open(message)).toBe("lan");
    for (let length = 0; length < message.length; length++)
      expect(envelopes.open(message.subarray(0, length))).toBe("garbage");
    expect(envelopes.open(Buffer.from(message).fill(2, 2, 3))).toBe("version");
    expect(envelopes.open(Buffer.from("+OK\r\nPING\r\nINFO {}"))).toBe("garbage");
  });

  test("numbers of runs differ, and messages of one turn do not share memory", () => {
    const runs = Array.from({ length: 1000 }, newRun);
    expect(new Set(runs).size).toBe(1000);
    expect(runs.every((run) => run > 0 && run < 2 ** 48)).toBe(true);
    const arena = new Arena();
    const pieces = Array.from({ length: 20 }, (_, i) => arena.take(100_000).fill(i));
    expect(pieces.map((piece) => [piece.length, piece[0], piece[99_999]])).toEqual(
      pieces.map((_, i) => [100_000, i, i]),
    );
    arena.reset();
    expect(arena.take(10).buffer).toBe((pieces[0] as Buffer).buffer);
  });
});

describe("announcements", () => {
  const mac = fc.integer({ min: 1, max: 2 ** 40 - 1 });

  test("come out as they went in, however many addresses there are", () => {
    fc.assert(
      fc.property(fc.array(mac, { maxLength: 20 }), fc.array(mac, { maxLength: 20 }), (come, gone) => {
        const parsed = [...formatChanges(5, come, gone)].map(parseChanges);
        expect(parsed).toEqual(come.length + gone.length === 0 ? [] : [{ version: 6, come, gone }]);
        expect(parseMacs(formatMacs(come))).toEqual(come);
      }),
    );
    const many = Array.from({ length: 20_000 }, (_, i) => i + 1);
    const parts = [...formatTable(9, many)].map(parseTable);
    expect(parts.flatMap((part) => part?.macs ?? [])).toEqual(many);
    expect(parts.map((part) => [part?.version, part?.isFirst, part?.isLast])).toEqual([
      [9, true, false],
      [9, false, false],
      [9, false, true],
    ]);
    expect([...formatTable(0, [])].map(parseTable)).toEqual([{ version: 0, isFirst: true, isLast: true, macs: [] }]);
    const changes = [...formatChanges(0xffffffff, many, [])].map(parseChanges);
    expect(changes.map((each) => each?.version)).toEqual([0, 1, 2, 3, 4]);
    expect(changes.flatMap((each) => each?.come ?? [])).toEqual(many);
  });

  test("of groups, of no address, of half an address or of more than are there are none", () => {
    const bad = [[0x0100_5e00_0001], [0], [0xffff_ffff_ffff], [1, 0]];
    for (const macs of bad) {
      expect(parseMacs(formatMacs(macs))).toBeNull();
      for (const body of formatTable(1, macs)) expect(parseTable(body)).toBeNull();
      for (const body of formatChanges(1, [], macs)) expect(parseChanges(body)).toBeNull();
    }
    const [changes] = [...formatChanges(1, [5], [])] as [Buffer];
    for (let length = 0; length < changes.length; length++)
      expect(parseChanges(changes.subarray(0, length))).toBeNull();
    expect(parseChanges(Buffer.from(changes).fill(2, 5, 6))).toBeNull();
  });
});

describe("signs of life", () => {
  const hello: Hello = {
    ageMs: 5,
    clients: 1,
    macs: 2,
    version: 3,
    flooded: 4,
    asks: true,
    reports: [{ hub: "other", sent: 1, newest: 2, received: 3, lost: 4 }],
  };
  const text = (change: object): Buffer => Buffer.from(JSON.stringify({ ...hello, reports: [], ...change }));

  test("come out as they went in", () => {
    expect(parseHello(formatHello(hello))).toEqual(hello);
  });

  test.each([
    { ageMs: -1 },
    { ageMs: "5" },
    { clients: null },
    { macs: 1e300 },
    { version: undefined },
    { reports: {} },
    { reports: [7] },
    { reports: [["a.b", 1, 2, 3, 4]] },
    { reports: [["a", 1, 2, 3]] },
    { reports: Array.from({ length: 65 }, () => ["a", 1, 2, 3, 4]) },
  ])("with %j are none", (change) => expect(parseHello(text(change))).toBeNull());

  test("that are no JSON, or too long, are none", () => {
    for (const body of ["", "{", "null", "[]", `${formatHello(hello)}${" ".repeat(20_000)}`])
      expect(parseHello(Buffer.from(body))).toBeNull();
  });
});

describe("numbered messages", () => {
  const counts = ({ received, lost, reordered, duplicates }: SequenceTracker) => ({
    received,
    lost,
    reordered,
    duplicates,
  });

  test("tell what was lost, late and doubled", () => {
    const tracker = new SequenceTracker();
    expect([7, 8, 10, 9, 9, 10, 14].map((each) => tracker.arrive(each))).toEqual([
      ..."in order,in order,in order,late,duplicate,duplicate,in order".split(","),
    ] as ReturnType<SequenceTracker["arrive"]>[]);
    expect(counts(tracker)).toEqual({ received: 5, lost: 3, reordered: 1, duplicates: 2 });
  });

  test("go round after 32 bits, and what is far behind has come before", () => {
    const tracker = new SequenceTracker();
    for (const each of [0xfffffffe, 0xffffffff, 0, 2]) tracker.arrive(each);
    expect(counts(tracker)).toEqual({ received: 4, lost: 1, reordered: 0, duplicates: 0 });
    expect([tracker.arrive(1), tracker.arrive(0xffffffc0), tracker.newest]).toEqual(["late", "duplicate", 2]);
  });

  test("that the sender tells of, and that have not come, are lost; before the first word nothing is", () => {
    const tracker = new SequenceTracker();
    tracker.expect(100);
    expect(counts(tracker)).toEqual({ received: 0, lost: 0, reordered: 0, duplicates: 0 });
    tracker.expect(103);
    expect([tracker.lost, tracker.arrive(102), tracker.lost, tracker.arrive(100)]).toEqual([3, "late", 2, "duplicate"]);
    tracker.restart();
    tracker.arrive(9000);
    expect(tracker.lost).toBe(2);
  });

  test("are counted as somebody who remembers all of them counts, in any order", () => {
    const order = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(order, (numbers) => {
        const tracker = new SequenceTracker();
        tracker.arrive(0);
        const seen = new Set([0]);
        let newest = 0;
        for (const each of numbers) {
          const wanted = seen.has(each) ? "duplicate" : each > newest ? "in order" : "late";
          expect(tracker.arrive(each)).toBe(wanted);
          seen.add(each);
          newest = Math.max(newest, each);
        }
        expect([tracker.received, tracker.lost]).toEqual([seen.size, newest + 1 - seen.size]);
      }),
    );
  });
});

describe("addresses that flap", () => {
  const log: unknown[] = [];
  const table = (): MacTable<string> => {
    const table = new MacTable<string>({ ageMs: 300_000, perPortMax: 9 });
    log.length = 0;
    table.observer = { held: (...args) => void log.push(args) };
    return table;
  };

  test("are followed some times, and then held where they were first", () => {
    const macs = table();
    macs.learn(1, "home", 0);
    const moves = Array.from({ length: 8 }, (_, i) => macs.learn(1, i % 2 === 0 ? "away" : "home", 10 + i));
    expect(moves).toEqual([
      ..."learned,learned,learned,learned,learned,learned,held,learned".split(","),
    ] as typeof moves);
    expect([macs.lookUp(1, 100), log, macs.holds]).toEqual(["home", [[1, "home", "away", 10_000]], 1]);
    expect(macs.heldDown(100)).toEqual([{ mac: 1, port: "home", untilMs: 10_015 }]);
    expect([macs.learn(1, "away", 10_014), macs.learn(1, "away", 10_015)]).toEqual(["held", "learned"]);
    expect(macs.lookUp(1, 10_015)).toBe("away");
  });

  test("that flap again at once are held for longer", () => {
    const macs = table();
    macs.learn(1, "home", 0);
    for (let now = 0; now < 100_000; now++) macs.learn(1, now % 2 === 0 ? "away" : "home", now);
    expect(log.map((each) => (each as number[])[3])).toEqual([10_000, 20_000, 40_000, 80_000]);
  });

  test("but move slowly, or whose home has gone, are not held", () => {
    const macs = table();
    macs.learn(1, "home", 0);
    for (let i = 0; i < 100; i++) macs.learn(1, i % 2 === 0 ? "away" : "home", 1100 * i);
    expect(macs.holds).toBe(0);
    for (let i = 0; i < 7; i++) macs.learn(2, i % 2 === 0 ? "home" : "away", 200_000 + i);
    expect(macs.heldDown(200_010)).toHaveLength(1);
    macs.forget("home");
    expect([macs.learn(2, "away", 200_011), macs.heldDown(200_011)]).toEqual(["learned", []]);
  });

  test("are watched up to a number, and forgotten afterwards", () => {
    const macs = new MacTable<string>({
      ageMs: 300_000,
      perPortMax: 99,
      holdDown: { movesMax: 2, withinMs: 1000, holdMs: 1000, watchedMax: 3 },
    });
    for (let now = 0; now < 20; now++) for (let mac = 1; mac <= 6; mac++) macs.learn(mac, `${now % 2}`, now);
    expect(macs.heldDown(20)).toHaveLength(3);
    macs.sweep(5000);
    for (let now = 5000; now < 5020; now++) macs.learn(6, `${now % 2}`, now);
    expect(macs.heldDown(5020).map(({ mac }) => mac)).toEqual([6]);
  });
});

describe("broadcasts that go in a circle", () => {
  const frame = (mark: number): Uint8Array => new Uint8Array(60).fill(mark);

  test("are told by how often they come again from elsewhere", () => {
    const watch = new CircleWatch<string>();
    watch.see(frame(1), "home", 0);
    const again = Array.from({ length: 102 }, (_, i) => watch.see(frame(1), "away", i));
    expect(again.indexOf("home")).toBe(100);
  });

  test("are none if a station repeats itself, or its neighbour does so rarely", () => {
    const watch = new CircleWatch<string>();
    const found: unknown[] = [];
    for (let i = 0; i < 10_000; i++) found.push(watch.see(frame(1), "home", i / 10));
    for (let i = 0; i < 1000; i++) found.push(watch.see(frame(2), i === 0 ? "home" : "away", 20 * i));
    for (let i = 0; i < 10_000; i++) found.push(watch.see(Buffer.from(`${i}`), i % 2 === 0 ? "home" : "away", i));
    expect(found.filter((each) => each !== undefined)).toEqual([]);
  });
});

test("no clock of the machine is looked at, so that none is compared with another's", () => {
  const folder = `${import.meta.dir}/../../apps/switch/backbone`;
  const sources = readdirSync(folder).map((name) => [name, readFileSync(`${folder}/${name}`, "utf8")] as const);
  expect(sources.length).toBeGreaterThan(10);
  expect(sources.filter(([, text]) => /\bDate\b/.test(text)).map(([name]) => name)).toEqual([]);
});

test("a log with a limit says how many lines it left out", () => {
  let now = 0;
  const lines: string[] = [];
  const limit = new LogLimit(
    (line) => void lines.push(line),
    () => now,
  );
  for (; now < 10_000; now += 100) limit.log(`flap  ${now}`);
  expect(lines).toHaveLength(10);
  limit.log("flap  last");
  expect(lines.slice(10)).toEqual(["flap  and 90 more before", "flap  last"]);
});

describe("the command line", () => {
  let folder: string;
  const file = (name: string, text: string): string => {
    writeFileSync(`${folder}/${name}`, text);
    return `${folder}/${name}`;
  };
  const parse = (...args: string[]) => {
    const command = parseCommandLine(["serve", "--token-file", `${folder}/token`, ...args]);
    return command.name === "serve" ? command.options.backbone : undefined;
  };
  const seed = `SU${"A".repeat(56)}`;

  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-backbone-`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("without a backbone has none", () => expect(parse()).toBeUndefined());

  test("names servers, LAN, hub and credentials", () => {
    const user = file("user", "alice:secret:word\n");
    const args = ["--backbone", "nats://192.0.2.1,tls://[2001:db8::1]:4333", "--lan", "office", "--hub", "north"];
    expect(parse(...args, "--backbone-user-file", user)).toEqual({
      servers: ["nats://192.0.2.1:4222", "tls://[2001:db8::1]:4333"],
      lan: "office",
      hub: "north",
      queueMax: 8 * 1024 * 1024,
      credentials: { kind: "user", user: "alice", password: "secret:word" },
      tls: { ca: undefined },
    });
    expect(parse("--backbone", "nats://192.0.2.1", "--lan", "x")?.hub).toMatch(/^[\w-]{1,32}$/);
  });

  test.each([
    [["--lan", "x"], "--lan is for a LAN of several hubs: it needs --backbone"],
    [["--backbone", "nats://192.0.2.1"], "needs the name of the LAN: --lan NAME"],
    [["--backbone", "192.0.2.1:4222", "--lan", "x"], 'got "192.0.2.1:4222"'],
    [["--backbone", "nats://192.0.2.1/x", "--lan", "x"], 'got "nats://192.0.2.1/x"'],
    [["--backbone", "nats://192.0.2.1,", "--lan", "x"], 'got ""'],
    [["--backbone", "http://192.0.2.1", "--lan", "x"], "such as nats://192.0.2.1:4222"],
    [["--backbone", "nats://192.0.2.1", "--lan", "my.lan"], 'got "my.lan" (a dot would make two parts'],
    [["--backbone", "nats://192.0.2.1", "--lan", "*"], "--lan must be 1 to 32 of A-Z"],
    [["--backbone", "nats://192.0.2.1", "--lan", "x", "--hub", "a b"], "--hub must be 1 to 32 of A-Z"],
    [["--backbone", "nats://192.0.2.1", "--lan", "x", "--backbone-queue", "1"], "--backbone-queue must be"],
    [["--backbone", "nats://192.0.2.1", "--lan", "x", "--backbone-tls-key", "k"], "go together"],
    [["--backbone", Array(17).fill("nats://192.0.2.1").join(), "--lan", "x"], "16 servers at most, got 17"],
  ])("%j is refused", (args, says) => expect(() => parse(...args)).toThrow(says));

  test("never shows a password that was given in the wrong place", () => {
    const secret = "nats://alice:hunter2@192.0.2.1";
    const message = (() => {
      try {
        return parse("--backbone", secret, "--lan", "x");
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(message).toContain("use --backbone-user-file");
    expect(message).not.toContain("hunter2");
    for (const kind of ["user", "nkey", "creds"] as const) {
      const wrong = (): unknown => givenCredentials({ [kind]: file("wrong", "hunter2") }, {});
      expect(wrong).toThrow(/wrong must hold (user:password|the seed|a JWT)/);
      expect(wrong).not.toThrow("hunter2");
    }
  });

  test("takes credentials of a file, else of the environment, and one kind of them", () => {
    const creds = "-----BEGIN NATS USER JWT-----\nx\n------END\n-----BEGIN USER NKEY SEED-----\ny\n------END";
    const env = { [CREDENTIAL_VARIABLES.creds]: creds };
    expect(givenCredentials({}, {})).toBeUndefined();
    expect(givenCredentials({}, env)).toEqual({ kind: "creds", text: creds });
    expect(givenCredentials({ nkey: file("nkey", `${seed}\n`) }, env)).toEqual({ kind: "nkey", seed });
    expect(() => givenCredentials({ nkey: file("nkey", seed), user: "x" }, {})).toThrow("got user and nkey");
  });
});
