/** The core in simulated time: handshakes, timers, roaming, loss and attacks, between two hosts of the test's own. */
import { describe, expect, test } from "bun:test";
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import { A, B, type Datagram, Host, INNER_A, INNER_B, packet, pair } from "./simulation.ts";

const aead = await openLibsodium();
const typeOf = ({ bytes }: Datagram): number => bytes[0] as number;
const there = (text: string): Uint8Array => packet(INNER_A, INNER_B, text);
const back = (text: string): Uint8Array => packet(INNER_B, INNER_A, text);

describe("a handshake", () => {
  test("is begun by the first packet, which waits for it and then arrives", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    expect(wire.log.map(typeOf)).toEqual([1]);
    wire.settle();
    expect(wire.log.map(typeOf)).toEqual([1, 2, 4]);
    expect(b.packets).toEqual([there("one")]);
    b.send(back("two"));
    wire.settle();
    expect(a.packets).toEqual([back("two")]);
    expect(a.protocol.dropped).toEqual(b.protocol.dropped);
    expect(Object.values(a.protocol.dropped)).toEqual([0, 0, 0, 0, 0]);
  });

  test("takes the same preshared key on both sides, or none comes about", () => {
    const { wire, a, b, ab, ba } = pair(aead);
    ab.presharedKey = new Uint8Array(32).fill(7);
    a.send(there("one"));
    wire.pass(2000);
    expect(b.packets).toEqual([]);
    expect(a.protocol.dropped.invalid).toBe(1);
    ba.presharedKey = new Uint8Array(32).fill(7);
    wire.pass(20_000);
    expect(b.packets).toEqual([there("one")]);
  });

  test.each([
    { lost: 1, name: "initiation" },
    { lost: 2, name: "response" },
    { lost: 4, name: "first data message" },
  ])("whose $name is lost is repeated within 5.4 seconds", ({ lost }) => {
    const { wire, a, b } = pair(aead);
    let losses = 1;
    wire.fate = (datagram) => typeOf(datagram) !== lost || losses-- <= 0;
    a.send(there("one"));
    wire.pass(5400);
    a.send(there("two"));
    wire.pass(1);
    expect(b.packets.at(-1)).toEqual(there("two"));
    if (lost !== 4) expect(b.packets[0]).toEqual(there("one"));
  });

  test("that both sides begin at once comes about at once", () => {
    const { wire, a, b, ba } = pair(aead);
    ba.endpoint = A;
    a.send(there("one"));
    b.send(back("two"));
    wire.pass(100);
    expect(a.packets).toEqual([back("two")]);
    expect(b.packets).toEqual([there("one")]);
    for (let i = 0; i < 5; i++) {
      a.send(there(`${i}`));
      b.send(back(`${i}`));
      wire.pass(100);
    }
    expect(a.packets.length).toBe(6);
    expect(b.packets.length).toBe(6);
  });

  test("is not needed again where a host is given the private key that it has, and is where that is another one", () => {
    const { wire, a, b } = pair(aead);
    a.send(packet(INNER_A, INNER_B, "one"));
    wire.pass(100);
    for (const [host, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const sent = wire.log.length;
      host.protocol.setPrivateKey(host.protocol.identity?.keys.privateKey.slice());
      a.send(packet(INNER_A, INNER_B, other.name));
      wire.pass(100);
      expect(wire.log.slice(sent).map(({ bytes }) => bytes[0])).toEqual([4]);
    }
    expect(b.packets).toHaveLength(3);
    b.protocol.setPrivateKey(new Uint8Array(32).fill(1));
    a.send(packet(INNER_A, INNER_B, "not to be read"));
    wire.pass(100);
    expect(b.packets).toHaveLength(3);
  });

  test("is given up after 90 seconds, and the packets that waited are dropped", () => {
    const { wire, a, ab } = pair(aead);
    wire.fate = () => false;
    for (let i = 0; i < 200; i++) a.send(there(`${i}`));
    expect(ab.dropped).toBe(72);
    wire.pass(120_000);
    expect(a.events.at(-1)).toBe("handshake given up");
    expect(wire.log.length).toBe(19);
    expect(ab.dropped).toBe(200);
    const gaps = wire.log.length;
    wire.pass(600_000);
    expect(wire.log.length).toBe(gaps);
    expect(a.events.at(-1)).toBe("keys wiped");
  });
});

