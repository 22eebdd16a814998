import { withHint } from "../hints.ts";
import { lazy } from "../lazy.ts";
import type { ProbeReport } from "./report.ts";

/**
 * Finds out what this machine, kernel and user can do, and what to do about what is missing. `bunx bun-tuntap doctor`
 * prints it.
 *
 * Tries instead of guessing: makes a TUN and a TAP, in a network namespace of their own if one can be made, else in
 * this one, where they stay down. Leaves no fd, interface or namespace behind. On a platform other than Linux the
 * report says so. Blocks for some 15 ms, most of it for the first compilation of the shim; for 80 ms if no namespace
 * can be made, because the kernel needs that long to remove an interface.
 *
 * @throws {TunTapError} `EMFILE` if no fd is left to look with; nothing else
 * @example
 * ```ts
 * import { probe } from "bun-tuntap";
 *
 * const { ok, checks } = probe();
 * if (!ok) for (const { title, cure } of checks) if (cure) console.error(`${title}: ${cure}`);
 * ```
 */
export function probe(): ProbeReport {
  // Loaded on first use: few programs ask, and it would be a third of what importing this library costs.
  try {
    return lazy((): typeof import("./gather.ts") => require("./gather.ts")).report();
  } catch (error) {
    throw withHint(error);
  }
}
