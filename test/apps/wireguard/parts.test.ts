/** The parts of the core against models that know nothing of how they work, and against published vectors. */
import { describe, expect, spyOn, test } from "bun:test";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { now } from "../../../apps/wireguard/core/clock.ts";
import { openLibcrypto } from "../../../apps/wireguard/core/crypto/libcrypto.ts";
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import type { Aead } from "../../../apps/wireguard/core/protocol/aead.ts";
import { type AllowedIp, AllowedIps } from "../../../apps/wireguard/core/protocol/allowed-ips.ts";
import { Deadlines } from "../../../apps/wireguard/core/protocol/deadlines.ts";
import { decapsulate, ecnOf } from "../../../apps/wireguard/core/protocol/ecn.ts";
import { hash, mac } from "../../../apps/wireguard/core/protocol/hash.ts";
import { ReplayWindow, WINDOW_SIZE } from "../../../apps/wireguard/core/protocol/replay-window.ts";
import { isLater, timestamp } from "../../../apps/wireguard/core/protocol/tai64n.ts";
import { KeyPair } from "../../../apps/wireguard/core/protocol/x25519.ts";
import { buildIPv4, verifyChecksums } from "../../../src/packet/index.ts";
import { hex } from "../../support/programs.ts";

const libcrypto = openLibcrypto();
const ciphers: [string, Aead][] = [["libsodium", await openLibsodium()]];
if (libcrypto !== undefined) ciphers.push(["libcrypto", libcrypto]);

test("this machine has both ciphers", () => {
  expect(ciphers.length).toBe(2);
});