describe("timers", () => {
  test("the initiator renews a session that it sends by after 120 seconds, and no packet waits", () => {
    const { wire, a, b } = pair(aead);
    for (let second = 0; second < 400; second++) {
      a.send(there(`${second}`));
      b.send(back(`${second}`));
      wire.pass(1000);
    }
    expect(a.packets.length).toBe(400);
    expect(b.packets.length).toBe(400);
    expect(wire.log.map(typeOf).filter((type) => type === 1).length).toBe(4);
    expect(b.events.filter((event) => event === "initiation sent")).toEqual([]);
  });

  test("the initiator renews a session that it only receives by after 165 seconds", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    wire.pass(1000);
    for (let second = 0; second < 200; second += 5) {
      b.send(back(`${second}`));
      wire.pass(5000);
    }
    expect(a.packets.length).toBe(40);
    const initiations = wire.log.filter((datagram) => typeOf(datagram) === 1 && datagram.from === A);
    expect(initiations.length).toBe(2);
  });

  test("a keep-alive goes out 10 seconds after data came in and nothing went out", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    wire.pass(9900);
    const before = wire.log.length;
    wire.pass(200);
    expect(wire.log.slice(before).map(({ from, bytes }) => [from, bytes.length])).toEqual([[B, 32]]);
    wire.pass(60_000);
    expect(wire.log.length).toBe(before + 1);
    expect(b.packets.length).toBe(1);
  });

  test("a new handshake begins 15 seconds after data went out and nothing came in", () => {
    const { wire, a } = pair(aead);
    a.send(there("one"));
    wire.pass(60_000);
    wire.fate = () => false;
    a.send(there("two"));
    const before = wire.log.length;
    wire.pass(14_900);
    expect(wire.log.length).toBe(before);
    wire.pass(500);
    expect(wire.log.slice(before).map(typeOf)).toEqual([1]);
  });

  test("persistent keep-alives go out without any data, and begin the handshake", () => {
    const { wire, a, b, ab } = pair(aead);
    ab.setPersistentKeepAlive(25, wire.now);
    wire.pass(100_000);
    expect(b.events).toContain("handshake complete");
    const keepAlives = wire.log.filter(({ bytes, from }) => bytes.length === 32 && from === A);
    expect(keepAlives.length).toBe(5);
    ab.setPersistentKeepAlive(0, wire.now);
    const before = wire.log.length;
    wire.pass(200_000);
    expect(wire.log.length).toBe(before);
    expect(a.packets).toEqual([]);
  });

  test("nothing goes out by keys that are 180 seconds old, and they are wiped after 540", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    wire.pass(181_000);
    wire.fate = (datagram) => typeOf(datagram) === 1;
    b.send(back("two"));
    wire.pass(10);
    expect(a.packets).toEqual([]);
    expect(wire.log.at(-1)?.bytes[0]).not.toBe(4);
    wire.pass(700_000);
    expect(a.events).toContain("keys wiped");
    expect(b.events).toContain("keys wiped");
  });
});

