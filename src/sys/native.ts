import { lazy } from "../lazy.ts";
import type { Part } from "./source.ts";
import type { Native, OffloadNative, UdpNative } from "./symbols.ts";

let loaded: Native | undefined;
let offload: OffloadNative | undefined;
let udp: UdpNative | undefined;
let loadMs: number | undefined;

/**
 * The core of the shim, compiled at the first call and kept for the life of this
 * JavaScript thread (each Worker compiles its own, with its own state). The
 * other parts keep no state of the thread.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 */
export function native(): Native {
  return loaded ?? firstLoad(undefined).native;
}

/** The part that splits and merges super-packets, compiled at the first call. @throws {TunTapError} as {@link native} */
export function offloadNative(): OffloadNative {
  offload ??= loadPart(
    lazy((): typeof import("./offload-source.ts") => require("./offload-source.ts")),
  ) as OffloadNative;
  return offload;
}

/** The part that moves datagrams, compiled at the first call. @throws {TunTapError} as {@link native} */
export function udpNative(): UdpNative {
  udp ??= loadPart(lazy((): typeof import("./udp-source.ts") => require("./udp-source.ts"))) as UdpNative;
  return udp;
}

function loadPart({ part }: { part: Part }): unknown {
  return loaded === undefined ? firstLoad(part).part : loader().loadPart(part);
}

/** Milliseconds that {@link native} took to compile and bind the shim in this JavaScript thread; undefined before it has. */
export function loadTimeMs(): number | undefined {
  return loadMs;
}

function firstLoad(part: Part | undefined): { native: Native; part: unknown } {
  const start = performance.now();
  const first = loader().load(part);
  loadMs = performance.now() - start;
  loaded = first.native;
  return first;
}

/** Loads what compiles, on first use: bun:ffi and the C text would be a third of what importing this library costs. */
function loader(): typeof import("./load.ts") {
  return lazy((): typeof import("./load.ts") => require("./load.ts"));
}
