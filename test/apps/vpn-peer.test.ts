/** Two peers of apps/vpn with a wire and a clock of the test's between them: handshakes, new keys, attacks. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { makeKey, parseKey } from "../../apps/vpn/key-file.ts";
import { type Endpoint, Peer } from "../../apps/vpn/peer.ts";
import { innerMtu, MessageType, OVERHEAD } from "../../apps/vpn/wire.ts";
import { buildIPv4, buildIPv6, IpProtocol } from "../../src/packet/index.ts";

const KEY = parseKey(makeKey(), "key");
const [HERE, THERE] = [
  { address: "192.0.2.1", port: 1000 },
  { address: "192.0.2.2", port: 51820 },
];

interface Sent {
  readonly datagram: Buffer;
  readonly to: Endpoint;
}

/** A host that connects and one that listens. Handshakes and keep-alives lie in `sent` until `settle` carries them. */
class Pair {
  now = 1000;
  readonly sent = { connecting: [] as Sent[], listening: [] as Sent[] };
  readonly connecting: Peer;
  listening: Peer;
  from: Endpoint = HERE;

  constructor(theirKey: Buffer = KEY, rekeyAfterMs?: number) {
    this.connecting = this.#make(KEY, "connecting", THERE, rekeyAfterMs);
    this.listening = this.#make(theirKey, "listening");
  }

  #make(key: Buffer, role: keyof Pair["sent"], endpoint?: Endpoint, rekeyAfterMs = 120_000): Peer {
    return new Peer({
      ...{ key, endpoint, keepAliveMs: 10_000, rekeyAfterMs, rekeyAfterPackets: 1000 },
      transmit: (datagram, to) => void this.sent[role].push({ datagram, to }),
      tell: () => {},
      now: () => this.now,
    });
  }

  /** The listening host forgets everything. */
  restart(): void {
    this.listening = this.#make(KEY, "listening");
  }

  tick(afterMs: number): void {
    this.now += afterMs;
    this.connecting.tick();
    this.listening.tick();
  }

  /** Delivers what lies there until nothing more comes. */
  settle(): this {
    for (let turn = 0; turn < 10 && this.sent.connecting.length + this.sent.listening.length > 0; turn++) {
      for (const { datagram } of this.sent.connecting.splice(0)) {
        this.listening.receive(datagram, this.from.address, this.from.port);
      }
      for (const { datagram } of this.sent.listening.splice(0)) {
        this.connecting.receive(datagram, THERE.address, THERE.port);
      }
    }
    return this;
  }

  /** Whether a packet passes each way. */
  passes(): boolean {
    const there = this.connecting.seal(packet(1));
    const arrived = there && this.listening.receive(there, this.from.address, this.from.port);
    const back = this.listening.seal(packet(2));
    const returned = back && this.connecting.receive(back, THERE.address, THERE.port);
    return arrived?.[1] === 1 && returned?.[1] === 2;
  }
}

function packet(number: number): Uint8Array {
  return Uint8Array.of(0x45, number, 3, 4, 5, 6);
}

function udpTo(destination: string): Uint8Array {
  const payload = new Uint8Array(8);
  if (destination.includes(":")) {
    return buildIPv6({ source: "2001:db8::1", destination, nextHeader: IpProtocol.UDP, payload });
  }
  return buildIPv4({ source: "198.51.100.1", destination, protocol: IpProtocol.UDP, payload });
}

function connected(): Pair {
  const pair = new Pair();
  pair.tick(0);
  return pair.settle();
}

/** What was dropped, by the reasons that there were. */
function dropped({ counters }: Peer): Record<string, number> {
  return Object.fromEntries(Object.entries(counters.dropped).filter(([, count]) => count > 0));
}

