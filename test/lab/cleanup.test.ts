/** What is left of a lab when its process ends, however it ends: nothing. */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createLab } from "../../src/lab/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";
import { openFds, until } from "../support/system.ts";
import { reach } from "./traffic.ts";

/** The network namespaces of all processes that can be seen. */
function namespaces(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const netns = readlinkSync(`/proc/${pid}/ns/net`);
      found.set(netns, [...(found.get(netns) ?? []), pid]);
    } catch {
      // Gone, or somebody else's.
    }
  }
  return found;
}

/** Processes whose environment has this mark: the children of a test's lab, and the guard of none. */
async function marked(mark: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid))) {
    try {
      if ((await Bun.file(`/proc/${pid}/environ`).text()).includes(mark)) found.push(pid);
    } catch {
      // As above.
    }
  }
  return found;
}

const program = (end: string): string => `
  import { createLab } from "${top}/src/lab/index.ts";
  const lab = await createLab({ seed: 7 });
  const hosts = ["a", "b", "c"].map((name) => lab.host(name));
  lab.switch(hosts, { delay: 5 });
  for (const host of hosts) host.spawn(["sh", "-c", "setsid sleep 1000 & sleep 1000"], { stdout: "ignore" });
  await hosts[0].ping(hosts[1]);
  const names = hosts.map((host) => host.enter(() => require("fs").readlinkSync("/proc/thread-self/ns/net")));
  // At once: what comes next may end the process.
  require("fs").writeSync(1, names.join() + "\\n");
  ${end}
`;

