import { lazy } from "../lazy.ts";
import type { Native } from "./symbols.ts";

let loaded: Native | undefined;
let loadMs: number | undefined;

/**
 * The shim, compiled at the first call and kept for the life of this
 * JavaScript thread (each Worker compiles its own, with its own state).
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 */
export function native(): Native {
  // Loaded on first use: bun:ffi and the C text would be a third of what importing this library costs.
  loaded ??= timedLoad();
  return loaded;
}

/** Milliseconds that {@link native} took to compile and bind the shim in this JavaScript thread; undefined before it has. */
export function loadTimeMs(): number | undefined {
  return loadMs;
}

function timedLoad(): Native {
  const start = performance.now();
  const shim = lazy((): typeof import("./load.ts") => require("./load.ts")).load();
  loadMs = performance.now() - start;
  return shim;
}
