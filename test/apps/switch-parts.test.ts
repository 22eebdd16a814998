/** The parts of the switch that need no network: framing, MAC table, leases, switching, command line. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import type { Applicant } from "../../apps/switch/addresses/book.ts";
import { type Command, macOf, parseCommandLine } from "../../apps/switch/command-line.ts";
import { eachFrame, MESSAGE_MAX, pack, unpack } from "../../apps/switch/framing.ts";
import { hostOf } from "../../apps/switch/host.ts";
import { HostLog } from "../../apps/switch/host-log.ts";
import { idOf } from "../../apps/switch/identity.ts";
import { LearningSwitch, Port } from "../../apps/switch/learning-switch.ts";
import { Leases } from "../../apps/switch/leases.ts";
import { MacTable, macAt, macText } from "../../apps/switch/mac-table.ts";
import { ID_PATTERN, parseWelcome } from "../../apps/switch/protocol.ts";
import { tokenOfFile } from "../../apps/switch/token.ts";

/** The messages for frames, kept: what `pack` gives is valid for the call only. */
function packed(frames: Uint8Array[]): { messages: Uint8Array[]; counts: number[]; tooLong: number } {
  const messages: Uint8Array[] = [];
  const counts: number[] = [];
  const tooLong = pack(frames, (message, count) => {
    messages.push(message.slice());
    counts.push(count);
  });
  return { messages, counts, tooLong };
}

