/** createNetns(), by itself and in programs without privilege of their own. */
import { expect, test } from "bun:test";
import { readdirSync, readlinkSync } from "node:fs";
import { FD_CLOEXEC } from "../../src/sys/constants.ts";
import { native } from "../../src/sys/native.ts";
import { createNetns, openRouteSocket } from "../../src/sys/netns.ts";
import { closeFd } from "../../src/sys/tun.ts";
import { describePrivileged, describeUnless } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";
import { run } from "../support/system.ts";

const own = (): string => readlinkSync("/proc/thread-self/ns/net");
const threads = (): number => readdirSync("/proc/self/task").length;
const fds = (): number => readdirSync("/proc/self/fd").length;

describePrivileged("createNetns()", () => {
  test("gives a namespace of its own with a loopback that is down, and stays where it was", () => {
    const before = own();
    const [one, other] = [createNetns(), createNetns()];
    try {
      const names = [one, other].map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
      expect(new Set([before, ...names]).size).toBe(3);
      for (const name of names) expect(name).toMatch(/^net:\[\d+\]$/);
      expect(own()).toBe(before);
      const links = run("nsenter", `--net=/proc/${process.pid}/fd/${one}`, "ip", "-j", "link");
      expect(JSON.parse(links)).toEqual([expect.objectContaining({ ifname: "lo", operstate: "DOWN" })]);
    } finally {
      closeFd(one);
      closeFd(other);
    }
  });

  test("gives an fd that is close-on-exec, and that opens sockets in the namespace", () => {
    const netns = createNetns();
    const socket = openRouteSocket(netns);
    const asked = native().sock_get_netns(socket);
    try {
      expect(native().fd_control(netns, 1 /* F_GETFD */, 0)).toBe(FD_CLOEXEC);
      expect(native().fd_is_same(asked, netns)).toBe(1);
    } finally {
      for (const fd of [asked, socket, netns]) closeFd(fd);
    }
  });

  test("leaves no thread and no fd", () => {
    closeFd(createNetns());
    const before = { threads: threads(), fds: fds() };
    for (let i = 0; i < 100; i++) closeFd(createNetns());
    // What an earlier test has forgotten may be collected meanwhile.
    expect(fds()).toBeLessThanOrEqual(before.fds);
    // Bun starts and ends threads of its own.
    expect(threads()).toBeLessThan(before.threads + 20);
  });
});

/** Runs a program as root of a user namespace, after a line of shell in it. */
function inUserNamespace(shell: string, script: string): ReturnType<typeof runToEnd> {
  const program = `
    const { createNetns } = await import(${JSON.stringify(`${top}/src/sys/netns.ts`)});
    const { readdirSync, readlinkSync } = await import("node:fs");
    ${script}`;
  return runToEnd(["unshare", "-Urn", "sh", "-ec", `${shell}; exec "$0" -e "$1"`, process.execPath, program]);
}

const canUnshare = Bun.which("unshare") !== null && runToEnd(["unshare", "-Urn", "true"]).exitCode === 0;

describeUnless(
  canUnshare ? undefined : "needs a user namespace: allow unprivileged ones",
  "createNetns() in a user namespace",
  () => {
    test("gives a namespace of its own", () => {
      const { stdout, stderr } = inUserNamespace(
        "true",
        `const link = readlinkSync("/proc/self/fd/" + createNetns());
         console.log(/^net:/.test(link), link !== readlinkSync("/proc/self/ns/net"));`,
      );
      expect({ stdout, stderr }).toEqual({ stdout: "true true\n", stderr: "" });
    });

    test("says which call failed, and leaves nothing, where there may be no more", () => {
      const { stdout, stderr } = inUserNamespace(
        "echo 0 > /proc/sys/user/max_net_namespaces",
        `const attempt = () => { try { createNetns(); return "made one"; } catch ({ code, syscall }) { return code + " " + syscall; } };
         const first = attempt();
         const before = readdirSync("/proc/self/fd").length;
         for (let i = 0; i < 50; i++) attempt();
         console.log(first, readdirSync("/proc/self/fd").length - before);`,
      );
      expect({ stdout, stderr }).toEqual({ stdout: "ENOSPC unshare(CLONE_NEWNET) 0\n", stderr: "" });
    });
  },
);
