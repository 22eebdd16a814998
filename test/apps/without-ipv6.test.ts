/** Programs whose addresses nobody has chosen, where IPv6 is switched off: they do without. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { createLab } from "../../src/lab/index.ts";
import { describePrivileged } from "../support/privilege.ts";

describePrivileged("without IPv6", () => {
  test.each([
    { app: "userspace-host", options: [] },
    { app: "monitor", options: ["--listen", "127.0.0.1:0"] },
  ])("$app has its host by IPv4, and says so", async ({ app, options }) => {
    await using lab = await createLab();
    const host = lab.host("host");
    host.enter(() => writeFileSync("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"));
    const program = `${import.meta.dir}/../../apps/${app}/index.ts`;
    const child = host.spawn([process.execPath, program, ...options], { stderr: "pipe" });
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes("Ctrl-C ends it")) break;
    }
    if (text !== "") expect(await host.ping("198.51.100.2", { timeout: 10_000 })).toBeNumber();
    child.kill("SIGINT");
    const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
    expect([stderr, code]).toEqual([expect.stringMatching(/^Without IPv6: EACCES: .*\n$/), 0]);
  });
});
