/**
 * Hostile bytes for the core: random ones, and real messages that are damaged, cut, grown, replayed and mixed. Nothing
 * but silence may come of it. For a long run:
 *
 *   bun test/apps/wireguard/fuzz.ts SECONDS [SEED]
 */
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import type { Aead } from "../../../apps/wireguard/core/protocol/aead.ts";
import { Random } from "../../support/random.ts";
import { A, type Host, INNER_A, INNER_B, packet, pair } from "./simulation.ts";

const ATTACKER = "203.0.113.9:1";

/** Throws unless `count` hostile messages are met with silence. Returns how many the core refused. */
export function fuzz(aead: Aead, random: Random, count: number): number {
  const { wire, a, b, ba } = pair(aead);
  a.send(packet(INNER_A, INNER_B, "one"));
  wire.pass(100);
  b.send(packet(INNER_B, INNER_A, "two"));
  wire.pass(100);
  const real = wire.log.map(({ bytes }) => bytes);
  const [messages, deliveries] = [wire.log.length, b.packets.length];
  for (let i = 0; i < count; i++) {
    b.protocol.receive(
      Array.from({ length: 1 + random.below(4) }, () => hostile(random, real)),
      ATTACKER,
      wire.now,
    );
  }
  wire.settle();
  if (wire.log.length !== messages) throw new Error("The core answered");
  if (b.packets.length !== deliveries) throw new Error("The core delivered a packet");
  if (ba.endpoint !== A) throw new Error(`The peer has moved to ${ba.endpoint}`);
  stillWorks(a, b, () => wire.pass(100));
  return b.protocol.dropped.invalid + b.protocol.dropped.replayed;
}

/** The tunnel is unharmed. */
function stillWorks(a: Host, b: Host, pass: () => void): void {
  const before = b.packets.length;
  a.send(packet(INNER_A, INNER_B, "after"));
  pass();
  if (b.packets.length !== before + 1) throw new Error("The tunnel does not work any more");
}

function hostile(random: Random, real: readonly Uint8Array[]): Uint8Array {
  const base = (real[random.below(real.length)] as Uint8Array).slice();
  const other = real[random.below(real.length)] as Uint8Array;
  switch (random.below(6)) {
    case 0:
      return random.bytes(random.below(200));
    case 1:
      return base;
    case 2:
      return base.slice(0, random.below(base.length));
    case 3: {
      const grown = new Uint8Array(base.length + 1 + random.below(64));
      grown.set(base);
      return grown;
    }
    case 4:
      base.set(other.subarray(0, Math.min(base.length, 1 + random.below(other.length))));
      return base;
    default:
      for (let flips = 1 + random.below(4); flips > 0; flips--) {
        const at = random.below(base.length);
        base[at] = (base[at] as number) ^ (1 << random.below(8));
      }
      return base;
  }
}

if (import.meta.main) {
  const [seconds = "10", seed = String(Date.now() % 2 ** 31)] = process.argv.slice(2);
  const aead = await openLibsodium();
  const random = new Random(Number(seed));
  const end = Date.now() + Number(seconds) * 1000;
  let [rounds, refused] = [0, 0];
  while (Date.now() < end) {
    refused += fuzz(aead, random, 1000);
    rounds++;
  }
  console.log(`${rounds * 1000} batches, ${refused} messages refused, seed ${seed}: nothing but silence`);
}
