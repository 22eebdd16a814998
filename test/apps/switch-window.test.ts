/** The window of what is on its way to the NATS server: it opens again, whatever the server did meanwhile. */
import { expect, test } from "bun:test";
import { Window } from "../../apps/switch/backbone/window.ts";

const KIB = 1024;

/** A window, and a server that confirms when it is told to. */
function windowOf(max: number) {
  let now = 0;
  const waiting: (() => void)[] = [];
  const flush = (): Promise<void> => new Promise((resolve) => void waiting.push(resolve));
  const window = new Window(max, flush, () => now);
  /** Confirms all markers after a time. */
  const confirm = async (afterMs: number): Promise<void> => {
    now += afterMs;
    for (const resolve of waiting.splice(0)) resolve();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { window, confirm, markers: () => waiting.length };
}

test("a window that shrinks below what no marker is behind opens again", async () => {
  const { window, confirm, markers } = windowOf(1024 * KIB);
  for (let i = 0; i < 4; i++) {
    window.sent(window.size / 4);
    await confirm(1);
  }
  expect(window.size).toBe(1024 * KIB);
  window.sent(256 * KIB);
  window.sent(250 * KIB);
  // The server was slow with the first of them; behind the second there is no marker.
  await confirm(5000);
  expect([window.pending, markers()]).toEqual([250 * KIB, 0]);
  expect(window.admits(1500)).toBe(false);
  await confirm(1);
  expect([window.pending, window.admits(1500)]).toEqual([0, true]);
});

test("a full window asks the server once, not for each frame that finds no room", () => {
  const { window, markers } = windowOf(64 * KIB);
  window.sent(10 * KIB);
  window.sent(70 * KIB);
  const before = markers();
  for (let i = 0; i < 1000; i++) expect(window.admits(1500)).toBe(false);
  expect(markers() - before).toBeLessThanOrEqual(1);
});