describe("X25519", () => {
  test("RFC 7748 section 5.2, the first vector", () => {
    const keys = new KeyPair(hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
    const shared = keys.sharedWith(hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"));
    expect(shared?.toHex()).toBe("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  });

  test("RFC 7748 section 6.1: both sides come to the same secret", () => {
    const alice = new KeyPair(hex("77076d0a7318a57d3c16c17251b26645c6c2f0f8b2b3d2f3c8e0a1a0e0d0f0a0"));
    const bob = new KeyPair(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    expect(bob.publicKey.toHex()).toBe("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    expect(alice.sharedWith(bob.publicKey)).toEqual(bob.sharedWith(alice.publicKey) as Uint8Array);
  });

  test.each([
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  ])("gives no secret for the point of small order %s", (point) => {
    expect(new KeyPair(new Uint8Array(32).fill(9)).sharedWith(hex(point))).toBeUndefined();
  });
});

describe("BLAKE2s", () => {
  test("RFC 7693 appendix B", () => {
    expect(hash(new TextEncoder().encode("abc")).toHex()).toBe(
      "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
    );
  });

  test("a MAC of 16 bytes is not a longer one cut short", () => {
    const key = new Uint8Array(32).fill(1);
    expect(mac(key, key).length).toBe(16);
    expect(mac(key, key)).not.toEqual(hash(key, key).subarray(0, 16));
  });
});

describe("ChaCha20-Poly1305", () => {
  test.each(ciphers)("of %s seals as RFC 8439 section 2.8 has it, by another implementation", (_name, aead) => {
    const key = crypto.getRandomValues(new Uint8Array(32));
    const packets = [0, 1, 15, 16, 17, 100, 1420].map((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
    const out = new Uint8Array(8192);
    const lengths = new Int32Array(packets.length);
    aead.key(key).seal(packets, 0, packets.length, 1420, 0xdead_beef, 1, 0xffff_fffe, out, lengths);
    let at = 0;
    let counter = 0x1_ffff_fffen;
    for (const [i, packet] of packets.entries()) {
      const message = out.subarray(at, at + (lengths[i] as number));
      const header = new DataView(message.buffer, message.byteOffset, 16);
      expect([header.getUint32(0, true), header.getUint32(4, true)]).toEqual([4, 0xdead_beef]);
      expect(header.getBigUint64(8, true)).toBe(counter);
      const nonce = new Uint8Array(12);
      new DataView(nonce.buffer).setBigUint64(4, counter++, true);
      const plain = chacha20poly1305(key, nonce).decrypt(message.slice(16));
      expect(plain.subarray(0, packet.length)).toEqual(packet);
      expect(plain.subarray(packet.length).every((byte) => byte === 0)).toBe(true);
      at += message.length;
    }
  });

  test.each(ciphers)("of %s opens what is authentic, and nothing else", (_name, aead) => {
    const key = crypto.getRandomValues(new Uint8Array(32));
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 5 }),
        (packets, flips) => {
          const out = new Uint8Array(16_384);
          const lengths = new Int32Array(packets.length);
          aead.key(key).seal(packets, 0, packets.length, 1420, 1, 0, 7, out, lengths);
          const messages: Uint8Array[] = [];
          for (let i = 0, at = 0; i < lengths.length; at += lengths[i++] as number) {
            messages.push(out.slice(at, at + (lengths[i] as number)));
          }
          const damaged = new Set(flips.map((flip) => flip % messages.length));
          for (const flip of flips) {
            const message = messages[flip % messages.length] as Uint8Array;
            const place = 8 + (flip % (message.length - 8));
            message[place] = (message[place] as number) ^ 0x40;
          }
          const opened = new Int32Array(messages.length);
          aead.key(key).open(messages, 0, messages.length, opened);
          for (const [i, packet] of packets.entries()) {
            // Two flips of one bit leave the message as it was.
            if (damaged.has(i)) continue;
            expect(opened[i]).toBe(Math.min(1420, (packet.length + 15) & -16));
            expect((messages[i] as Uint8Array).subarray(16, 16 + packet.length)).toEqual(packet);
          }
          if (flips.length === 1) expect(opened[[...damaged][0] as number]).toBe(-1);
        },
      ),
    );
  });

  test("XChaCha20-Poly1305: draft-irtf-cfrg-xchacha section A.3.1", () => {
    const key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const nonce = hex("404142434445464748494a4b4c4d4e4f5051525354555657");
    const text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
    const sealed = xchacha20poly1305(key, nonce, hex("50515253c0c1c2c3c4c5c6c7")).encrypt(
      new TextEncoder().encode(text),
    );
    expect(sealed.subarray(-16).toHex()).toBe("c0875924c1c7987947deafd8780acf49");
  });
});

describe("the replay window", () => {
  test("takes each counter once, and none that is too old, as a set of all ever seen says", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -9000, max: 9000 }), fc.boolean()), { maxLength: 400 }),
        (steps) => {
          const window = new ReplayWindow();
          const seen = new Set<number>();
          let greatest = -1;
          let at = 2 ** 32 - 5000;
          for (const [step, jump] of steps) {
            at = Math.max(0, (jump ? greatest : at) + step);
            const isNew = !seen.has(at) && (greatest < 0 || at > greatest - WINDOW_SIZE);
            expect(window.accept(Math.floor(at / 2 ** 32), at % 2 ** 32)).toBe(isNew);
            if (!isNew) continue;
            seen.add(at);
            greatest = Math.max(greatest, at);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a leap over more than a double holds forgets nothing that matters", () => {
    const window = new ReplayWindow();
    expect(window.accept(0, 5)).toBe(true);
    expect(window.accept(0x8000_0000, 5)).toBe(true);
    expect(window.accept(0x8000_0000, 5)).toBe(false);
    expect(window.accept(0, 6)).toBe(false);
    expect(window.accept(0x8000_0000, 4)).toBe(true);
    expect(window.accept(0x7fff_ffff, 0xffff_ffff)).toBe(true);
    expect(window.accept(0xffff_ffff, 0xffff_ffff)).toBe(false);
  });
});

describe("allowed IPs", () => {
  const address = (size: 4 | 16): fc.Arbitrary<Uint8Array> =>
    // Few values, so that prefixes meet.
    fc
      .array(fc.constantFrom(0, 1, 128, 255), { minLength: size, maxLength: size })
      .map((bytes) => Uint8Array.from(bytes));
  const prefix = fc
    .constantFrom(4 as const, 16 as const)
    .chain((size) => fc.record({ address: address(size), length: fc.integer({ min: 0, max: size * 8 }) }));
  const matches = (bits: AllowedIp, bytes: Uint8Array): boolean => {
    if (bits.address.length !== bytes.length) return false;
    const text = (of: Uint8Array): string => [...of].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    return text(bits.address).slice(0, bits.length) === text(bytes).slice(0, bits.length);
  };

  test("the longest prefix wins, and the last peer that claims it, as a list says", () => {
    const step = fc.record({ add: fc.boolean(), peer: fc.integer({ min: 0, max: 5 }), prefix });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(address(4)),
        fc.array(address(16)),
        (steps, four, six) => {
          const tree = new AllowedIps<number>();
          let list: { peer: number; prefix: AllowedIp }[] = [];
          const same = (a: AllowedIp, b: AllowedIp): boolean => a.length === b.length && matches(a, b.address);
          for (const { add, peer, prefix } of steps) {
            const before = list.find((entry) => same(entry.prefix, prefix));
            if (add) {
              const lost = tree.set(prefix, peer);
              expect(lost).toBe(before === undefined || before.peer === peer ? undefined : before.peer);
              list = list.filter((entry) => entry !== before);
              list.push({ peer, prefix });
            } else {
              tree.remove(prefix, peer);
              list = list.filter((entry) => entry !== before || entry.peer !== peer);
            }
          }
          for (const bytes of [...four, ...six, ...steps.map(({ prefix }) => prefix.address)]) {
            const best = list
              .filter(({ prefix }) => matches(prefix, bytes))
              .sort((a, b) => b.prefix.length - a.prefix.length)[0];
            expect(tree.find(bytes, 0, bytes.length as 4 | 16)).toBe(best?.peer);
          }
          for (let peer = 0; peer <= 5; peer++) {
            expect(tree.of(peer).length).toBe(list.filter((entry) => entry.peer === peer).length);
            tree.removeAll(peer);
          }
          for (const bytes of [...four, ...six]) expect(tree.find(bytes, 0, bytes.length as 4 | 16)).toBeUndefined();
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("deadlines", () => {
  test("come in order, each once, wherever they are moved", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 100 }))), (moves) => {
        const deadlines = new Deadlines<{ deadline: number; queuedFor: number; name: number }>();
        const never = Number.POSITIVE_INFINITY;
        const items = Array.from({ length: 10 }, (_, name) => ({ name, deadline: never, queuedFor: never }));
        for (const [name, deadline] of moves) {
          const item = items[name] as (typeof items)[number];
          item.deadline = deadline;
          deadlines.update(item);
        }
        for (let now = 0; now <= 100; now++) {
          const due = items.filter(({ deadline }) => deadline <= now).map(({ name }) => name);
          const taken: number[] = [];
          deadlines.takeDue(now, (item) => {
            taken.push(item.name);
            item.deadline = never;
          });
          expect(taken.sort()).toEqual(due.sort());
        }
        expect(deadlines.next).toBe(never);
      }),
    );
  });
});