describe("framing", () => {
  test("frames come out as they went in, whatever their lengths, in messages below the limit", () => {
    const frame = fc
      .integer({ min: 0, max: 65_535 })
      .chain((length) => fc.nat(255).map((octet) => new Uint8Array(length).fill(octet)));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        const { messages, counts, tooLong } = packed(frames);
        expect(messages.flatMap((message) => unpack(message) as Uint8Array[])).toEqual(frames);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(frames.length);
        expect(tooLong).toBe(0);
        for (const { length } of messages) expect(length).toBeLessThanOrEqual(MESSAGE_MAX);
      }),
      { numRuns: 50 },
    );
  });

  test("a length is two bytes, big-endian; none is no message", () => {
    const { messages } = packed([new Uint8Array(258).fill(7), new Uint8Array(0)]);
    expect(messages[0]?.slice(0, 3)).toEqual(Uint8Array.of(1, 2, 7));
    expect(messages[0]?.slice(-2)).toEqual(Uint8Array.of(0, 0));
    expect(packed([]).messages).toEqual([]);
  });

  test("a frame that is longer than its length can say is left out and counted, no other", () => {
    const { messages, tooLong } = packed([Uint8Array.of(1), new Uint8Array(65_536), Uint8Array.of(2)]);
    expect(messages).toEqual([Uint8Array.of(0, 1, 1, 0, 1, 2)]);
    expect(tooLong).toBe(1);
  });

  test("a message that was cut is recognized, wherever it was cut", () => {
    const [whole] = packed([new Uint8Array(5), new Uint8Array(0), new Uint8Array(9)]).messages as [Uint8Array];
    const ends = [0, 7, 9];
    for (let length = 0; length < whole.length; length++) {
      expect(unpack(whole.subarray(0, length)) !== null).toBe(ends.includes(length));
    }
  });

  test("random bytes never lead outside", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        let last = 0;
        const whole = eachFrame(bytes, (start, end) => {
          expect(start).toBe(last + 2);
          expect(end).toBeGreaterThanOrEqual(start);
          last = end;
        });
        expect(whole ? last === bytes.length : last < bytes.length).toBe(true);
        expect(last).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe("the MAC table", () => {
  const table = (): MacTable<string> => new MacTable({ ageMs: 300, perPortMax: 2 });

  test("an address is known until it has not been seen for as long as the age", () => {
    const macs = table();
    macs.learn(1, "a", 1000);
    expect([macs.lookUp(1, 1000), macs.lookUp(1, 1299), macs.lookUp(1, 1300)]).toEqual(["a", "a", undefined]);
    macs.learn(1, "a", 1299);
    expect([macs.lookUp(1, 1300), macs.lookUp(1, 1598), macs.lookUp(1, 1599)]).toEqual(["a", "a", undefined]);
    macs.sweep(1598);
    expect(macs.size).toBe(1);
    macs.sweep(1599);
    expect(macs.size).toBe(0);
  });

  test("an address moves to the port that it was seen on last", () => {
    const macs = table();
    macs.learn(1, "a", 0);
    macs.learn(1, "b", 1);
    expect([macs.lookUp(1, 1), macs.addressesOf("a"), macs.addressesOf("b")]).toEqual(["b", [], [1]]);
  });

  test("a port has so many addresses at most, and takes no other's room", () => {
    const macs = table();
    macs.learn(9, "b", 0);
    const learned = Array.from({ length: 1000 }, (_, mac) => macs.learn(100 + mac, "a", 0));
    expect([learned.filter((each) => each === "learned").length, macs.size, macs.lookUp(9, 0)]).toEqual([2, 3, "b"]);
    // Nor does it take over an address that another port has.
    expect([macs.learn(9, "a", 0), macs.lookUp(9, 0)]).toEqual(["full", "b"]);
    expect(macs.learn(100, "a", 200)).toBe("learned");
    macs.sweep(300);
    expect([macs.learn(7, "a", 300), macs.learn(8, "a", 300)]).toEqual(["learned", "full"]);
  });

  test("with a port go its addresses", () => {
    const macs = table();
    macs.learn(1, "a", 0);
    macs.learn(2, "b", 0);
    macs.forget("a");
    expect([macs.size, macs.lookUp(1, 0), macs.lookUp(2, 0)]).toEqual([1, undefined, "b"]);
    expect([macs.learn(3, "a", 0), macs.learn(4, "a", 0)]).toEqual(["learned", "learned"]);
  });

  test("addresses are whole numbers of 48 bits", () => {
    const bytes = Uint8Array.of(0xa5, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54);
    expect(macAt(bytes, 1)).toBe(0xfedcba987654);
    expect([macText(0xfedcba987654), macText(1)]).toEqual(["fe:dc:ba:98:76:54", "00:00:00:00:00:01"]);
  });
});

describe("leases", () => {
  const options = { keepMs: 1000, perOwnerMax: 8 };
  const pool = (): Leases => new Leases("198.51.100.0/30", options);
  const client = (id: string, now = 0, owner = "192.0.2.1"): Applicant => ({ id, owner, now });
  const first = "198.51.100.1/30";
  const second = "198.51.100.2/30";

  test("a client gets the same address again, while it is there and after", () => {
    const leases = pool();
    expect(["a", "a", "b"].map((id) => leases.lease(client(id)))).toEqual([first, first, second]);
    leases.release("a", 0);
    expect([leases.lease(client("c", 999)), leases.lease(client("a", 999))]).toEqual([undefined, first]);
  });

  test("when all are taken, the one of a client that is away for long is given to another", () => {
    const leases = pool();
    leases.lease(client("a"));
    leases.lease(client("b"));
    leases.release("b", 0);
    const given = [client("c", 999), client("c", 1000), client("b", 1000)].map((each) => leases.lease(each));
    expect(given).toEqual([undefined, second, undefined]);
  });

  test("a wish is met if it can be", () => {
    const leases = pool();
    expect(leases.lease(client("a"), second)).toBe(second);
    expect(leases.lease(client("b"), second)).toBe(first);
    for (const wish of ["198.51.100.0/30", "198.51.100.3/30", "192.0.2.1/30", "x", "2001:db8::1/64", ""]) {
      expect(pool().lease(client("c"), wish)).toBe(first);
    }
  });

  test("a claim keeps others away, and fails on what others have", () => {
    const leases = pool();
    expect([leases.claim(client("a"), first), leases.claim(client("b"), first)]).toEqual([true, false]);
    expect(leases.claim(client("b"), "192.0.2.1/24")).toBe(true);
    expect([leases.lease(client("b")), leases.lease(client("c"))]).toEqual([second, undefined]);
    // One client, one lease: what it had before is free again.
    expect([leases.claim(client("b"), second), leases.claim(client("a"), "198.51.100.1")]).toEqual([true, true]);
  });

  test("hands out all of a larger pool, and each once", () => {
    const leases = new Leases("203.0.113.0/24", { keepMs: 0, perOwnerMax: 255 });
    const given = Array.from({ length: 255 }, (_, i) => leases.lease(client(`client${i}`)));
    expect([given[0], given[253], given[254]]).toEqual(["203.0.113.1/24", "203.0.113.254/24", undefined]);
    expect(new Set(given).size).toBe(255);
  });

  test("one machine does not get all addresses, whether its clients stay or come and go under new names", () => {
    for (const stays of [true, false]) {
      const leases = new Leases("203.0.113.0/24", options);
      for (let i = 0; i < 300; i++) {
        if (i % 2 === 0) leases.lease(client(`lease${i}`));
        else leases.claim(client(`claim${i}`), `203.0.113.${(i % 254) + 1}/24`);
        if (!stays) for (const name of ["lease", "claim"]) leases.release(`${name}${i}`, i);
      }
      const others = Array.from({ length: 254 }, (_, i) => leases.lease(client(`${i}`, 999, `198.51.100.${i % 32}`)));
      expect(others.filter((address) => address !== undefined)).toHaveLength(254 - options.perOwnerMax);
    }
  });

  test("a machine with the most addresses it may have loses that of the client that left first", () => {
    const leases = new Leases("203.0.113.0/24", { keepMs: 1000, perOwnerMax: 2 });
    const [a = "", b = ""] = ["a", "b"].map((id) => leases.lease(client(id)));
    expect([leases.lease(client("c")), leases.claim(client("c"), "203.0.113.9/24")]).toEqual([undefined, false]);
    leases.release("b", 1);
    leases.release("a", 2);
    expect([leases.lease(client("c", 3), b), leases.lease(client("a", 3))]).toEqual([b, a]);
  });

  test.each(["198.51.100.0", "198.51.100.1/24", "198.51.100.0/31", "198.0.0.0/8", "2001:db8::/64", "x/24", ""])(
    "%p is no pool",
    (text) => expect(() => new Leases(text, options)).toThrow(`such as "198.51.100.0/24", got "${text}"`),
  );
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["2001:db8:0:0:ffff:1:2:3", "2001:db8:0:0"],
  ["2001:db8:1:2:3::", "2001:db8:1:2"],
  ["::1", "0:0:0:0"],
  ["fe80::1%lan0", "fe80:0:0:0"],
])("%s is of the machine %s", (address, host) => expect(hostOf(address)).toBe(host));

describe("the welcome of a switch that is not trusted", () => {
  const welcome = (address: unknown, mtu: unknown = 1500): string => JSON.stringify({ mtu, address });

  test("gives an MTU, and an address with a prefix that is long enough", () => {
    expect(parseWelcome(welcome(undefined), 16)).toEqual({ mtu: 1500 });
    for (const address of ["198.51.100.1/24", "198.51.0.1/16", "198.51.100.1/30"]) {
      expect(parseWelcome(welcome(address), 16)).toEqual({ mtu: 1500, address });
    }
    expect(parseWelcome(welcome("198.0.0.1/8"), 8).address).toBe("198.0.0.1/8");
  });

  test.each(["0.0.0.1/1", "128.0.0.1/1", "198.51.100.1/15", "198.51.100.1/0", "198.51.100.1/31", "198.51.100.1/33"])(
    "is refused with the address %s",
    (address) => expect(() => parseWelcome(welcome(address), 16)).toThrow("a prefix of 16 to 30"),
  );

  test.each(["198.51.100.1", "2001:db8::1/64", "::/1", "x/24", "", 7, null, {}])("is refused with %p", (address) =>
    expect(() => parseWelcome(welcome(address), 16)).toThrow("a prefix of 16 to 30"),
  );

  test.each(["", "{", "7", "null", "[]", '"x"', welcome(undefined, "1500")])("is refused as %p", (message) =>
    expect(() => parseWelcome(message, 16)).toThrow(RangeError),
  );
});

describe("the learning switch", () => {
  const BROADCAST = 0xffffffffffff;
  let now = 0;

  /** A switch with three ports, each with what came out of it; `full` ones take nothing. */
  function lan(): { lan: LearningSwitch; ports: Port[]; out: Uint8Array[][]; full: Set<number> } {
    const lan = new LearningSwitch({ ageMs: 1000, perPortMax: 4, mtu: 1500, clock: () => now });
    const out: Uint8Array[][] = [[], [], []];
    const full = new Set<number>();
    const ports = out.map((messages, i) => new Port((message) => !full.has(i) && messages.push(message.slice()) > 0));
    for (const port of ports) lan.attach(port);
    return { lan, ports, out, full };
  }

  function frame(destination: number, source: number, mark = 0, length = 60): Uint8Array {
    const hex = [destination, source].map((mac) => mac.toString(16).padStart(12, "0")).join("");
    const bytes = new Uint8Array(length).fill(mark);
    bytes.set(Uint8Array.fromHex(`${hex}88b5`).subarray(0, length));
    return bytes;
  }

  const message = (...frames: Uint8Array[]): Uint8Array => packed(frames).messages[0] as Uint8Array;
  const marks = (messages: Uint8Array[]): unknown[] =>
    messages.flatMap((bytes) => unpack(bytes) as Uint8Array[]).map((bytes) => bytes[20]);

  test("floods what it does not know, then sends to where it was seen, never back", () => {
    const { lan: bridge, ports, out } = lan();
    const [a, b, c] = ports as [Port, Port, Port];
    bridge.receive(a, message(frame(0x2b, 0x2a, 1)));
    bridge.receive(b, message(frame(0x2a, 0x2b, 2)));
    bridge.receive(a, message(frame(0x2b, 0x2a, 3), frame(0x2a, 0x2a, 4), frame(BROADCAST, 0x2a, 5)));
    bridge.receive(c, message(frame(0x0100_5e00_0001, 0x2c, 6)));
    expect(out.map(marks)).toEqual([
      [2, 6],
      [1, 3, 5, 6],
      [1, 5],
    ]);
    expect([b.framesIn, b.bytesIn, b.framesOut, b.bytesOut]).toEqual([1, 60, 4, 240]);
    now += 1000;
    bridge.receive(a, message(frame(0x2b, 0x2a, 7)));
    expect(out.map(marks)).toEqual([
      [2, 6],
      [1, 3, 5, 6, 7],
      [1, 5, 7],
    ]);
  });

  test("keeps frames whole and in order, whatever they are mixed with", () => {
    const { lan: bridge, ports, out } = lan();
    const [a, b, c] = ports as [Port, Port, Port];
    bridge.receive(b, message(frame(BROADCAST, 0x2b)));
    bridge.receive(c, message(frame(BROADCAST, 0x2c)));
    for (const messages of out) messages.length = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0x2a, 0x2b, 0x2c, BROADCAST), { minLength: 1, maxLength: 60 }),
        (targets) => {
          const frames = targets.map((target, i) => frame(target, 0x2a, i, 60 + i));
          bridge.receive(a, message(...frames));
          const wanted = (own: number): Uint8Array[] =>
            frames.filter((_, i) => targets[i] === own || targets[i] === BROADCAST);
          const got = out.map((messages) => messages.splice(0).flatMap((bytes) => unpack(bytes) as Uint8Array[]));
          expect(got).toEqual([[], wanted(0x2b), wanted(0x2c)]);
        },
      ),
    );
  });

  test("drops what is no frame of a station, and learns nothing from it", () => {
    const { lan: bridge, ports, out } = lan();
    const [a] = ports as [Port];
    const bad = [
      frame(1, 0x2a, 0, 13),
      frame(1, 0x2a, 0, 1523),
      frame(1, 0x0100_0000_002a),
      frame(1, BROADCAST),
      frame(1, 0),
    ];
    expect(bridge.receive(a, message(...bad))).toBe(true);
    expect([out, bridge.table.size, a.framesIn]).toEqual([[[], [], []], 0, 5]);
    expect(a.dropped).toEqual({ short: 1, long: 1, source: 3, circle: 0, backPressure: 0 });
  });

  test("counts what a port has no room for, and serves the others", () => {
    const { lan: bridge, ports, out, full } = lan();
    const [a, b] = ports as [Port, Port];
    full.add(1);
    bridge.receive(a, message(frame(BROADCAST, 0x2a, 1), frame(BROADCAST, 0x2a, 2)));
    expect([b.dropped.backPressure, b.framesOut, b.bytesOut, marks(out[2] as Uint8Array[])]).toEqual([2, 0, 0, [1, 2]]);
    full.clear();
    bridge.receive(a, message(frame(BROADCAST, 0x2a, 3)));
    expect([b.dropped.backPressure, marks(out[1] as Uint8Array[])]).toEqual([2, [3]]);
  });

  test("a port whose outlet throws affects no other port, and keeps nothing of one message for the next", () => {
    const { lan: bridge, ports, out } = lan();
    let broken = true;
    const port = new Port((message) => {
      if (broken) throw new Error("Broken");
      return out[1]?.push(message.slice()) !== undefined;
    });
    bridge.detach(ports[1] as Port);
    // In front of the third port.
    bridge.detach(ports[2] as Port);
    for (const each of [port, ports[2] as Port]) bridge.attach(each);
    expect(() => bridge.receive(ports[0] as Port, message(frame(BROADCAST, 0x2a, 1)))).toThrow("Broken");
    broken = false;
    bridge.receive(ports[0] as Port, message(frame(BROADCAST, 0x2a, 2), frame(BROADCAST, 0x2a, 3)));
    expect(out.map(marks)).toEqual([[], [2, 3], [1, 2, 3]]);
    expect([port.framesOut, port.dropped.backPressure]).toEqual([2, 1]);
  });

  test("counts frames from more sources than a port may have, and still switches them", () => {
    const { lan: bridge, ports, out } = lan();
    const [a] = ports as [Port];
    for (let source = 2; source < 22; source += 2) bridge.receive(a, message(frame(BROADCAST, source, source)));
    expect([bridge.table.size, a.unlearned, marks(out[1] as Uint8Array[]).length]).toEqual([4, 6, 10]);
  });

  test("a port that has left gets nothing, and frames for its stations are flooded", () => {
    const { lan: bridge, ports, out } = lan();
    const [a, b] = ports as [Port, Port];
    bridge.receive(b, message(frame(BROADCAST, 0x2b, 1)));
    bridge.detach(b);
    bridge.receive(a, message(frame(0x2b, 0x2a, 2)));
    expect(out.map(marks)).toEqual([[1], [], [1, 2]]);
  });

  test("says when a message is broken, after the frames that were whole", () => {
    const { lan: bridge, ports, out } = lan();
    const whole = message(frame(BROADCAST, 0x2a, 1));
    expect(bridge.receive(ports[0] as Port, new Uint8Array([...whole, 0, 60, 1]))).toBe(false);
    expect(out.map(marks)).toEqual([[], [1], [1]]);
  });
});

