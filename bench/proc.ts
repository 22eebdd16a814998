/** What the kernel says about a process and its network namespace. */
import { readdirSync, readFileSync } from "node:fs";

/** TCP_LISTEN in include/net/tcp_states.h. */
const TCP_LISTEN = "0A";

export interface CpuSeconds {
  total: number;
  user: number;
  system: number;
}

/** What a process's clocks show. */
export interface CpuReading {
  /** Nanoseconds of each thread, exact. */
  threads: ReadonlyMap<string, number>;
  /** Counted tick by tick: good for the share of each. */
  userTicks: number;
  systemTicks: number;
}

export function readCpu(pid: number): CpuReading {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name, which may hold spaces: count from its end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = (id: string): number =>
    Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8").split(" ")[0]);
  return {
    threads: new Map(threads.map((id) => [id, nanoseconds(id)])),
    userTicks: Number(fields[11]),
    systemTicks: Number(fields[12]),
  };
}

/** The CPU time that a process has used since `before`. */
export function cpuSecondsSince(pid: number, before: CpuReading): CpuSeconds {
  const now = readCpu(pid);
  let nanoseconds = 0;
  for (const [id, value] of now.threads) nanoseconds += value - (before.threads.get(id) ?? 0);
  const total = nanoseconds / 1e9;
  const user = now.userTicks - before.userTicks;
  const system = now.systemTicks - before.systemTicks;
  const share = user + system === 0 ? 0 : user / (user + system);
  return { total, user: total * share, system: total * (1 - share) };
}

/** Resident memory of a process now, and at its peak. */
export function memoryMb(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** System calls that a process has made to read or write. */
export function readsAndWrites(pid: number): number {
  const io = readFileSync(`/proc/${pid}/io`, "utf8");
  return [...io.matchAll(/^sysc[rw]: (\d+)$/gm)].reduce((sum, [, calls]) => sum + Number(calls), 0);
}

/** Tells whether a debugger such as strace holds every thread of a process. */
export function isTraced(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every(
    (thread) => !/^TracerPid:\s+0$/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
  );
}

/** The first and the last CPU that this process may run on. */
export function ownCpus(): [first: string, last: string] {
  const list = /^Cpus_allowed_list:\s+(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const numbers = list.split(/[-,]/);
  return [numbers.at(0) ?? "0", numbers.at(-1) ?? "0"];
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

/** TCP segments that `netns` has sent; those of a super-packet count each (net/ipv4/tcp_output.c __tcp_transmit_skb()). */
export function sentSegments(netns: number): number {
  return counter(netns, "Tcp", "OutSegs");
}

/** Datagrams that came to an IPv4 socket of `netns` which had no room. */
export function overflownDatagrams(netns: number): number {
  return counter(netns, "Udp", "RcvbufErrors");
}

/** Reads a counter from the two lines of its protocol, which hold names and values. */
function counter(netns: number, protocol: string, name: string): number {
  const [names = [], values = []] = readFileSync(`/proc/${netns}/net/snmp`, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${protocol}:`))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf(name)]);
}

/** Tells whether someone in `netns` listens on a TCP port. */
export function listens(netns: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["tcp", "tcp6"]
    .flatMap((file) => readFileSync(`/proc/${netns}/net/${file}`, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .some(([, local, , state]) => state === TCP_LISTEN && local?.endsWith(wanted));
}
