/**
 * Network namespaces without names: each is held by a process that sleeps in it,
 * and is gone when that process is.
 */
import { Program, run } from "./processes.ts";

/** The holder ends of itself then, whatever becomes of the run. */
const SECONDS_MAX = 600;

/** Without IPv6 the kernel sends nothing of its own accord (router solicitations, MLD). */
const withoutIPv6 = "echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6";
/** Without a link-local address (IN6_ADDR_GEN_MODE_NONE) it does not solicit routers either. */
const withIPv6 = "cd /proc/sys/net/ipv6/conf/default && echo 1 >addr_gen_mode && echo 0 >accept_ra";

/** Starts a namespace and returns its holder's pid. */
export async function openNamespace(ipv6: boolean): Promise<number> {
  const script = `${ipv6 ? withIPv6 : withoutIPv6}; echo ready; exec sleep ${SECONDS_MAX}`;
  const holder = new Program(["sh", "-c", script], { netns: "fresh" });
  await holder.ready();
  return holder.pid;
}

/** Moves an interface from one process's namespace to another's. */
export async function moveLink(name: string, from: number, to: number): Promise<void> {
  await run(["ip", "link", "set", name, "netns", String(to)], { netns: from });
}

/** Commands of `ip`, in a namespace. */
export async function configure(netns: number, commands: readonly string[]): Promise<void> {
  await run(["ip", "-batch", "-"], { netns, stdin: `${commands.join("\n")}\n` });
}
