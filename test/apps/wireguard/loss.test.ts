/** Paths that lose messages and change their order, in simulated time: nothing hangs for longer than the timers say. */
import { describe, expect, test } from "bun:test";
import { openLibsodium } from "../../../apps/wireguard/core/crypto/libsodium.ts";
import { Random } from "../../support/random.ts";
import { A, B, type Datagram, INNER_A, INNER_B, packet, pair, START } from "./simulation.ts";

const aead = await openLibsodium();
/** REKEY-TIMEOUT and its jitter. */
const ATTEMPT_MS = 5000 + 334;
/** The longest way of a message. */
const DELAY_MS = 300;
const STEP_MS = 10;

type Pair = ReturnType<typeof pair>;

/** Lets each message be lost with a chance of `percent`, or come twice, and takes a time of its own for its way. */
function disturb({ wire }: Pair, percent: number, random: Random): { pass(milliseconds: number): void } {
  let under: { readonly at: number; readonly datagram: Datagram }[] = [];
  wire.fate = (datagram) => {
    const copies = random.below(100) < percent ? 0 : random.below(20) === 0 ? 2 : 1;
    for (let i = 0; i < copies; i++) under.push({ at: wire.now + random.below(DELAY_MS), datagram });
    return false;
  };
  return {
    pass: (milliseconds) => {
      for (const end = wire.now + milliseconds; wire.now < end; ) {
        wire.pass(STEP_MS);
        const due = under.filter(({ at }) => at <= wire.now);
        under = under.filter(({ at }) => at > wire.now);
        for (const { datagram } of due) wire.deliver(datagram);
        wire.settle();
      }
    },
  };
}

const initiationsOf = ({ wire }: Pair, ...from: string[]): number =>
  wire.log.filter((message) => from.includes(message.from) && message.bytes[0] === 1).length;

describe.each([1, 5, 30])("with a loss of %d percent and messages out of order", (percent) => {
  test("each handshake that begins comes about at the first attempt whose messages arrive", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const made = pair(aead);
      const path = disturb(made, percent, new Random(seed));
      made.a.send(packet(INNER_A, INNER_B, "first"));
      while (made.ab.lastHandshake === 0 && made.wire.now - START < 90_000) path.pass(STEP_MS);
      const attempts = initiationsOf(made, A);
      // At 30 % an attempt fails with a chance of one half: eighteen in a row do not.
      expect({ seed, isComplete: made.ab.lastHandshake > 0 }).toEqual({ seed, isComplete: true });
      expect(made.ab.lastHandshake - START).toBeLessThanOrEqual(
        (attempts - 1) * ATTEMPT_MS + 2 * DELAY_MS + 2 * STEP_MS,
      );
    }
  });

  test("data goes on through three renewals of the keys, and no pause is longer than the packets that are lost", () => {
    const made = pair(aead);
    const { wire, a, b } = made;
    const path = disturb(made, percent, new Random(percent));
    const arrivals: number[] = [];
    let sent = 0;
    while (wire.now - START < 400_000) {
      const before = b.packets.length;
      a.send(packet(INNER_A, INNER_B, `${sent++}`));
      b.send(packet(INNER_B, INNER_A, "back"));
      path.pass(100);
      for (let i = before; i < b.packets.length; i++) arrivals.push(wire.now);
    }
    const pauses = arrivals.slice(1).map((time, i) => time - (arrivals[i] as number));
    // One packet each 100 ms: at 30 % ten in a row are lost once in 170,000.
    expect(Math.max(...pauses)).toBeLessThan(1500);
    expect((arrivals[0] as number) - START).toBeLessThan(4 * ATTEMPT_MS);
    expect(initiationsOf(made, A, B)).toBeGreaterThanOrEqual(4);
    // None arrives twice, whatever comes twice.
    expect(new Set(b.packets.map((bytes) => bytes.toHex())).size).toBe(b.packets.length);
    expect(b.packets.length).toBeGreaterThan(sent * (1 - percent / 100) * 0.93);
  });
});

test("a peer that starts anew begins its handshake at once, however short its last one is ago", () => {
  const { wire, a, b, ab } = pair(aead);
  a.send(packet(INNER_A, INNER_B, "before"));
  wire.pass(200);
  // As when the interface goes down and comes back.
  ab.reset();
  a.send(packet(INNER_A, INNER_B, "after"));
  wire.pass(200);
  expect(b.packets.length).toBe(2);
  expect(wire.log.filter(({ to, bytes }) => to === B && bytes[0] === 1).length).toBe(2);
});
