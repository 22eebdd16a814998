/** What tests ask of the system around them: independent tools, conditions, and what is left over. */
import { closeSync, readdirSync, readlinkSync } from "node:fs";

/** Runs a program to its end; throws with its output if it fails. */
export function run(...command: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${stderr}${stdout}`);
  return stdout.toString();
}

/**
 * The number of answers in the output of `ping`. With `-c N -w SECONDS` it asks on until it has N answers: a busy machine
 * answers late, and the packets that were sent meanwhile count as lost.
 */
export function answersIn(output: string): number {
  return Number(/(\d+) received/.exec(output)?.[1]);
}

export interface IpLink {
  ifname: string;
  ifindex: number;
  flags: string[];
  mtu: number;
  address?: string;
  txqlen?: number;
  operstate: string;
  link_type: string;
  linkinfo?: { info_kind: string; info_data?: Record<string, unknown> };
  addr_info?: { family: string; local: string; prefixlen: number; address?: string; scope: string }[];
  stats64?: Record<"rx" | "tx", { bytes: number; packets: number; errors: number; dropped: number }>;
}

/** The interface as iproute2 sees it, with details, addresses and counters. */
export function ipLink(name: string): IpLink {
  const [link] = JSON.parse(run("ip", "-j", "-d", "-s", "address", "show", "dev", name)) as IpLink[];
  if (link === undefined) throw new Error(`ip shows no ${name}`);
  return link;
}

/** The names of all interfaces of this thread's namespace. */
export function interfaceNames(): string[] {
  return (JSON.parse(run("ip", "-j", "link", "show")) as IpLink[]).map(({ ifname }) => ifname).sort();
}

/** The interfaces that were not there `before`. Fewer may be there than before, as with {@link newFds}. */
export function newInterfaces(before: readonly string[]): string[] {
  return interfaceNames().filter((name) => !before.includes(name));
}

/** The open fds of this process that lead to `pattern`, as /proc has them. */
export function openFds(pattern: RegExp = /./): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return pattern.test(target) ? [`${fd} -> ${target}`] : [];
    } catch {
      return [];
    }
  });
}

/**
 * The open fds that were not open `before`. Fewer may be open than before: what an earlier test of this process has
 * forgotten is closed whenever the collector finds it.
 */
export function newFds(before: readonly string[], pattern?: RegExp): string[] {
  return openFds(pattern).filter((fd) => !before.includes(fd));
}

/**
 * Opens until an fd has the number `wanted`, and returns it; the others are closed. The kernel gives the lowest that is
 * free, and the collector may have closed some below `wanted` meanwhile.
 */
export function openNumbered(wanted: number, open: () => number): number {
  const opened = [open()];
  while ((opened.at(-1) as number) < wanted) opened.push(open());
  const last = opened.pop() as number;
  for (const fd of opened) closeSync(fd);
  if (last !== wanted) throw new Error(`Fd ${wanted} is in use: the next that was free is ${last}`);
  return last;
}

/** The time, in milliseconds, after which a test gives up what takes a moment: a busy machine may take much longer. */
const PATIENCE_MS = 30_000;

/** Returns a signal that aborts what does not come, after the time that {@link until} waits. */
export function soon(): AbortSignal {
  return AbortSignal.timeout(PATIENCE_MS);
}

/** Resolves when `condition` holds, looked at each few milliseconds; rejects after `timeoutMs`. */
export async function until(
  condition: () => boolean,
  what: string | (() => string),
  timeoutMs: number = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline)
      throw new Error(`Not within ${timeoutMs} ms: ${typeof what === "string" ? what : what()}`);
    await Bun.sleep(2);
  }
}

/** Keeps IPv6 from sending frames of its own (router solicitations, MLD) on interfaces made from now on. */
export function quietIPv6(): void {
  run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
}
