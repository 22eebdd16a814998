/**
 * Network namespaces without names: each is held by a process that sleeps in it,
 * and is gone when that process is.
 */
import { Program, run } from "./processes.ts";

/** The holder ends of itself then, whatever becomes of the run. */
const SECONDS_MAX = 600;

/** Starts a namespace and returns its holder's pid. */
export async function openNamespace(): Promise<number> {
  // Without IPv6 the kernel sends nothing of its own accord (router solicitations, MLD).
  const quiet = "echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/all/disable_ipv6";
  const holder = new Program(["sh", "-c", `${quiet}; echo ready; exec sleep ${SECONDS_MAX}`], { netns: "fresh" });
  await holder.ready();
  return holder.pid;
}

/** Moves an interface from one process's namespace to another's. */
export async function moveLink(name: string, from: number, to: number): Promise<void> {
  await run(["ip", "link", "set", name, "netns", String(to)], { netns: from });
}

/** Gives a TUN its address, brings it up, and sends `routes` through it. */
export async function configureLink(netns: number, name: string, address: string, routes: string[]): Promise<void> {
  const lines = [
    `address add ${address} dev ${name}`,
    // Both are the kernel's defaults: whatever the program under test thinks of them.
    `link set ${name} mtu 1500 txqueuelen 500 up`,
    ...routes.map((route) => `route add ${route} dev ${name}`),
  ];
  await run(["ip", "-batch", "-"], { netns, stdin: `${lines.join("\n")}\n` });
}
