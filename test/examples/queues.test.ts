import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describeWithTools } from "../support/privilege.ts";
import { run } from "../support/system.ts";

describeWithTools("the example of queues", ["iperf3", "nsenter", "unshare"], () => {
  const folder = mkdtempSync("/tmp/bun-tuntap-queues-");
  const source = `${import.meta.dir}/../../examples/queues.ts`;
  beforeAll(() => {
    chmodSync(folder, 0o755);
    run(process.execPath, "build", "--compile", source, "--outfile", `${folder}/queues`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { what: "from source", command: [process.execPath, source] },
    { what: "compiled", command: [`${folder}/queues`] },
  ])(
    "relays with a Worker for each core, $what",
    ({ command }) => {
      const child = Bun.spawnSync([...command, "1"], { timeout: 60_000, cwd: "/" });
      expect({ stderr: `${child.stderr}`, exitCode: child.exitCode }).toEqual({ stderr: "", exitCode: 0 });
      const workers = Math.min(availableParallelism(), 8);
      const stdout = `${child.stdout}`;
      expect(stdout).toContain(`left0 and right0 have ${workers} queues, one for each Worker`);
      const packets = [...stdout.matchAll(/^Worker \d+ +(\d+) packets$/gm)].map(([, count]) => Number(count));
      expect(packets).toHaveLength(workers);
      expect(packets.reduce((sum, count) => sum + count)).toBeGreaterThan(1000);
      expect(stdout).toMatch(/^together +\d+\.\d\d Gbit\/s in 1 s$/m);
    },
    60_000,
  );

  test("says what it needs where it cannot run", () => {
    const nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    for (const [command, says] of [
      [[...nobody, `${folder}/queues`], "This makes network namespaces: run it as root\n"],
      [["env", "PATH=/nowhere", process.execPath, source], "This needs iperf3, nsenter, unshare\n"],
    ] as const) {
      const { stderr, exitCode } = Bun.spawnSync([...command], { cwd: "/" });
      expect({ stderr: `${stderr}`, exitCode }).toEqual({ stderr: says, exitCode: 1 });
    }
  });
});
