import { tryOrUndefined } from "../rollback.ts";

const { closeSync, openSync, readdirSync, readlinkSync } = process.getBuiltinModule("node:fs");

/**
 * Waits for the end of its standard input, which is the end of the process that
 * made the lab, however that came; kills then whatever is left in its own
 * namespace. Being there, it keeps the namespace: no other one can have its number.
 */
const SCRIPT = `own=$(readlink /proc/self/ns/net) || exit 0
read -r line
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  found=
  for process in /proc/[0-9]*; do
    [ "$process" = "/proc/$$" ] && continue
    [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$own" ] || continue
    kill -9 "\${process#/proc/}" 2>/dev/null
    found=1
  done
  [ "$found" ] || exit 0
done`;

/** Rounds of killing: a program may start another one while it is being killed. */
const ROUNDS_MAX = 50;

/**
 * Ends the programs on the hosts of a lab, which it finds by their network
 * namespace, so that also grandchildren and daemons are found. While programs
 * run, a small shell stands by on each host for the case that this process is killed.
 */
export class Reaper {
  /** By the namespace, as /proc calls it: "net:[4026532000]". */
  readonly #guards = new Map<string, Bun.Subprocess<"pipe", "ignore", "ignore">>();
  /** Guards that have been killed and have not ended yet. */
  readonly #ending = new Set<Promise<number>>();
  /** An fd that is given back before /proc is read, so that a lab can be closed where no other is left. */
  #reserve: number | undefined = reserve();

  /** Posts a guard in the namespace `netns`, which this thread is in, and in which a program is about to start. */
  watch(netns: string): void {
    if (this.#guards.has(netns)) return;
    const guard = Bun.spawn(["/bin/sh", "-c", SCRIPT], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      // A signal to the process group of the tests is not for it.
      detached: true,
      // A test may have a PATH of its own, with stand-ins for programs.
      env: { PATH: ["/usr/bin:/bin", process.env["PATH"]].filter(Boolean).join(":") },
    });
    guard.unref();
    this.#guards.set(netns, guard);
  }

  /**
   * Kills every process in these namespaces except this one. The caller holds
   * the namespaces: as long as it does, no other one can have their numbers.
   */
  kill(namespaces: ReadonlySet<string>): void {
    this.#giveBack();
    const guards = [...namespaces].flatMap((netns) => this.#guards.get(netns) ?? []);
    const spared = new Set([process.pid, ...guards.map(({ pid }) => pid)]);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const found = processesIn(namespaces).filter((pid) => !spared.has(pid));
      if (found.length === 0) break;
      for (const pid of found) killOrForget(pid);
    }
    // Last: until here they stand by for this process.
    for (const guard of guards) {
      guard.kill("SIGKILL");
      this.#ending.add(guard.exited);
      void guard.exited.then(() => this.#ending.delete(guard.exited));
    }
    // The numbers may be another host's soon.
    for (const netns of namespaces) this.#guards.delete(netns);
    this.#reserve = tryOrUndefined(reserve);
  }

  /** Resolves when all guards have ended. Called when {@link kill} has been, of all hosts. */
  async close(): Promise<void> {
    this.#giveBack();
    await Promise.all(this.#ending);
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
    .filter((name) => /^\d+$/.test(name))
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
