import { DEFAULT_PATH } from "../device/options.ts";
import { systemError } from "../errors.ts";
import { tryOrUndefined } from "../rollback.ts";
import { O_NONBLOCK, O_RDWR } from "../sys/constants.ts";
import type { ProbedNode, ProbeTrial } from "./report.ts";
import { read } from "./system.ts";
import { trial } from "./trial.ts";

/** Looks at the clone device, without the shim, so that it works where that does not compile. */
export function probeNode(): ProbedNode {
  const opening = trial(tryOpen);
  return { path: DEFAULT_PATH, ...look(), driver: hasDriver(opening), opening };
}

/** Tells whether a device can be opened; a regular file in its place could be opened, too. */
export function isOpenable({ device, opening }: ProbedNode): boolean {
  return device !== null && opening.works === true;
}

function tryOpen(): void {
  const { closeSync, openSync } = process.getBuiltinModule("node:fs");
  try {
    closeSync(openSync(DEFAULT_PATH, O_RDWR | O_NONBLOCK));
  } catch (error) {
    const { errno } = error as { errno?: number };
    throw errno === undefined ? error : systemError(errno, "open");
  }
}

function look(): Pick<ProbedNode, "kind" | "mode" | "device"> {
  const { statSync } = process.getBuiltinModule("node:fs");
  const stats = tryOrUndefined(() => statSync(DEFAULT_PATH));
  if (stats === undefined) return { kind: null, mode: null, device: null };
  const isDevice = stats.isCharacterDevice();
  return {
    kind: isDevice ? "character device" : stats.isDirectory() ? "directory" : stats.isFile() ? "file" : "special file",
    mode: (stats.mode & 0o7777).toString(8).padStart(4, "0"),
    device: isDevice ? numbers(stats.rdev) : null,
  };
}

/**
 * The bits are those of include/linux/kdev_t.h new_decode_dev(); glibc and musl use the same ones as long as both
 * numbers are small.
 */
function numbers(rdev: number): string {
  return `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
}

/**
 * Tells whether the driver is there; null if that is not known. /proc/misc lists loaded drivers. The kernel may load
 * the module when the node is opened; only an error shows that it cannot.
 */
function hasDriver({ works, failure }: ProbeTrial): boolean | null {
  if (failure?.code === "ENODEV" || failure?.code === "ENXIO") return false;
  return works === true || /^\s*200\s+tun$/m.test(read("/proc/misc") ?? "") ? true : null;
}
