/** Many devices: one after another, and at once. */
import { expect, test } from "bun:test";
import { thorough } from "../support/effort.ts";
import { describeWithTools } from "../support/privilege.ts";
import { Child } from "./support.ts";

const MiB = 1024 * 1024;

// The kernel takes some 20 ms to take an interface away (synchronize_net()), so these run side by side.
describeWithTools("many devices", ["unshare"], () => {
  const [inTurn, atOnce] = thorough ? [1000, 300] : [150, 130];

  test.concurrent(`open, close: ${inTurn} devices leave no fd, no interface and no memory behind`, async () => {
    await using child = new Child("churn.ts", { args: [inTurn], ownNamespace: true });
    const { stdout, ...end } = await child.ending(150_000);
    expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
    const { before, after } = report(`${inTurn} devices in turn`, stdout);
    expect(after.fds).toBe(before.fds);
    expect(after.interfaces).toBe(before.interfaces);
    expect((after.rss - before.rss) / MiB).toBeLessThan(8);
  }, 160_000);

  test.concurrent.each([
    [64, "aio"],
    [64, "thread"],
    [atOnce, "aio"],
  ])(
    "receive: of %d devices at once, each gets its own frame (BUN_TUNTAP_WAKER=%s)",
    async (count, waker) => {
      await using child = new Child("many.ts", {
        args: [count],
        env: { BUN_TUNTAP_WAKER: waker },
        ownNamespace: true,
      });
      const { stdout, ...end } = await child.ending(150_000);
      expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
      const { wrong, before, during, after } = report(`${count} devices at once, ${waker}`, stdout);
      expect(wrong).toEqual([]);
      expect(during.interfaces - before.interfaces).toBe(count);
      expect(after.interfaces).toBe(before.interfaces);
      // Bun closes some of its own meanwhile.
      expect(after.fds).toBeLessThanOrEqual(before.fds);
    },
    160_000,
  );

  test.concurrent("Symbol.asyncDispose leaves closing to a thread: the event loop turns, and waits for the end", async () => {
    await using child = new Child("close-many.ts", { args: ["dispose", 60], ownNamespace: true });
    const { stdout, ...end } = await child.ending(150_000);
    expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
    const { turnsBeforeEnd, left } = report("60 devices disposed of", stdout);
    expect(turnsBeforeEnd).toBeGreaterThan(0);
    expect(left).toEqual({ interfaces: 0, fds: 0 });
  }, 160_000);

  test.concurrent("Symbol.asyncDispose: a Worker that is terminated meanwhile leaves nothing", async () => {
    await using child = new Child("dispose-worker.ts", { ownNamespace: true });
    const end = await child.ending(150_000);
    expect(end).toEqual({ stdout: "there\ngone\n", stderr: "", exitCode: 0, signal: null });
  }, 160_000);
});

/** Returns what a child measured; BUN_TUNTAP_VERBOSE=1 shows it. */
function report(title: string, json: string) {
  if (process.env["BUN_TUNTAP_VERBOSE"] === "1") console.log(`${title}: ${json.trim()}`);
  return JSON.parse(json);
}
