/** What a device does to the process that has it open: how long it lives, and what it costs while nothing happens. */
import { beforeAll, describe, expect, test } from "bun:test";
import { describePrivileged } from "../support/privilege.ts";
import { quietIPv6 } from "../support/system.ts";
import { measureIdle } from "./proc.ts";
import { Child, wakers } from "./support.ts";

/** Much longer than a process takes that has nothing to wait for: some 100 ms. */
const HOLD_MS = 700;

describePrivileged("the life of a process with devices", () => {
  beforeAll(quietIPv6);

  describe.each(wakers)("BUN_TUNTAP_WAKER=%s", (BUN_TUNTAP_WAKER) => {
    test.concurrent.each([
      "no device",
      "unref()",
      "unref() with a data handler",
      "unref() with a pending receive()",
      "ref() twice, unref() once",
      "both closed",
    ])(
      "%s: the process ends by itself",
      async (way) => {
        await using child = new Child("lifetime.ts", { args: [way], env: { BUN_TUNTAP_WAKER } });
        expect(await child.ending()).toEqual({ stdout: "open\n", stderr: "", exitCode: 0, signal: null });
      },
      180_000,
    );

    test.concurrent.each(["open", "ref() after unref()", "one of two unref'd", "one of two closed"])(
      "%s: the process stays until the device is closed",
      async (way) => {
        await using child = new Child("lifetime.ts", { args: [way], env: { BUN_TUNTAP_WAKER } });
        expect(await child.line()).toBe("open");
        // Nothing tells that a process would not have ended yet, but time.
        await Bun.sleep(HOLD_MS);
        expect(child.isRunning).toBe(true);
        expect(await child.end()).toEqual({ stdout: "open\nended\n", stderr: "", exitCode: 0, signal: null });
      },
      180_000,
    );

    test("unref() still delivers while something else keeps the process alive", async () => {
      await using child = new Child("lifetime.ts", { args: ["unref(), frame received"], env: { BUN_TUNTAP_WAKER } });
      expect(await child.ending()).toEqual({ stdout: "received\nopen\n", stderr: "", exitCode: 0, signal: null });
    }, 180_000);

    test("an idle process with listening devices uses no CPU", async () => {
      await using child = new Child("idle.ts", { env: { BUN_TUNTAP_WAKER } });
      expect(await child.line()).toBe("listening");
      const idle = await measureIdle(child.pid, 2000);
      // It was listening all the while: a frame sent now arrives at each device.
      child.tell("send");
      expect(await child.line()).toBe("received 3");
      // A loop would use all of the time, or its share of it. Kernels without a fine clock count in ticks of 10 ms.
      expect(idle.cpu).toBeLessThan(0.1);
      // Bun's garbage-collection timer wakes two or three threads once a second, device or not: some 7 in all.
      expect(idle.wakeUps).toBeLessThan(30);
      expect(await child.end()).toMatchObject({ stderr: "", exitCode: 0 });
    }, 180_000);
  });
});