describePrivileged("nothing is left of a lab", () => {
  test.each([
    ["that is closed", "await lab.close();"],
    ["whose process exits", "process.exit(3);"],
    ["whose process throws", 'setTimeout(() => { throw new Error("in a timer"); });'],
    ["whose process is killed", "process.kill(process.pid, 'SIGKILL');"],
    ["whose process is asked to end", "process.kill(process.pid, 'SIGTERM'); await Bun.sleep(10_000);"],
  ])(
    "%s",
    async (_name, end) => {
      const mark = `BUN_TUNTAP_LAB_TEST_MARK=${crypto.randomUUID()}`;
      const [name = "", value = ""] = mark.split("=");
      const child = Bun.spawn([process.execPath, "-e", program(end)], {
        env: { ...process.env, [name]: value },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      await child.exited;
      const made = stdout.trim().split(",");
      expect(made, `${child.signalCode ?? child.exitCode}: ${stderr}`).toHaveLength(3);
      // The guard needs a moment where the process could do nothing itself.
      await until(() => made.every((netns) => !namespaces().has(netns)), "no process is in a namespace of the lab");
      expect(await marked(mark)).toEqual([]);
    },
    120_000,
  );

  test("whose process is killed: a namespace with the number of a host that had gone keeps its programs", async () => {
    const source = `
      import { readlinkSync, writeSync } from "node:fs";
      import { createLab } from "${top}/src/lab/index.ts";
      const lab = await createLab();
      const [gone, host] = [lab.host("gone"), lab.host("host")];
      for (const each of [gone, host]) each.spawn(["sleep", "1000"], { stdout: "ignore" });
      const names = [gone, host].map((each) => each.enter(() => readlinkSync("/proc/thread-self/ns/net")));
      gone.close();
      writeSync(1, names.join() + "\\n");
      setInterval(() => {}, 1000);`;
    const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe" });
    const { value } = await child.stdout.getReader().read();
    const [gone = "", left = ""] = new TextDecoder().decode(value).trim().split(",");
    const stranger = await programWithNumber(gone);
    if (stranger === undefined) {
      // Somebody else on this machine has got it, and nothing can be told.
      child.kill("SIGKILL");
      return;
    }
    try {
      const programs = childrenOf(child.pid);
      child.kill("SIGKILL");
      await until(() => !programs.some((pid) => existsSync(`/proc/${pid}`)), "the guards are done");
      expect(namespaces().has(left)).toBe(false);
      expect(namespaces().get(gone)).toEqual([String(stranger.pid)]);
    } finally {
      stranger.kill("SIGKILL");
      await stranger.exited;
    }
  });

  test("whose process is killed, and has a PATH without the system's programs", async () => {
    const source = `
      import { readlinkSync, writeSync } from "node:fs";
      import { createLab } from "${top}/src/lab/index.ts";
      const host = (await createLab()).host("host");
      process.env.PATH = "/nowhere";
      host.spawn([process.execPath, "-e", "await Bun.sleep(60_000)"], { stdout: "ignore", stderr: "ignore" });
      writeSync(1, host.enter(() => readlinkSync("/proc/thread-self/ns/net")));
      process.kill(process.pid, "SIGKILL");`;
    const { stdout } = runToEnd([process.execPath, "-e", source]);
    expect(stdout).toStartWith("net:[");
    await until(() => !namespaces().has(stdout), "no process is in the namespace of the host");
  });

  test("closed in this process: fds, and the guard", async () => {
    const lab = await createLab();
    lab.link(lab.host("a"), lab.host("b"));
    await lab.close();
    const before = { fds: openFds().length, children: childrenOf("self").length };
    for (let i = 0; i < 5; i++) {
      await using again = await createLab();
      const [a, b] = [again.host("a"), again.host("b")];
      again.link(a, b, { delay: 1 });
      await reach(a, b);
      a.spawn(["sleep", "1000"], { stdout: "ignore" });
    }
    await until(() => openFds().length <= before.fds, "no fd is left");
    expect(childrenOf("self").length).toBe(before.children);
  });

  test("closed where no fd is left: interfaces, namespaces and programs", () => {
    const source = `
      import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
      import { createLab } from "${top}/src/lab/index.ts";
      const lab = await createLab();
      const [one, other] = [lab.host("one"), lab.host("other")];
      lab.link(one, other);
      const program = one.spawn(["sh", "-c", "sleep 1000 & sleep 1000"]);
      const files = [];
      try { for (;;) files.push(openSync("/dev/zero")); } catch {}
      await lab.close();
      for (const fd of files) closeSync(fd);
      const left = readdirSync("/proc/self/fd").flatMap((fd) => {
        try { return [readlinkSync("/proc/self/fd/" + fd)]; } catch { return []; }
      });
      console.log(JSON.stringify([left.filter((file) => /tun$|^net:/.test(file)), program.signalCode]));
      process.exit(0);`;
    const { stdout, stderr } = runToEnd(["sh", "-c", 'ulimit -n 96; exec "$0" -e "$1"', process.execPath, source]);
    expect([stdout, stderr]).toEqual(['[[],"SIGKILL"]\n', ""]);
  });

  test("closed while frames are under way and a ping waits", async () => {
    const lab = await createLab();
    const [a, b] = [lab.host("a"), lab.host("b")];
    const link = lab.link(a, b);
    await reach(a, b);
    link.update({ delay: 10_000 });
    const waiting = a.ping(b, { timeout: 60_000 }).catch((error: unknown) => error);
    // One that nobody waits for does not fail the test.
    void a.ping(b, { timeout: 60_000 });
    await until(() => link.stats().forward.waiting > 1, "the requests are under way");
    const closing = lab.close();
    expect(lab.close()).toBe(closing);
    await closing;
    // At once, and not when its time is up.
    expect(await waiting).toMatchObject({
      code: "ERR_TUNTAP_CLOSED",
      message: expect.stringContaining('"a" is closed'),
    });
    expect(() => lab.host("c")).toThrow("the lab is closed");
  });
});

/** Makes namespaces until one has this number, with a program in it. The kernel gives the lowest that is free. */
async function programWithNumber(netns: string): Promise<Bun.Subprocess | undefined> {
  for (let i = 0; i < 500; i++) {
    const child = Bun.spawn(["unshare", "--net", "sh", "-c", "readlink /proc/self/ns/net; exec sleep 1000"], {
      stdout: "pipe",
    });
    const { value } = await child.stdout.getReader().read();
    if (new TextDecoder().decode(value).trim() === netns) return child;
    child.kill("SIGKILL");
    await child.exited;
  }
  return undefined;
}

function childrenOf(process: number | "self"): string[] {
  const children = readdirSync(`/proc/${process}/task`).flatMap((task) => {
    try {
      return readFileSync(`/proc/${process}/task/${task}/children`, "utf8").split(" ").filter(Boolean);
    } catch {
      return [];
    }
  });
  return [...new Set(children)];
}
