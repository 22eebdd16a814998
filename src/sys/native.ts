import { lazy } from "../lazy.ts";
import type { Native, OffloadNative, UdpNative } from "./symbols.ts";

let loaded: Native | undefined;
let offload: OffloadNative | undefined;
let udp: UdpNative | undefined;
let loadMs: number | undefined;

/**
 * The core of the shim, compiled at the first call and kept for the life of this
 * JavaScript thread (each Worker compiles its own, with its own state). The
 * other parts are compiled by themselves when they are first asked for, and
 * keep no state of the thread.
 *
 * @throws {TunTapError} `ERR_TUNTAP_UNSUPPORTED`, `ERR_TUNTAP_NATIVE`
 */
export function native(): Native {
  loaded ??= timedLoad();
  return loaded;
}

/** The part that splits and merges super-packets. @throws {TunTapError} as {@link native} */
export function offloadNative(): OffloadNative {
  offload ??= loader().loadPart(
    lazy((): typeof import("./offload-source.ts") => require("./offload-source.ts")).source,
    "tuntap_offload",
  ) as OffloadNative;
  return offload;
}

/** The part that moves datagrams. @throws {TunTapError} as {@link native} */
export function udpNative(): UdpNative {
  udp ??= loader().loadPart(
    lazy((): typeof import("./udp-source.ts") => require("./udp-source.ts")).source,
    "tuntap_udp",
  ) as UdpNative;
  return udp;
}

/** Milliseconds that {@link native} took to compile and bind the shim in this JavaScript thread; undefined before it has. */
export function loadTimeMs(): number | undefined {
  return loadMs;
}

function timedLoad(): Native {
  const start = performance.now();
  const shim = loader().load();
  loadMs = performance.now() - start;
  return shim;
}

/** Loaded on first use: bun:ffi and the C text would be a third of what importing this library costs. */
function loader(): typeof import("./load.ts") {
  return lazy((): typeof import("./load.ts") => require("./load.ts"));
}
