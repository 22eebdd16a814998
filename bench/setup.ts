/** What a run needs from the machine, and what it says about it. */
import { existsSync, mkdtempSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { join } from "node:path";
import type { Contender, Tools } from "./measure.ts";
import { run } from "./processes.ts";
import type { Section } from "./report.ts";

const packageOf: Record<string, string> = {
  gcc: "gcc libc6-dev",
  iperf3: "iperf3",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
};

/** Throws an error that says what to do if anything is missing. */
export function checkMachine(wanted: readonly Section[]): void {
  if (process.platform !== "linux") throw new Error("The benchmark needs Linux");
  if (process.getuid?.() !== 0)
    throw new Error("The benchmark makes network namespaces: run it as root (sudo bun run bench)");
  if (!existsSync("/dev/net/tun"))
    throw new Error("/dev/net/tun is missing: modprobe tun, or docker run --device /dev/net/tun");
  const needed = ["ip", "unshare", "nsenter", "setpriv"];
  if (wanted.some((section) => section !== "startup")) needed.push("gcc");
  if (wanted.includes("throughput")) needed.push("iperf3");
  const missing = needed.filter((tool) => Bun.which(tool) === null);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => packageOf[tool]))].join(" ");
  const without = wanted.filter((section) => section !== "throughput").join(",");
  const orSkip = missing.join() === "iperf3" && without !== "" ? `, or leave it out: --only ${without}` : "";
  throw new Error(`${missing.join(", ")} not found: apt-get install ${packages} (Debian's names)${orSkip}`);
}

export function makeTemporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "bun-tuntap-bench-"));
}

/** Compiles the C programs into `directory` and says how to start what. */
export async function compile(directory: string): Promise<{ c: Contender; ours: Contender; tools: Tools }> {
  const source = import.meta.dir;
  const compileOne = async (name: string): Promise<string> => {
    const output = join(directory, name);
    const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"];
    // Its namespace is as good as any: a compiler has no use for a network.
    // What it leaves in TMPDIR when it is interrupted goes with the directory.
    await run(
      ["env", `TMPDIR=${directory}`, "gcc", ...flags, "-o", output, join(source, `${name}.c`)],
      { netns: "fresh" },
      60_000,
    );
    return output;
  };
  const [relay, echo, flood, rtt] = await Promise.all([
    compileOne("relay"),
    compileOne("echo"),
    compileOne("flood"),
    compileOne("rtt"),
  ]);
  return {
    c: { relay: [relay], echo: [echo] },
    ours: {
      relay: [process.execPath, join(source, "relay.ts")],
      echo: [process.execPath, join(source, "echo.ts")],
    },
    tools: { flood, rtt },
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
