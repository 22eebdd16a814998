/** Devices that outlive the modules that opened them: `bun --hot`, a cleared require.cache, two copies in one process. */
import { expect, test } from "bun:test";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeWithTools } from "../support/privilege.ts";
import { Child, programPath, temporaryFolder, wakers } from "./support.ts";

describeWithTools("a device whose modules are forgotten", ["unshare"], () => {
  test.concurrent.each([...wakers])(
    "bun --hot: goes on receiving over five reloads, with BUN_TUNTAP_WAKER=%s",
    async (waker) => {
      using folder = temporaryFolder();
      const main = join(folder.path, "main.ts");
      writeFileSync(main, `import ${JSON.stringify(programPath("hot.ts"))};\n`);
      await using child = new Child(main, { flags: ["--hot"], env: { BUN_TUNTAP_WAKER: waker }, ownNamespace: true });
      for (let number = 0; number < 6; number++) {
        expect(JSON.parse(await child.line())).toEqual({ number, own: 35, fds: 3 });
        appendFileSync(main, "//\n");
      }
    },
    180_000,
  );

  test.concurrent("two copies work side by side, and each is closed once nothing uses it", async () => {
    await using child = new Child("copies.ts", { ownNamespace: true });
    const { stdout, ...end } = await child.ending();
    expect(end).toEqual({ stderr: "", exitCode: 0, signal: null });
    const received = ["to 192.0.2.2", "to 198.51.100.2"];
    expect(JSON.parse(stdout)).toEqual({ apart: true, received, devices: 0 });
  }, 180_000);
});