describe("handshake", () => {
  test("leads to a session that both use, and packets arrive as they were", () => {
    const pair = connected();
    expect(pair.passes()).toBe(true);
    expect(pair.listening.endpoint).toEqual(HERE);
    const sealed = pair.connecting.seal(packet(7)) as Buffer;
    expect(sealed.length).toBe(6 + OVERHEAD);
    expect(sealed.includes(packet(7).subarray(1))).toBe(false);
    expect(Buffer.from(pair.listening.receive(sealed, HERE.address, HERE.port) ?? [])).toEqual(Buffer.from(packet(7)));
    expect([pair.connecting, pair.listening].map(dropped)).toEqual([{}, {}]);
  });

  test("is tried again with growing pauses, and nothing else is sent meanwhile", () => {
    const pair = new Pair();
    const times: number[] = [];
    for (let i = 0; i < 400; i++) {
      pair.tick(100);
      times.push(...pair.sent.connecting.splice(0).map(() => pair.now));
    }
    const pauses = times.slice(1).map((time, i) => time - (times[i] as number));
    expect(pauses.length).toBeGreaterThan(5);
    for (const [i, pause] of pauses.entries()) {
      const least = Math.min(500 * 2 ** i, 8000);
      expect(pause).toBeGreaterThanOrEqual(least);
      expect(pause).toBeLessThanOrEqual(least * 1.25 + 100);
    }
  });

  test("is used by both soon, even if the datagram that confirms it is lost", () => {
    const pair = new Pair();
    pair.tick(0);
    for (const { datagram } of pair.sent.connecting.splice(0))
      pair.listening.receive(datagram, HERE.address, HERE.port);
    for (const { datagram } of pair.sent.listening.splice(0)) {
      pair.connecting.receive(datagram, THERE.address, THERE.port);
    }
    expect(pair.sent.connecting.splice(0)).toHaveLength(1);
    expect(pair.listening.seal(packet(1))).toBeUndefined();
    pair.tick(500);
    pair.settle();
    expect(pair.listening.seal(packet(1))).toBeDefined();
    // A few in all, for a host that has nothing to say.
    for (let i = 0; i < 50; i++) pair.tick(100);
    expect(pair.sent.connecting.length).toBeLessThan(4);
  });

  test("with another key is dropped as such, and nothing is answered", () => {
    const pair = new Pair(parseKey(makeKey(), "key"));
    pair.tick(0);
    pair.settle();
    expect(dropped(pair.listening)).toEqual({ "wrong key": 1 });
    expect(pair.passes()).toBe(false);
    expect(pair.connecting.counters.sessions + pair.listening.counters.sessions).toBe(0);
  });

  test("that is replayed gets no answer and changes nothing", () => {
    const pair = new Pair();
    pair.tick(0);
    const [{ datagram: initiation }] = pair.sent.connecting as [Sent];
    pair.settle();
    pair.listening.receive(initiation, "192.0.2.66", 6666);
    expect(pair.sent.listening).toEqual([]);
    expect(dropped(pair.listening)).toEqual({ replayed: 1 });
    expect(pair.listening.endpoint).toEqual(HERE);
    expect(pair.passes()).toBe(true);
  });

  test("that is replayed after a restart is answered, but the session is not used before data comes by it", () => {
    const pair = new Pair();
    pair.tick(0);
    const [{ datagram: initiation }] = pair.sent.connecting as [Sent];
    pair.restart();
    pair.listening.receive(initiation, "192.0.2.66", 6666);
    expect(pair.sent.listening.splice(0).map(({ to }) => to.port)).toEqual([6666]);
    expect(pair.listening.endpoint).toBeUndefined();
    expect(pair.listening.seal(packet(1))).toBeUndefined();
    pair.sent.connecting.length = 0;
    pair.tick(1000);
    expect(pair.settle().passes()).toBe(true);
  });
});

describe("session", () => {
  test.each([
    { after: "time", pass: (pair: Pair) => pair.tick(120_000) },
    {
      after: "packets",
      pass: (pair: Pair) => {
        for (let i = 0; i < 1000; i++) {
          pair.connecting.receive(pair.listening.seal(packet(i)) as Buffer, THERE.address, THERE.port);
        }
        pair.tick(0);
      },
    },
  ])("has new keys after a while of $after; datagrams of the old ones still arrive, for some seconds", ({ pass }) => {
    const pair = connected();
    const late = [1, 2].map((number) => pair.connecting.seal(packet(number)) as Buffer);
    pass(pair);
    pair.settle();
    expect([pair.connecting, pair.listening].map(({ counters }) => counters.sessions)).toEqual([2, 2]);
    expect(pair.passes()).toBe(true);
    expect(pair.listening.receive(late[0] as Buffer, HERE.address, HERE.port)?.[1]).toBe(1);
    pair.tick(11_000);
    expect(pair.listening.receive(late[1] as Buffer, HERE.address, HERE.port)).toBeUndefined();
    expect(dropped(pair.listening)).toEqual({ unexpected: 1 });
  });

  test("is found again when the other host has forgotten it", () => {
    const pair = connected();
    pair.restart();
    expect(pair.passes()).toBe(false);
    for (let i = 0; i < 4; i++) {
      pair.tick(10_000);
      pair.settle();
    }
    expect(pair.passes()).toBe(true);
    expect(pair.connecting.counters.sessions).toBe(2);
  });

  test("is kept alive by both when idle", () => {
    const pair = connected();
    for (let i = 0; i < 10; i++) {
      pair.tick(10_000);
      pair.settle();
    }
    expect(pair.connecting.counters.sessions).toBe(1);
    expect(pair.listening.counters.keepAlives.sent).toBeGreaterThanOrEqual(9);
    expect(pair.connecting.counters.keepAlives.received).toBe(pair.listening.counters.keepAlives.sent);
  });

  test("lasts as long as the host that connects has it, whatever the other one was told", () => {
    const pair = new Pair(KEY, 3_600_000);
    pair.tick(0);
    pair.settle();
    for (let second = 0; second < 3600; second += 10) {
      pair.tick(10_000);
      expect(pair.settle().passes()).toBe(true);
    }
    expect(pair.connecting.counters.sessions).toBe(2);
  });

  test("ends when no new one can be agreed on", () => {
    const pair = connected();
    pair.tick(120_000 + 60_001);
    expect(pair.connecting.seal(packet(1))).toBeUndefined();
    expect(dropped(pair.connecting)).toEqual({ "no session": 1 });
  });
});

