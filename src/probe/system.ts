import { container } from "../device/open-hints.ts";
import { tryOrUndefined } from "../rollback.ts";
import { isBunSupported, MINIMUM_BUN } from "../sys/platform.ts";
import type { ProbedBun, ProbedSystem, ProbeFacts } from "./report.ts";

/** Compares the version of Bun with the lowest one. */
export function probeBun(version: string = Bun.version): ProbedBun {
  return { version, minimum: MINIMUM_BUN, supported: isBunSupported(version) };
}

/** Finds out platform, kernel, C library and container. */
export function probeSystem(): ProbedSystem {
  const { platform, arch } = process;
  const kernel = process.getBuiltinModule("node:os").release();
  return { platform, arch, kernel, libc: libcOf(read("/proc/self/maps") ?? ""), container: containerKind() };
}

/**
 * Finds the C library by the file that the process has mapped. The loader of musl is libc.so under another name: a
 * link to it, except on Alpine.
 */
export function libcOf(maps: string): ProbedSystem["libc"] {
  return /\/(ld-musl-[^/]*|libc\.so)$/m.test(maps) ? "musl" : /\/libc\.so\.6$/m.test(maps) ? "glibc" : null;
}

/**
 * Finds the container by `/run/systemd/container` and `$container`, which are systemd's "Container Interface".
 * Kubernetes sets a variable in its pods.
 */
function containerKind(): string | null {
  const named = container() ?? read("/run/systemd/container")?.trim() ?? process.env["container"];
  if (named) return named;
  return process.env["KUBERNETES_SERVICE_HOST"] === undefined ? null : "kubernetes";
}

/**
 * Finds services that see every new interface. The file that `networkctl` looks for shows that networkd runs; its
 * folder exists on machines without it, too (tmpfiles.d/systemd-network.conf).
 */
export function networkManagers(): ProbeFacts["networkManagers"] {
  const { existsSync } = process.getBuiltinModule("node:fs");
  const signs = [
    ["systemd-networkd", "/run/systemd/netif/state"],
    ["NetworkManager", "/run/NetworkManager"],
  ] as const;
  return signs.filter(([, path]) => existsSync(path)).map(([name]) => name);
}

/** Reads a text file of /proc or /run; returns undefined if it cannot be read. */
export function read(path: string): string | undefined {
  return tryOrUndefined(() => process.getBuiltinModule("node:fs").readFileSync(path, "latin1"));
}

/** Returns the command that started this program. A compiled executable has no path of a script. */
export function ownCommand(): string {
  const [executable = "bun", script = "", ...args] = process.argv;
  const isCompiled = script.startsWith("/$bunfs/");
  return [isCompiled ? process.execPath : executable, ...(isCompiled || script === "" ? [] : [script]), ...args]
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}
