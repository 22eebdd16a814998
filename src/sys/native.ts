import type { Native } from "./symbols";

let loaded: Native | undefined;

/**
 * The shim, compiled at the first call and kept for the life of this
 * JavaScript thread (each Worker compiles its own, with its own state).
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 */
export function native(): Native {
  // Not imported at the top: bun:ffi and the C text would be a third of what importing this library costs.
  loaded ??= (require("./load") as typeof import("./load")).load();
  return loaded;
}