describe("the command line", () => {
  const folder = mkdtempSync(`${tmpdir()}/bun-tuntap-switch-`);
  const file = `${folder}/token`;
  writeFileSync(file, "0123456789abcdef\n");

  test.each([
    { line: "swtch", says: 'The command is serve or join, got "swtch"' },
    { line: "serve --prot 1", says: "Unknown option '--prot'" },
    { line: "serve --listen 7000", says: '--listen must be as 192.0.2.1:7000 or [2001:db8::1]:7000, got "7000"' },
    { line: "serve --listen [::]:70000", says: '--listen must be a whole number from 0 to 65535, got "70000"' },
    { line: "serve --mtu 65514", says: '--mtu must be a whole number from 68 to 65513, got "65514"' },
    { line: "serve --timeout 7", says: '--timeout must be a whole number from 8 to 960, got "7"' },
    { line: "serve --age -1", says: "--age" },
    { line: "serve --tls-cert x", says: "--tls-cert and --tls-key go together" },
    { line: "serve --tls-cert /nowhere/cert --tls-key /nowhere/key", says: "/nowhere/cert" },
    { line: "serve --token-file /nowhere/token", says: "/nowhere/token" },
    { line: "join ws://h:1 --token-file FILE --name sixteen-letters-", says: 'Option "name" must have 1 to 15 bytes' },
    { line: "join ws://user:secret@h:1 --token-file FILE", says: "has no user and no password" },
    { line: "join --token-file FILE", says: 'join needs one URL such as ws://192.0.2.1:7000, or several, got ""' },
    { line: "join http://192.0.2.1 --token-file FILE", says: 'got "http://192.0.2.1"' },
    { line: "join ws://192.0.2.1/x --token-file FILE", says: 'got "ws://192.0.2.1/x"' },
    { line: "join ws://192.0.2.1 ftp://192.0.2.2 --token-file FILE", says: 'got "ws://192.0.2.1 ftp://192.0.2.2"' },
    { line: "join ws://192.0.2.1 --token-file FILE --id a,b", says: "--id must be 1 to 64 of" },
    { line: "join ws://192.0.2.1 --token-file FILE --name lan%d", says: "--name lan%d leaves the number" },
    { line: "join ws://192.0.2.1 --token x", says: "Unknown option '--token'" },
  ])("answers `$line` with what is wrong", ({ line, says }) => {
    expect(() => parseCommandLine(line.replace("FILE", file).split(" "))).toThrow(says);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  test("a token file that is not there is made, for its owner alone; one that is there is kept", () => {
    const made = `${folder}/made`;
    const token = tokenOfFile(made);
    expect([token.length, statSync(made).mode & 0o777, tokenOfFile(made)]).toEqual([43, 0o600, token]);
    expect([tokenOfFile(file), readFileSync(file, "utf8")]).toEqual(["0123456789abcdef", "0123456789abcdef\n"]);
    writeFileSync(`${folder}/short`, "short\n");
    expect(() => tokenOfFile(`${folder}/short`)).toThrow("must have 16 or more");
  });

  test("a switch that is given no token makes one", () => {
    const before = process.env["SWITCH_TOKEN"];
    delete process.env["SWITCH_TOKEN"];
    try {
      const tokens = [1, 2].map(() => {
        const command = parseCommandLine(["serve"]);
        return command.name === "serve" && command.madeToken ? command.options.token : "";
      });
      expect(tokens.map(({ length }) => length)).toEqual([43, 43]);
      expect(tokens[0]).not.toBe(tokens[1]);
      expect(() => parseCommandLine(["join", "ws://192.0.2.1"])).toThrow("--token-file, or SWITCH_TOKEN");
    } finally {
      if (before !== undefined) process.env["SWITCH_TOKEN"] = before;
    }
  });

  test("without a command it says which there are", () => {
    expect(() => parseCommandLine([])).toThrow("The command is serve or join");
  });

  test("a client is given several hubs, each once", () => {
    const line = "join ws://192.0.2.1:7000 wss://hub.example/ ws://192.0.2.1:7000/ --token-file FILE";
    const { options } = parseCommandLine(line.replace("FILE", file).split(" ")) as Extract<Command, { name: "join" }>;
    expect([options.urls, options.timeout]).toEqual([["ws://192.0.2.1:7000", "wss://hub.example"], undefined]);
  });

  test("a MAC follows from the id: one station's, locally administered", () => {
    const macs = Array.from({ length: 100 }, (_, i) => macOf(`client${i}`));
    for (const mac of macs) expect(Number.parseInt(mac.slice(0, 2), 16) & 3).toBe(2);
    expect([new Set(macs).size, macOf("client0")]).toEqual([100, macs[0] as string]);
  });
});

describe("the identity of a client", () => {
  const one = { host: "debian", machine: "0f", namespace: "", name: "lan0" };
  const others = [{ host: "other" }, { machine: "10" }, { namespace: "netns:blue" }, { name: "lan1" }];

  test("is the same each time, and another's as soon as one thing differs", () => {
    const ids = [{}, ...others].map((other) => idOf({ ...one, ...other }));
    expect(ids).toEqual([{}, ...others].map((other) => idOf({ ...one, ...other })));
    expect(new Set(ids).size).toBe(5);
    expect(ids[0]).toMatch(/^debian\/lan0@[0-9a-f]{10}$/);
  });

  test("says nothing of the machine's id, and is allowed whatever the names are", () => {
    const machine = "b08dfa6083e7567a1921a715000001fb";
    expect(idOf({ ...one, machine })).not.toContain(machine.slice(0, 10));
    // The longest of both, and what the kernel allows in a name of an interface.
    expect(idOf({ ...one, host: "h".repeat(64), name: "lan,with=15.cha" })).toMatch(ID_PATTERN);
    expect(idOf({ ...one, host: "", name: "ü" })).toMatch(ID_PATTERN);
  });
});

test("a log has a minute's lines of each machine, and says how many it left out", () => {
  const lines: string[] = [];
  let now = 1000;
  const log = new HostLog(
    (line) => void lines.push(line),
    () => now,
  );
  for (let i = 0; i < 70; i++) log.log("192.0.2.1", `one ${i}`);
  log.log("192.0.2.2", "another machine's");
  expect([lines.length, lines.at(-2), lines.at(-1)]).toEqual([61, "one 59", "another machine's"]);
  now += 59_999;
  log.sweep();
  expect(lines.splice(0)).toHaveLength(61);
  now += 1;
  log.sweep();
  expect(lines.splice(0)).toEqual(["and   10 more lines about clients of 192.0.2.1 within a minute or so"]);
  for (let i = 0; i < 61; i++) log.log("192.0.2.1", "again");
  now += 60_000;
  log.log("192.0.2.1", "later");
  expect(lines.splice(0).slice(60)).toEqual([
    "and   1 more lines about clients of 192.0.2.1 within a minute or so",
    "later",
  ]);
});
