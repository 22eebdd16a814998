/** Tests that reactor.test.ts runs in a `bun test` of their own: only there is a test in the first turn of its process. */
import { expect, test } from "bun:test";
import { openTap, type Tap } from "../../src/index.ts";
import { flood } from "../support/frames.ts";
import { quietIPv6, until } from "../support/system.ts";

/** Tells whether a microtask that was waiting has run when `call` returns. */
function runsMicrotasks(call: () => void, microtask: () => void = () => {}): boolean {
  let hasRun = false;
  queueMicrotask(() => {
    hasRun = true;
    microtask();
  });
  call();
  return hasRun;
}

test("nobody else's code runs in the middle of a call, and a device that opens meanwhile gets its frames", async () => {
  quietIPv6();
  const frames = new Map<Tap, number>();
  const data = (tap: Tap, { length }: Uint8Array[]): void => void frames.set(tap, (frames.get(tap) ?? 0) + length);
  const open = (): Tap => openTap({ up: true, data });
  using first = open();
  const ran = [runsMicrotasks(() => first.unref())];
  // The stream of an unref'd device begins to read in a tick of its own.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  let second: Tap | undefined;
  const openSecond = (): void => {
    second = open();
  };
  ran.push(runsMicrotasks(() => first.ref(), openSecond));
  await Promise.resolve();
  using other = second;
  if (other === undefined) throw new Error("the microtask did not run at all");
  ran.push(runsMicrotasks(() => open().close()));
  for (const tap of [first, other]) {
    await flood(tap.index, 10, 60, 60);
    await until(() => (frames.get(tap) ?? 0) >= 10, "both devices have their frames");
  }
  expect(ran).toEqual([false, false, false]);
});