describe("roaming", () => {
  test("answers go where the last authentic message came from", () => {
    const { wire, a, b, ba } = pair(aead);
    a.send(there("one"));
    wire.pass(100);
    a.address = "192.0.2.77:4000";
    b.send(back("lost"));
    wire.pass(100);
    expect(a.packets).toEqual([]);
    a.send(there("two"));
    wire.pass(100);
    expect(ba.endpoint).toBe("192.0.2.77:4000");
    b.send(back("three"));
    wire.pass(100);
    expect(a.packets).toEqual([back("three")]);
  });

  test("a message that is not authentic, or was seen before, moves nobody", () => {
    const { wire, a, b, ba } = pair(aead);
    a.send(there("one"));
    wire.pass(100);
    for (const { bytes } of [...wire.log]) {
      b.protocol.receive([bytes.slice()], "203.0.113.9:1", wire.now);
      const forged = bytes.slice();
      forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
      b.protocol.receive([forged], "203.0.113.9:1", wire.now);
    }
    expect(ba.endpoint).toBe(A);
    expect(b.packets.length).toBe(1);
    expect(wire.log.filter(({ to }) => to.startsWith("203."))).toEqual([]);
  });
});

describe("what must be met with silence", () => {
  test("messages of every length, of every type, cut and grown", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    wire.pass(100);
    const real = wire.log.map(({ bytes }) => bytes);
    const before = wire.log.length;
    for (let length = 0; length <= 200; length++) {
      for (const base of real) {
        const message = new Uint8Array(length);
        message.set(base.subarray(0, length));
        if (length !== base.length) b.protocol.receive([message], "203.0.113.9:1", wire.now);
      }
      for (let type = 0; type < 6; type++) {
        const message = new Uint8Array(length).fill(type === 0 ? 0xff : 0);
        if (length > 0) message[0] = type;
        b.protocol.receive([message], "203.0.113.9:1", wire.now);
      }
    }
    wire.settle();
    expect(wire.log.length).toBe(before);
    expect(b.packets.length).toBe(1);
    expect(b.protocol.dropped.invalid).toBeGreaterThan(1000);
  });

  test("an inner packet from an address that is not the peer's, and one for nobody", () => {
    const { wire, a, b } = pair(aead);
    a.send(packet("203.0.113.1", INNER_B, "forged"));
    a.send(packet(INNER_A, "203.0.113.5", "nobody's"));
    wire.pass(100);
    expect(b.packets).toEqual([]);
    expect(b.protocol.dropped.notAllowed).toBe(1);
    expect(a.protocol.dropped.unroutable).toBe(1);
  });

  test("every index that was not given out, for each type of message", () => {
    const { wire, b } = pair(aead);
    for (let i = 0; i < 2000; i++) {
      for (const [type, length] of [
        [2, 92],
        [3, 64],
        [4, 48],
      ] as const) {
        const message = crypto.getRandomValues(new Uint8Array(length));
        message.set([type, 0, 0, 0]);
        b.protocol.receive([message], "203.0.113.9:1", wire.now);
      }
    }
    wire.settle();
    expect(wire.log).toEqual([]);
    expect(b.protocol.dropped.invalid).toBe(6000);
  });

  test("an initiation of somebody who is no peer", () => {
    const { wire, a, b } = pair(aead);
    b.protocol.removePeer(a.publicKey);
    a.send(there("one"));
    wire.pass(10_000);
    expect(wire.log.every(({ from }) => from === A)).toBe(true);
  });
});

describe("under load", () => {
  test("an initiation is answered by a cookie, and with it the next one comes through", () => {
    const { wire, a, b } = pair(aead, { loadLimit: 0 });
    a.send(there("one"));
    wire.settle();
    expect(wire.log.map(typeOf)).toEqual([1, 3]);
    expect(a.events).toContain("cookie received");
    wire.pass(20_000);
    expect(b.packets).toEqual([there("one")]);
    expect(b.protocol.dropped.limited).toBe(1);
  });

  test("a cookie is worth nothing for another address, nor after its secret has changed", () => {
    const { wire, a, b } = pair(aead, { loadLimit: 0 });
    a.send(there("one"));
    wire.settle();
    a.address = "192.0.2.77:4000";
    wire.pass(5400);
    expect(b.packets).toEqual([]);
    expect(wire.log.filter((datagram) => typeOf(datagram) === 3).length).toBe(2);
  });

  test("an address is allowed five handshakes at once and 20 a second", () => {
    const { wire, a, b } = pair(aead, { loadLimit: 0 });
    a.send(there("one"));
    wire.pass(10_000);
    const signed = wire.log.filter((datagram) => typeOf(datagram) === 1).at(-1) as Datagram;
    const before = b.protocol.dropped;
    const [limited, replayed] = [before.limited, before.replayed];
    for (let i = 0; i < 10; i++) b.protocol.receive([signed.bytes.slice()], A, wire.now);
    expect(b.protocol.dropped.replayed - replayed).toBe(5);
    expect(b.protocol.dropped.limited - limited).toBe(5);
  });
});

