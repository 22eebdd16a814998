import { type TunTapError, withDetails } from "../errors.ts";
import { enteringHint } from "../hints.ts";
import { openNetns } from "../sys/netns.ts";
import { closeFd } from "../sys/tun.ts";
import type { NetnsLike } from "./types.ts";

/** Checks the form of a network namespace. @throws {TypeError | RangeError} */
export function checkNetns(netns: unknown, option = "netns"): void {
  if (typeof netns === "number") {
    if (Number.isInteger(netns) && netns > 0 && netns <= 0x7fff_ffff) return;
    throw new RangeError(`Option "${option}" must be the id of a process, 1 or more, got ${netns}`);
  }
  if (typeof netns !== "string" || !/^[^\0]+$/.test(netns) || netns === "." || netns === "..") {
    throw new TypeError(
      `Option "${option}" must be a name as in \`ip netns\`, a path such as "/proc/123/ns/net", or the id of a process, got ${Bun.inspect(netns)}`,
    );
  }
}

/**
 * Runs `use` with an fd of the namespace, or with undefined if none is given, which means the namespace of this
 * thread.
 *
 * @throws {TunTapError} `ENOENT`, `EACCES` if it cannot be opened
 */
export function withNetns<T>(netns: NetnsLike | undefined, use: (fd: number | undefined) => T): T {
  if (netns === undefined) return use(undefined);
  const fd = open(netns);
  try {
    return use(fd);
  } catch (error) {
    throw explainEntering(error, netns);
  } finally {
    closeFd(fd);
  }
}

function open(netns: NetnsLike): number {
  try {
    return openNetns(pathOf(netns));
  } catch (error) {
    throw withDetails(error, { hint: openHint((error as TunTapError).code, netns) });
  }
}

/** The folder in which iproute2 keeps its names: ip-netns(8). */
function pathOf(netns: NetnsLike): string {
  if (typeof netns === "number") return `/proc/${netns}/ns/net`;
  return netns.includes("/") ? netns : `/run/netns/${netns}`;
}

function openHint(code: string, netns: NetnsLike): string | undefined {
  // It says nothing of the namespace: withHint() has a hint for it.
  if (code === "EMFILE" || code === "ENFILE") return undefined;
  if (code === "EACCES" || code === "EPERM") {
    return "looking into the namespace of that process takes its user's rights or CAP_SYS_PTRACE: run as root";
  }
  if (typeof netns === "number") return `is there a process ${netns}?`;
  return netns.includes("/")
    ? "give the path of a namespace, such as /proc/PID/ns/net"
    : `make it with \`sudo ip netns add ${netns}\`, or give a path or the id of a process`;
}

function explainEntering(error: unknown, netns: NetnsLike): unknown {
  const { code, syscall, hint } = error as Partial<TunTapError>;
  if (syscall !== "setns(CLONE_NEWNET)" || hint !== undefined) return error;
  return withDetails(error, {
    detail: String(netns),
    hint:
      code === "EINVAL"
        ? "that is no network namespace: give a name of `ip netns`, a path such as /proc/PID/ns/net, or the id of a process"
        : enteringHint,
  });
}
