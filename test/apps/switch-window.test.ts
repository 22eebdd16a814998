/** The window of what is on its way: as large as the receiver takes in a short time, and never shut for good. */
import { expect, test } from "bun:test";
import { Window } from "../../apps/switch/backbone/window.ts";

const KIB = 1024;

/** A window, and a receiver with a rate in bytes a millisecond, behind a round trip. */
function windowOf(max: number, roundTripMs = 0, rate = Number.POSITIVE_INFINITY) {
  let now = 0;
  let free = 0;
  let key = 0;
  const due: { at: number; key: number }[] = [];
  const window = new Window(max, () => now);
  /** Sends messages of 16 KiB for as long as there is room. */
  const fill = (): void => {
    while (window.admits(16 * KIB)) {
      key++;
      free = Math.max(free, now) + (16 * KIB) / rate;
      if (window.sent(16 * KIB, key)) due.push({ at: free + roundTripMs, key });
    }
  };
  const pass = (ms: number): void => {
    for (const end = now + ms; now < end; now++) {
      while (due[0] !== undefined && due[0].at <= now) window.confirm((due.shift() as { key: number }).key);
      fill();
    }
  };
  return { window, pass, fill, setRate: (to: number) => (rate = to), waitsMs: () => Math.max(0, free - now) };
}

test("opens to its largest size with a receiver that is fast, however far it is", () => {
  for (const roundTripMs of [0, 5, 200]) {
    const { window, pass } = windowOf(8192 * KIB, roundTripMs);
    pass(10_000);
    expect(window.size).toBe(8192 * KIB);
  }
});

test.each([20, 80, 1000])("with a receiver of %d bytes a millisecond, what waits is taken soon", (rate) => {
  const { window, pass, waitsMs } = windowOf(8192 * KIB, 100);
  pass(2000);
  const slow = windowOf(8192 * KIB, 100, rate);
  slow.pass(20_000);
  expect(window.size).toBe(8192 * KIB);
  // The least is 32 KiB, which the slowest needs 1.6 s for.
  expect(slow.waitsMs()).toBeLessThan(Math.max(1000, (48 * KIB) / rate));
  expect(waitsMs()).toBe(0);
});

test("shrinks when the receiver becomes slow, and opens again afterwards", () => {
  const { window, pass, setRate, waitsMs } = windowOf(1024 * KIB, 20);
  pass(2000);
  setRate(100);
  pass(30_000);
  expect(waitsMs()).toBeLessThan(700);
  expect(window.size).toBeLessThan(128 * KIB);
  setRate(100_000);
  pass(10_000);
  expect(window.size).toBe(1024 * KIB);
});

test("opens again when it is full of bytes with no marker behind them", () => {
  let now = 0;
  const window = new Window(1024 * KIB, () => now);
  for (let key = 1; key <= 6; key++) {
    window.sent(window.size / 4, key);
    window.confirm(key);
  }
  expect(window.size).toBe(1024 * KIB);
  expect([window.sent(256 * KIB, 7), window.sent(250 * KIB, 8)]).toEqual([true, false]);
  now += 20_000;
  window.confirm(7);
  expect([window.pending, window.admits(1500)]).toEqual([250 * KIB, false]);
  expect([window.markLast(), window.markLast()]).toEqual([8, undefined]);
  window.confirm(8);
  expect([window.pending, window.admits(1500)]).toEqual([0, true]);
});

test("one message finds room in an empty window, however long it is, and no second one", () => {
  const window = new Window(64 * KIB, () => 0);
  expect([window.admits(128 * KIB), window.admits(128 * KIB, 1)]).toEqual([true, false]);
  window.sent(128 * KIB, 1);
  expect(window.admits(1)).toBe(false);
  window.confirm(1);
  expect(window.admits(128 * KIB)).toBe(true);
});

test("numbers of 32 bits go round", () => {
  const window = new Window(64 * KIB, () => 0);
  expect([window.sent(32 * KIB, 0xffffffff), window.sent(32 * KIB, 0)]).toEqual([true, true]);
  window.confirm(0xfffffffe);
  expect(window.pending).toBe(64 * KIB);
  window.confirm(0);
  expect(window.pending).toBe(0);
});

test("asks again for an answer that is lost, once a second, and opens when one comes", () => {
  let now = 0;
  const window = new Window(64 * KIB, () => now);
  for (let key = 1; key <= 4; key++) window.sent(16 * KIB, key);
  expect([window.admits(1), window.markLast()]).toEqual([false, undefined]);
  now = 1000;
  expect([window.markLast(), window.markLast()]).toEqual([4, undefined]);
  now = 1999;
  expect(window.markLast()).toBeUndefined();
  // Those of earlier questions say less.
  window.confirm(2);
  expect(window.admits(1)).toBe(false);
  now = 2000;
  expect(window.markLast()).toBe(4);
  window.confirm(4);
  expect([window.pending, window.admits(16 * KIB)]).toEqual([0, true]);
});