describe("a batch for several peers", () => {
  test("goes out peer by peer, each one's packets in order, and what is for nobody is counted", () => {
    const { wire, a, b } = pair(aead);
    const c = new Host(wire, "c", aead);
    c.address = "192.0.2.3:51820";
    a.knows(c, "198.51.100.3", c.address);
    c.knows(a, INNER_A);
    const toC = (text: string): Uint8Array => packet(INNER_A, "198.51.100.3", text);
    // The first ones wait for the handshakes.
    a.protocol.send([there("b0"), toC("c0"), there("b1"), toC("c1")], wire.now);
    wire.settle();
    const before = wire.log.length;
    const nobody = packet(INNER_A, "203.0.113.5", "nobody's");
    a.protocol.send([nobody, toC("c2"), there("b2"), nobody, toC("c3"), there("b3"), toC("c4")], wire.now);
    const sent = wire.log.slice(before).map(({ to }) => to);
    expect(sent).toEqual([c.address, c.address, c.address, B, B]);
    wire.settle();
    expect(b.packets).toEqual(["b0", "b1", "b2", "b3"].map(there));
    expect(c.packets).toEqual(["c0", "c1", "c2", "c3", "c4"].map(toC));
    expect(a.protocol.dropped.unroutable).toBe(2);
  });

  test("of more than wait for a handshake the oldest go", () => {
    const { wire, a, b, ab } = pair(aead);
    const all = Array.from({ length: 300 }, (_, i) => there(`${i}`));
    a.protocol.send(all.slice(0, 100), wire.now);
    a.protocol.send(all.slice(100), wire.now);
    wire.settle();
    expect(b.packets).toEqual(all.slice(-128));
    expect(ab.dropped).toBe(300 - 128);
  });
});

describe("the sealed form", () => {
  test("pads to 16 bytes, never beyond the MTU, and the packet arrives without its padding", () => {
    const { wire, a, b } = pair(aead, { mtu: 100 });
    a.send(there("one"));
    wire.settle();
    const lengths: number[] = [];
    for (let payload = 0; payload <= 80; payload++) {
      const sent = there("x".repeat(payload));
      a.send(sent);
      lengths.push((wire.log.at(-1) as Datagram).bytes.length - 32);
      wire.settle();
      expect(b.packets.at(-1)).toEqual(sent);
    }
    expect(lengths[0]).toBe(32);
    expect(lengths.every((length) => length % 16 === 0 || length === 100)).toBe(true);
    expect(Math.max(...lengths)).toBe(100);
  });

  test("counters at their end are refused, and a session near it is renewed", () => {
    const { wire, a, b } = pair(aead);
    a.send(there("one"));
    wire.settle();
    const index = new DataView((wire.log[2] as Datagram).bytes.buffer).getUint32(4, true);
    const session = b.protocol.indices.ownerOf(index)?.sessionOf(index);
    expect(session?.window.accept(0xffff_ffff, 0xffff_dffe)).toBe(true);
    expect(session?.window.accept(0xffff_ffff, 0xffff_dfff)).toBe(false);
    a.send(there("two"));
    wire.settle();
    expect(b.packets.length).toBe(1);
    expect(b.protocol.dropped.replayed).toBe(1);
  });
});