describe("roaming", () => {
  test("the peer is where its newest datagram came from, whatever comes late", () => {
    const pair = connected();
    const [early, late] = [1, 2].map((number) => pair.connecting.seal(packet(number)) as Buffer) as [Buffer, Buffer];
    expect(pair.listening.receive(late, "192.0.2.9", 9)?.[1]).toBe(2);
    expect(pair.listening.receive(early, HERE.address, HERE.port)?.[1]).toBe(1);
    expect(pair.listening.endpoint).toEqual({ address: "192.0.2.9", port: 9 });
    expect(pair.listening.counters.moves).toBe(1);
  });

  test.each([
    { address: "192.0.2.9", inside: ["203.0.113.1", "192.0.2.9"] },
    { address: "::ffff:192.0.2.9", inside: ["203.0.113.1", "192.0.2.9"] },
    { address: "2001:db8::9", inside: ["2001:db8:1::1", "2001:db8::9"] },
    { address: "fe80::9%eth0", inside: ["2001:db8:1::1", "fe80::9"] },
  ])("to $address, which a route leads into the tunnel, sends nothing round in circles", ({ address, inside }) => {
    const pair = connected();
    const newest = pair.connecting.seal(packet(1)) as Buffer;
    pair.listening.receive(newest, address, 1000);
    expect(pair.listening.endpoint).toEqual({ address, port: 1000 });
    const [other = "", own = ""] = inside;
    expect(pair.listening.seal(udpTo(other))).toBeDefined();
    expect(pair.listening.seal(udpTo(own))).toBeUndefined();
    expect(dropped(pair.listening)).toEqual({ looped: 1 });
  });

  test("nobody can move it with a datagram that has arrived, or is not authentic", () => {
    const pair = connected();
    const sealed = pair.connecting.seal(packet(1)) as Buffer;
    pair.listening.receive(sealed, HERE.address, HERE.port);
    pair.listening.receive(sealed, "192.0.2.66", 6666);
    const forged = pair.connecting.seal(packet(2)) as Buffer;
    forged[20] = (forged[20] as number) ^ 1;
    pair.listening.receive(forged, "192.0.2.66", 6666);
    expect(pair.listening.endpoint).toEqual(HERE);
    expect(dropped(pair.listening)).toEqual({ replayed: 1, forged: 1 });
  });
});

describe("whatever is sent by others", () => {
  test("a datagram with one bit changed, or cut, is never accepted, and the tunnel goes on", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 20), fc.boolean(), fc.constantFrom(1, 2, 4), (at, cut, type) => {
        const pair = new Pair();
        pair.tick(0);
        const change = (bytes: Buffer): Buffer => {
          const copy = Buffer.from(cut ? bytes.subarray(0, at % bytes.length) : bytes);
          const bit = at % (8 * copy.length);
          if (!cut) copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
          return copy;
        };
        if (type === MessageType.INITIATION) {
          const [{ datagram }] = pair.sent.connecting as [Sent];
          pair.listening.receive(change(datagram), "192.0.2.66", 6666);
          expect(pair.sent.listening).toEqual([]);
        } else if (type === MessageType.RESPONSE) {
          for (const { datagram } of pair.sent.connecting.splice(0))
            pair.listening.receive(datagram, "192.0.2.1", 1000);
          const [{ datagram }] = pair.sent.listening as [Sent];
          pair.connecting.receive(change(datagram), THERE.address, THERE.port);
          expect(pair.connecting.counters.sessions).toBe(0);
        } else {
          pair.settle();
          const changed = change(pair.connecting.seal(packet(1)) as Buffer);
          expect(pair.listening.receive(changed, "192.0.2.66", 6666)).toBeUndefined();
          expect(pair.listening.endpoint).toEqual(HERE);
        }
        const drops = [pair.connecting, pair.listening].flatMap((peer) => Object.values(dropped(peer)));
        expect(drops).toEqual([1]);
        expect(pair.settle().passes()).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("random bytes are dropped", () => {
    const pair = connected();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), (bytes, type) => {
        if (bytes.length > 3 && type > 0) bytes.set([type, 0, 0, 0]);
        return pair.listening.receive(Buffer.from(bytes), "192.0.2.66", 6666) === undefined;
      }),
      { numRuns: 500 },
    );
    expect(Object.values(pair.listening.counters.dropped).reduce((a, b) => a + b)).toBe(500);
    expect(pair.listening.endpoint).toEqual(HERE);
    expect(pair.passes()).toBe(true);
  });
});

test("the tunnel's MTU fills an Ethernet frame over IPv6", () => {
  expect(innerMtu(1500)).toBe(1420);
  expect(40 + 8 + OVERHEAD + innerMtu(1500)).toBe(1500);
});
