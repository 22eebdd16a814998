/**
 * The compiled VPN in two network namespaces:
 *
 *   left host                                     right host, which listens
 *   198.51.100.2, 2001:db8:1::2  --- tunnel ---   198.51.100.1, 2001:db8:1::1
 *   192.0.2.2, 2001:db8::2       ----- veth ---   192.0.2.1, 2001:db8::1
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeKey } from "../../apps/vpn/key-file.ts";
import type { Namespace, Program } from "../io/offload/support/namespaces.ts";
import { mustRunIn, projectPath } from "../package/support.ts";
import { run, until } from "../support/system.ts";

export const tunnel = {
  left: ["198.51.100.2/30", "2001:db8:1::2/64"],
  right: ["198.51.100.1/30", "2001:db8:1::1/64"],
} as const;
export const INNER = { ipv4: "198.51.100.1", ipv6: "2001:db8:1::1" } as const;

/** What the VPN prints. */
export interface Stats {
  readonly peer?: string;
  readonly sent: { readonly packets: number; readonly bytes: number };
  readonly received: { readonly packets: number; readonly bytes: number };
  readonly keepAlives: { readonly sent: number; readonly received: number };
  readonly sessions: number;
  readonly moves: number;
  readonly dropped: Readonly<Record<string, number>>;
}

export function compileVpn(folder: string): string {
  const executable = join(folder, "vpn");
  mustRunIn(projectPath, process.execPath, "build", "--compile", "apps/vpn/index.ts", "--outfile", executable);
  return executable;
}

/** A file with a new key, of that mode. */
export function keyFile(folder: string, name: string, mode: number = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, `${makeKey()}\n`, { mode });
  return path;
}

/** One end of a tunnel. */
export class Vpn implements Disposable {
  readonly #program: Program;

  constructor(host: Namespace, ...command: string[]) {
    this.#program = host.start(...command);
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** What it prints of the next event of that name. */
  async next<T = { peer: string }>(event: string): Promise<T> {
    for (;;) {
      const line = JSON.parse(await this.#program.line()) as { event: string } & T;
      if (line.event === event) return line;
    }
  }

  stats(): Promise<Stats> {
    this.#program.signal("SIGUSR1");
    return this.next("stats");
  }

  /** Ends it; its last words are its counters. */
  async end(): Promise<Stats> {
    await this.#program.end();
    return this.next("stats");
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

/** The reasons for which anything was dropped. */
export function dropped({ dropped: reasons }: Stats): Record<string, number> {
  return Object.fromEntries(Object.entries(reasons).filter(([, count]) => count > 0));
}

/** Joins two namespaces. */
export function joinHosts(left: Namespace, right: Namespace): void {
  left.run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", holderOf(right));
  for (const [host, number] of [[right, 1] as const, [left, 2] as const]) {
    host.run("ip", "address", "add", `192.0.2.${number}/24`, "dev", "veth0");
    host.run("ip", "address", "add", `2001:db8::${number}/64`, "dev", "veth0", "nodad");
    host.run("ip", "link", "set", "veth0", "up");
  }
}

/** Joins a namespace and the test's own, which have `.1` and `.254` of the network. */
export function joinHere(host: Namespace, name: string, network: string): void {
  run("ip", "link", "add", name, "type", "veth", "peer", "name", "veth0", "netns", holderOf(host));
  run("ip", "address", "add", `${network}.254/24`, "dev", name);
  run("ip", "link", "set", name, "up");
  host.run("ip", "address", "add", `${network}.1/24`, "dev", "veth0");
  host.run("ip", "link", "set", "veth0", "up");
}

function holderOf({ path }: Namespace): string {
  return path.split("/")[2] as string;
}

/** Whether a process is there. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** `count` pings from `host` to the other end of the tunnel, as fast as they come back; resolves to how many do. */
export async function ping(host: Namespace, target: string, count: number, ...more: string[]): Promise<number> {
  const command = ["ping", "-q", "-f", "-c", `${count}`, "-w", "5", ...more, target];
  const output = await host.start("sh", "-c", `${command.join(" ")} || true`).rest();
  return Number(/(\d+) received/.exec(output)?.[1]);
}

export function allGone(pids: readonly number[]): Promise<void> {
  return until(() => !pids.some(isRunning), "the processes have ended");
}
