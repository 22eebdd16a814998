import { expect, test } from "bun:test";
import { describeWithTools } from "../support/privilege.ts";
import { interfaceNames, newInterfaces } from "../support/system.ts";

const demo = [process.execPath, `${import.meta.dir}/../../examples/demo.ts`];

async function runDemo(
  command: string[],
  env: Record<string, string | undefined>,
): Promise<{ out: string; code: number }> {
  const child = Bun.spawn(command, { env: { ...process.env, ...env }, stderr: "inherit" });
  const out = await child.stdout.text();
  return { out, code: await child.exited };
}

describeWithTools("the demo", ["ip", "ping"], () => {
  test("lets ping talk to TypeScript, shows each frame, and leaves nothing behind", async () => {
    const before = interfaceNames();
    const { out, code } = await runDemo(demo, {});
    expect(out).toMatch(/^interface {2}tap0/);
    expect(out).toMatch(/MAC {8}([0-9a-f]{2}:){5}[0-9a-f]{2}\nMTU {8}1500\n/);
    expect(out).toContain("42 bytes  ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28");
    expect(out).toContain("42 bytes  ARP, Reply 192.0.2.2 is-at 02:00:5e:00:53:02, length 28");
    for (const seq of [1, 2, 3]) {
      for (const words of ["192.0.2.1 > 192.0.2.2: ICMP echo request", "192.0.2.2 > 192.0.2.1: ICMP echo reply"]) {
        expect(out).toMatch(new RegExp(`98 bytes {2}IP ${words}, id \\d+, seq ${seq}, length 64\n`));
      }
    }
    expect(out).toMatch(/ [3-9] received/);
    expect(code).toBe(0);
    expect(newInterfaces(before)).toEqual([]);
  });

  test("pings the kernel from TypeScript where there is no ping", async () => {
    const { out, code } = await runDemo(demo, { PATH: "/nowhere" });
    expect(out).toContain("There is no ping here");
    expect(out).toContain("3 packets transmitted, 3 received");
    expect(code).toBe(0);
  });

  test("tells a user without the privilege what to type", () => {
    const unprivileged = [
      "setpriv",
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      "--bounding-set",
      "-all",
    ];
    const { stderr, exitCode } = Bun.spawnSync([...unprivileged, ...demo]);
    expect(stderr.toString()).toContain(`  sudo ${process.execPath} run demo\n`);
    expect(stderr.toString()).toContain(`  unshare -Urn ${process.execPath} run demo\n`);
    expect(exitCode).toBe(1);
  });
});
