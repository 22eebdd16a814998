/** What attackers can make the core do, counted: nothing costs more than it must, and nothing is answered. */
import { describe, expect, spyOn, test } from "bun:test";
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import { INITIATION_BYTES } from "../../../apps/wireguard/core/protocol/wire.ts";
import { KeyPair } from "../../../apps/wireguard/core/protocol/x25519.ts";
import { Random, seed } from "../../support/random.ts";
import { fuzz } from "./fuzz.ts";
import { A, B, type Datagram, Host, INNER_A, INNER_B, packet, pair, Wire } from "./simulation.ts";

const aead = await openLibsodium();
const ATTACKER = "203.0.113.9:1";
const typeOf = ({ bytes }: Datagram): number => bytes[0] as number;

test(`hostile messages are met with silence (seed ${seed})`, () => {
  expect(fuzz(aead, new Random(seed), 3000)).toBeGreaterThan(3000);
});

describe("forged initiations", () => {
  test("with a wrong mac1 cost one MAC each: no key is made, and no secret computed", () => {
    const { wire, b } = pair(aead);
    const shared = spyOn(KeyPair.prototype, "sharedWith");
    try {
      for (let i = 0; i < 10_000; i++) {
        const message = crypto.getRandomValues(new Uint8Array(INITIATION_BYTES));
        message.set([1, 0, 0, 0]);
        b.protocol.receive([message], ATTACKER, wire.now);
      }
      expect(shared).toHaveBeenCalledTimes(0);
    } finally {
      shared.mockRestore();
    }
    expect(b.protocol.dropped.invalid).toBe(10_000);
    expect(wire.log).toEqual([]);
  });

  test("with a right mac1, beyond the limit, cost a cookie and no secret", () => {
    const { wire, a, b } = pair(aead, { loadLimit: 100 });
    a.send(packet(INNER_A, INNER_B, "one"));
    const initiation = (wire.log[0] as Datagram).bytes;
    const shared = spyOn(KeyPair.prototype, "sharedWith");
    try {
      for (let i = 0; i < 1000; i++) b.protocol.receive([initiation.slice()], ATTACKER, wire.now);
      // Each that is looked at takes two secrets: the ephemeral one, and for the first one those of the response.
      expect(shared.mock.calls.length).toBeLessThan(2 * 100 + 5);
    } finally {
      shared.mockRestore();
    }
    expect(b.protocol.dropped.limited).toBe(900);
    expect(wire.log.filter((datagram) => typeOf(datagram) === 3).length).toBe(900);
  });
});

describe("replays", () => {
  test("of each message, in each order, later and from elsewhere, change nothing", () => {
    const { wire, a, b, ba, ab } = pair(aead);
    for (let i = 0; i < 20; i++) {
      a.send(packet(INNER_A, INNER_B, `${i}`));
      b.send(packet(INNER_B, INNER_A, `${i}`));
      wire.pass(10);
    }
    const before = { sent: wire.log.length, a: a.packets.length, b: b.packets.length };
    const random = new Random(seed);
    for (let i = 0; i < 5000; i++) {
      const { to, bytes } = wire.log[random.below(before.sent)] as Datagram;
      (to === A ? a : b).protocol.receive([bytes.slice()], ATTACKER, wire.now);
    }
    wire.settle();
    expect({ sent: wire.log.length, a: a.packets.length, b: b.packets.length }).toEqual(before);
    expect([ab.endpoint, ba.endpoint]).toEqual([B, A]);
  });

  test("of a cookie reply are refused, and so is one for another message", () => {
    const { wire, a } = pair(aead, { loadLimit: 0 });
    a.send(packet(INNER_A, INNER_B, "one"));
    wire.settle();
    const reply = wire.log.find((datagram) => typeOf(datagram) === 3) as Datagram;
    a.protocol.receive([reply.bytes.slice()], B, wire.now);
    expect(a.protocol.dropped.invalid).toBe(1);
    expect(a.events.filter((event) => event === "cookie received").length).toBe(1);
  });

  test("of an initiation after this host was started again are refused by its timestamp once a later one was seen", () => {
    const { wire, a, b } = pair(aead);
    a.send(packet(INNER_A, INNER_B, "one"));
    wire.settle();
    const first = wire.log[0] as Datagram;
    wire.pass(200_000);
    a.send(packet(INNER_A, INNER_B, "two"));
    wire.settle();
    const before = wire.log.length;
    b.protocol.receive([first.bytes.slice()], ATTACKER, wire.now);
    expect(b.protocol.dropped.replayed).toBe(1);
    expect(wire.log.length).toBe(before);
  });
});

describe("many peers", () => {
  test("a thousand with one packet each: every handshake completes, and every packet arrives", () => {
    const wire = new Wire();
    const hub = new Host(wire, "hub", aead);
    hub.address = B;
    const count = 1000;
    const inner = (i: number): string => `198.51.${100 + (i >> 8)}.${i & 255}`;
    const clients = Array.from({ length: count }, (_, i) => {
      const client = new Host(wire, `client ${i}`, aead);
      client.address = `192.0.2.1:${1000 + i}`;
      client.knows(hub, INNER_B, B);
      hub.knows(client, inner(i));
      return client;
    });
    for (const [i, client] of clients.entries()) client.send(packet(inner(i), INNER_B, `${i}`));
    wire.settle();
    expect(hub.packets.length).toBe(count);
    expect(hub.protocol.dropped).toEqual({ invalid: 0, replayed: 0, limited: 0, notAllowed: 0, unroutable: 0 });
    // Each of them is answered by its own keys.
    for (const [i, client] of clients.entries()) {
      hub.send(packet(INNER_B, inner(i), `${i}`));
      wire.settle();
      expect(client.packets).toEqual([packet(INNER_B, inner(i), `${i}`)]);
    }
  }, 120_000);
});
