/** What listening to changes does to the process: how long it lives, what it costs, what it holds. */
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { measureIdle } from "../package/proc.ts";
import { Child, wakers } from "../package/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { quietIPv6, run, until } from "../support/system.ts";

const program = "../../interface/changes-child.ts";

/** Much longer than a process takes that has nothing to wait for: some 100 ms. */
const HOLD_MS = 700;

describeWithTools("a process that listens to changes", ["ip", "strace", "prlimit"], () => {
  beforeAll(quietIPv6);

  describe.each(wakers)("BUN_TUNTAP_WAKER=%s", (BUN_TUNTAP_WAKER) => {
    const env = { BUN_TUNTAP_WAKER };

    test("unref(): it ends by itself, though handler and iteration wait", async () => {
      await using child = new Child(program, { args: ["unref()"], env });
      expect(await child.ending()).toEqual({ stdout: "open\n", stderr: "", exitCode: 0, signal: null });
    }, 60_000);

    test("unref() still tells while something else keeps it alive", async () => {
      await using child = new Child(program, { args: ["unref(), told"], env });
      expect(await child.ending()).toMatchObject({ stdout: "open\ntun0 mtu 1400\n", stderr: "", exitCode: 0 });
    }, 60_000);

    test("otherwise it stays until the device closes", async () => {
      await using child = new Child(program, { args: ["listening"], env });
      expect(await child.line()).toBe("open");
      // Nothing tells that a process would not have ended yet, but time.
      await Bun.sleep(HOLD_MS);
      expect(child.isRunning).toBe(true);
      expect(await child.end()).toMatchObject({ stdout: "open\n", stderr: "", exitCode: 0 });
    }, 60_000);

    test("nothing is asked for in a loop: idle, it uses no CPU and calls no kernel", async () => {
      await using child = new Child(program, { args: ["idle"], env });
      const lines = [
        await child.line(),
        await child.line(),
        await child.line(),
        await child.line(),
        await child.line(),
      ];
      expect(lines.sort()).toEqual(["ch0 up", "ch0 up", "ch1 up", "ch1 up", "open"]);
      const idle = await measureIdle(child.pid, 1500);
      // A loop would use all of the time, or its share of it. Kernels without a fine clock count in ticks of 10 ms.
      expect(idle.cpu).toBeLessThan(0.1);
      // What netlink and TUN are asked with; futex and the like are Bun's, which collects garbage now and then.
      const calls = await traced(
        child.pid,
        "trace=network,ioctl,poll,epoll_wait,epoll_pwait2,io_submit,epoll_ctl",
        async () => {
          await Bun.sleep(1000);
        },
      );
      expect(calls.filter((call) => !call.includes("epoll_pwait2"))).toEqual([]);
      // It was listening all the while, and strace looking.
      const woken = await traced(child.pid, "trace=network", async () => {
        run("ip", "link", "set", "ch0", "mtu", "1400");
        expect([await child.line(), await child.line()]).toEqual(["ch0 mtu 1400", "ch0 mtu 1400"]);
      });
      expect(woken.some((call) => call.includes("recvfrom("))).toBe(true);
      expect(await child.end()).toMatchObject({ stderr: "", exitCode: 0 });
    }, 60_000);
  });

  test("without an error handler, what the change handler throws is an uncaught exception", async () => {
    await using child = new Child(program, { args: ["a handler that throws"] });
    expect(await child.ending()).toEqual({ stdout: "open\nuncaught boom\n", stderr: "", exitCode: 7, signal: null });
  }, 60_000);

  test("with few fds left it fails with EMFILE, or works, and leaves nothing either way", async () => {
    const limited = ["prlimit", "--nofile=100:100", process.execPath, `${import.meta.dir}/changes-child.ts`, "few fds"];
    const lines = run(...limited)
      .trim()
      .split("\n")
      .slice(0, -1);
    const tries = lines.map(
      (line) => JSON.parse(line) as { left: number; handler: string; changes: string; leaked: number },
    );
    expect(tries).toHaveLength(12);
    for (const { handler, changes } of tries) {
      for (const outcome of [handler, changes]) expect(outcome).toMatch(/^(done|EMFILE: .*ulimit -n.*)$/);
    }
    expect(tries.map(({ leaked }) => leaked)).toEqual(tries.map(() => 0));
    expect([tries[0]?.handler, tries[0]?.changes].every((outcome) => outcome?.startsWith("EMFILE"))).toBe(true);
    expect([tries.at(-1)?.handler, tries.at(-1)?.changes]).toEqual(["done", "done"]);
  }, 60_000);
});

/** The system calls that a process makes, all threads, while `use` runs. */
async function traced(pid: number, filter: string, use: () => Promise<void>): Promise<string[]> {
  const strace = Bun.spawn(["strace", "-f", "-qq", "-e", filter, "-p", `${pid}`], { stderr: "pipe" });
  const output = strace.stderr.text();
  const attached = (): boolean => /^TracerPid:\s*[1-9]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  await until(attached, "strace is attached");
  await use();
  strace.kill("SIGINT");
  return (await output).split("\n").filter((line) => line !== "");
}
