/** Commands that need the npm registry: they run in the network namespace of whoever started the tests. */
import { mustRunIn, runIn } from "./support.ts";

// support/preload.ts has taken this process, and so its children, out of it.
const inParentNamespace = ["nsenter", `--net=/proc/${process.ppid}/ns/net`];

/** Runs a command like `mustRunIn`, with the registry in reach. */
export function mustRunOnline(cwd: string, ...command: string[]): string {
  return mustRunIn(cwd, ...inParentNamespace, ...command);
}

/** Why the registry cannot be used here, or undefined if it can. */
export function registryObstacle(): string | undefined {
  const missing = ["npm", "nsenter"].filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0) return `needs ${missing.join(", ")}: install with your package manager`;
  // Asked again where the answer is late: what is skipped counts as failed in CI.
  const patience = ["--fetch-retries=3", "--fetch-retry-mintimeout=1000", "--fetch-timeout=15000"];
  const ping = runIn("/", ...inParentNamespace, "npm", "ping", ...patience);
  return ping.exitCode === 0 ? undefined : "needs the npm registry, which does not answer";
}
