import { tryOrUndefined } from "../rollback.ts";

const { closeSync, openSync, readdirSync, readlinkSync } = process.getBuiltinModule("node:fs");

/**
 * Waits for the end of its standard input, which is the end of the process that
 * made the lab, however that came; kills then whatever is left on its hosts.
 */
const SCRIPT = `hosts=
while read -r line; do
  [ "$line" = done ] && exit 0
  hosts="$hosts $line "
done
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  found=
  for process in /proc/[0-9]*; do
    host=$(readlink "$process/ns/net" 2>/dev/null) || continue
    case "$hosts" in *" $host "*) kill -9 "\${process#/proc/}" 2>/dev/null; found=1;; esac
  done
  [ "$found" ] || exit 0
done`;

/** Rounds of killing: a program may start another one while it is being killed. */
const ROUNDS_MAX = 50;

/**
 * Ends the programs on the hosts of a lab, which it finds by their network
 * namespace, so that also grandchildren and daemons are found. While programs
 * run, a small shell stands by for the case that this process is killed.
 */
export class Reaper {
  #guard: Bun.Subprocess<"pipe", "ignore", "ignore"> | undefined;
  /** An fd that is given back before /proc is read, so that a lab can be closed where no other is left. */
  #reserve: number | undefined = reserve();

  /** Tells the guard of a host on which a program is about to start. `netns` is "net:[4026532000]". */
  watch(netns: string): void {
    this.#guard ??= Bun.spawn(["/bin/sh", "-c", SCRIPT], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      // A signal to the process group of the tests is not for it.
      detached: true,
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    });
    this.#guard.unref();
    this.#guard.stdin.write(`${netns}\n`);
    // Written when this returns: the pipe is empty.
    this.#guard.stdin.flush();
  }

  /** Kills every process in these namespaces except this one. */
  kill(namespaces: ReadonlySet<string>): void {
    this.#giveBack();
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const found = processesIn(namespaces);
      if (found.length === 0) break;
      for (const pid of found) killOrForget(pid);
    }
    this.#reserve = tryOrUndefined(reserve);
  }

  /** Ends the guard. */
  async close(): Promise<void> {
    this.#giveBack();
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard === undefined) return;
    guard.stdin.write("done\n");
    guard.stdin.end();
    await guard.exited;
  }

  #giveBack(): void {
    if (this.#reserve !== undefined) closeSync(this.#reserve);
    this.#reserve = undefined;
  }
}

function reserve(): number {
  return openSync("/dev/null", "r");
}

function processesIn(namespaces: ReadonlySet<string>): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => namespaces.has(netnsOf(pid)))
    .map(Number);
}

function netnsOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    // Gone, or somebody else's.
    return "";
  }
}

function killOrForget(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone meanwhile.
  }
}