test("TAI64N labels grow with the time", () => {
  expect(timestamp(0).toHex()).toBe("400000000000000a00000000");
  for (let i = 0; i < 100; i++) {
    const [a, b] = [1_767_225_600_000 + i * 777, 1_767_225_600_000 + i * 777 + 20];
    expect(isLater(timestamp(b), timestamp(a))).toBe(true);
    expect(isLater(timestamp(a), timestamp(b))).toBe(false);
    expect(isLater(timestamp(a), timestamp(a))).toBe(false);
  }
});

test("the clock follows one that is set forward, and goes back with none", () => {
  const before = now();
  const wall = spyOn(Date, "now");
  try {
    wall.mockReturnValue(Date.now() + 3000);
    expect(now() - before).toBeGreaterThanOrEqual(2999);
    wall.mockReturnValue(0);
    expect(now() - before).toBeGreaterThanOrEqual(2999);
  } finally {
    wall.mockRestore();
  }
  expect(now() - before).toBeGreaterThanOrEqual(2999);
});

describe("ECN (RFC 6040 section 4.2, figure 4)", () => {
  /** By inner and outer bits; undefined: dropped. */
  const table: Readonly<Record<string, number | undefined>> = {
    "0 0": 0,
    "0 1": 0,
    "0 2": 0,
    "0 3": undefined,
    "1 0": 1,
    "1 1": 1,
    "1 2": 1,
    "1 3": 3,
    "2 0": 2,
    "2 1": 1,
    "2 2": 2,
    "2 3": 3,
    "3 0": 3,
    "3 1": 3,
    "3 2": 3,
    "3 3": 3,
  };

  test.each(Object.entries(table))("inner and outer %s", (bits, expected) => {
    const [inner = 0, outer = 0] = bits.split(" ").map(Number);
    const packet = buildIPv4({
      source: "192.0.2.1",
      destination: "192.0.2.2",
      protocol: 253,
      payload: new Uint8Array(8),
      ecn: inner,
    });
    expect(ecnOf(packet)).toBe(inner);
    expect(decapsulate(packet, outer)).toBe(expected !== undefined);
    if (expected === undefined) return;
    expect(ecnOf(packet)).toBe(expected);
    expect(verifyChecksums(packet, "tun").ipHeader).toBe(true);
  });
});
