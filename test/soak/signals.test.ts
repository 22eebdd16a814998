/** The signals in short; the minute is a command of its own. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";

describeWithTools("ten thousand signals a second", ["ip"], () => {
  for (const waker of ["aio", "thread"]) {
    test(`interrupt calls, and nothing else: ${waker}`, async () => {
      const child = Bun.spawn([process.execPath, `${import.meta.dir}/signals.ts`, "--seconds", "3"], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "inherit",
        env: { ...process.env, BUN_TUNTAP_WAKER: waker },
      });
      const text = await child.stdout.text();
      expect(await child.exited).toBe(0);
      const counts = JSON.parse(text) as Record<string, number>;
      for (const count of ["handled", "pings", "toggles", "handOvers", "waits"]) {
        expect(counts[count], count).toBeGreaterThan(0);
      }
    }, 60_000);
  }
});
