/** What the kernel says about a process and its network namespace. */
import { readFileSync } from "node:fs";

/** USER_HZ: 100 on every Linux that Bun runs on (include/asm-generic/param.h). */
const TICKS_PER_SECOND = 100;
/** TCP_LISTEN in include/net/tcp_states.h. */
const TCP_LISTEN = "0A";

export interface CpuSeconds {
  user: number;
  system: number;
}

/** CPU time of all threads of a process since it started. */
export function cpuSeconds(pid: number): CpuSeconds {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, which may hold spaces: count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

/** The CPU time that a process has used since `before`. */
export function cpuSecondsSince(pid: number, before: CpuSeconds): CpuSeconds {
  const { user, system } = cpuSeconds(pid);
  return { user: user - before.user, system: system - before.system };
}

/** Packets that an interface has handed to the kernel of `netns`. */
export function receivedPackets(netns: number, name: string): number {
  const line = readFileSync(`/proc/${netns}/net/dev`, "utf8")
    .split("\n")
    .find((text) => text.trimStart().startsWith(`${name}:`));
  if (line === undefined) throw new Error(`No interface ${name}`);
  return Number(
    line
      .slice(line.indexOf(":") + 1)
      .trim()
      .split(/\s+/)[1],
  );
}

/** Whether someone in `netns` listens on an IPv4 TCP port. */
export function listens(netns: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync(`/proc/${netns}/net/tcp`, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .some(([, local, , state]) => state === TCP_LISTEN && local?.endsWith(wanted));
}
