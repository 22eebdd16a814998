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

/** By the file that the process has mapped. musl's loader is libc.so under another name: a link to it, but on Alpine. */
export function libcOf(maps: string): ProbedSystem["libc"] {
  return /\/(ld-musl-[^/]*|libc\.so)$/m.test(maps) ? "musl" : /\/libc\.so\.6$/m.test(maps) ? "glibc" : null;
}

/** `/run/systemd/container` and `$container`: systemd's "Container Interface". Kubernetes tells its pods by a variable. */
function containerKind(): string | null {
  const named = container() ?? read("/run/systemd/container")?.trim() ?? process.env["container"];
  if (named) return named;
  return process.env["KUBERNETES_SERVICE_HOST"] === undefined ? null : "kubernetes";
}

/**
 * Services that see every new interface. That networkd runs is told by the
 * file that `networkctl` looks for; its folder is there on machines without
 * it, too (tmpfiles.d/systemd-network.conf).
 */
export function networkManagers(): ProbeFacts["networkManagers"] {
  const { existsSync } = process.getBuiltinModule("node:fs");
  const signs = [
    ["systemd-networkd", "/run/systemd/netif/state"],
    ["NetworkManager", "/run/NetworkManager"],
  ] as const;
  return signs.filter(([, path]) => existsSync(path)).map(([name]) => name);
}

/** The text of a file of /proc or /run; undefined if it cannot be read. */
export function read(path: string): string | undefined {
  return tryOrUndefined(() => process.getBuiltinModule("node:fs").readFileSync(path, "latin1"));
}
