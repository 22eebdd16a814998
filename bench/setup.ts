/** What a run needs from the machine, and what it says about it. */
import { existsSync, mkdtempSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import type { Case } from "./case.ts";
import type { Programs } from "./contender.ts";
import { run } from "./processes.ts";

const packageOf: Record<string, string> = {
  gcc: "gcc libc6-dev",
  iperf3: "iperf3",
  ip: "iproute2",
  strace: "strace",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  taskset: "util-linux",
  wg: "wireguard-tools",
  "wireguard-go": "wireguard-go",
  ping: "iputils-ping",
};

/** Throws an error that says what to do if anything is missing. */
export function checkMachine(wanted: readonly Case[]): void {
  if (process.platform !== "linux") throw new Error("The benchmark needs Linux");
  if (process.getuid?.() !== 0)
    throw new Error("The benchmark makes network namespaces: run it as root (sudo bun run bench)");
  if (!existsSync("/dev/net/tun"))
    throw new Error("/dev/net/tun is missing: modprobe tun, or docker run --device /dev/net/tun");
  const needed = new Set([
    "ip",
    "unshare",
    "nsenter",
    "setpriv",
    "taskset",
    ...wanted.flatMap(({ kind }) => kind.needs),
  ]);
  const missing = [...needed].filter((tool) => Bun.which(tool) === null);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => packageOf[tool]))].join(" ");
  const without = wanted.filter(({ kind }) => !kind.needs.some((tool) => missing.includes(tool)));
  const orSkip = without.length === 0 ? "" : `, or leave it out: --only ${without.map(({ name }) => name).join()}`;
  throw new Error(`${missing.join(", ")} not found: apt-get install ${packages} (Debian's names)${orSkip}`);
}

export function makeTemporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "bun-tuntap-bench-"));
}

/** Compiles the C programs that are needed into `directory`, and says how to start what. */
export async function compile(directory: string, wanted: readonly Case[]): Promise<Programs> {
  const source = join(import.meta.dir, "programs");
  const names = wanted.some(({ kind }) => kind.needs.includes("gcc"))
    ? ["relay", "echo", "flood", "rtt", "udp", "tunnel", "wireguard", "calls"]
    : [];
  const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread"];
  // Vectors, which the checksums of packets need.
  const more: Record<string, string[]> = { tunnel: ["-O3", "-march=native", join(source, "packets.c")] };
  await Promise.all(
    names.map((name) =>
      // Its namespace is as good as any: a compiler has no use for a network.
      // What it leaves in TMPDIR when it is interrupted goes with the directory.
      run(
        [
          ...["env", `TMPDIR=${directory}`, "gcc", ...flags, ...(more[name] ?? [])],
          ...["-o", join(directory, name), join(source, `${name}.c`)],
        ],
        { netns: "fresh" },
        60_000,
      ),
    ),
  );
  const inC = (name: string): string[] => [join(directory, name)];
  const inTypeScript = (name: string): string[] => [process.execPath, join(source, `${name}.ts`)];
  return {
    relay: { c: inC("relay"), ours: inTypeScript("relay") },
    echo: { c: inC("echo"), ours: inTypeScript("echo") },
    udp: { c: inC("udp"), ours: inTypeScript("udp") },
    tunnel: { c: inC("tunnel"), ours: inTypeScript("tunnel") },
    wireguard: { c: inC("wireguard"), ours: [process.execPath, join(import.meta.dir, "../apps/wireguard")] },
    flood: inC("flood"),
    rtt: inC("rtt"),
    calls: inC("calls"),
    startup: inTypeScript("startup"),
    flows: inTypeScript("flows"),
  };
}

/** Lines of "- what: value" about where and how the numbers came to be. */
export function describeRun(commandLine: string): string {
  const processors = cpus();
  const lines = {
    Machine: `${processors[0]?.model ?? "unknown CPU"}, ${processors.length} cores, ${process.arch}`,
    Kernel: `Linux ${release()}`,
    Bun: Bun.version,
    Date: new Date().toISOString().slice(0, 10),
    Command: `\`${commandLine}\``,
  };
  return Object.entries(lines)
    .map(([what, value]) => `- ${what}: ${value}`)
    .join("\n");
}
