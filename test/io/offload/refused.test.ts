/** Kernels of the 6.6.44 era refuse some super-packets with EINVAL; strace makes this one such a kernel. */
import { expect, test } from "bun:test";
import { describeOnKernel } from "../../support/kernel.ts";
import { describeUnless } from "../../support/privilege.ts";

/** Why strace cannot change what system calls return here, or undefined. */
function noInjection(): string | undefined {
  if (Bun.which("strace") === null) return "needs strace: install it with your package manager";
  const inject = ["-e", "trace=getppid", "-e", "inject=getppid:error=EINVAL"];
  const { exitCode } = Bun.spawnSync(["strace", "-qq", "-o", "/dev/null", ...inject, "true"]);
  return exitCode === 0 ? undefined : "needs strace that may trace: allow ptrace (CAP_SYS_PTRACE)";
}

/** Returns what the child prints, a line for each turn; the writes to the TUN of these numbers, counted from 1, are refused. */
function turns(when: string): unknown[] {
  const inject = ["-P", "/dev/net/tun", "-e", "trace=writev", "-e", `inject=writev:error=EINVAL:when=${when}`];
  const child = [process.execPath, `${import.meta.dir}/support/refused.ts`];
  const strace = Bun.spawnSync(["strace", "-f", "-qq", "-o", "/dev/null", ...inject, ...child], { timeout: 60_000 });
  if (strace.exitCode !== 0) throw new Error(`The child failed: ${strace.stderr}`);
  return strace.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describeOnKernel("udpOffload", "a kernel that refuses super-packets", () => {
  describeUnless(noInjection(), "with strace", () => {
    // In each turn two frames alone, a run of TCP over IPv4, one over IPv6, and one of UDP.
    test("none refused: five writes a turn", () => {
      const same = { taken: 17, writes: 5 };
      expect(turns("1000")).toEqual([same, same, same]);
    }, 60_000);

    test("TCP over IPv4: its packets arrive one by one, then and later; the other kinds are merged", () => {
      const same = { taken: 17, writes: 9 };
      expect(turns("3")).toEqual([same, same, same]);
    }, 60_000);

    test("each kind, one after the other: everything arrives, in order", () => {
      // The third write; then the next run's, behind the five that replace the first; then the last one's.
      const turn = { taken: 17, writes: 17 };
      expect(turns("3..15+6")).toEqual([turn, turn, turn]);
    }, 60_000);
  });
});
