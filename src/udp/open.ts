import { withHint } from "../hints.ts";
import { lazy } from "../lazy.ts";
import { withRollback } from "../rollback.ts";
import { withUdpHint } from "./hints.ts";
import { checkUdpOptions } from "./options.ts";
import type { UdpOptions, UdpSocket } from "./types.ts";

/** Loads what moves datagrams, at the first open: it would be most of what importing this costs. */
const engine = (): typeof import("./bind.ts") => lazy(() => require("./bind.ts"));

/**
 * Opens a UDP socket. A call that fails leaves nothing behind.
 *
 * @throws {TunTapError} with `code`, `syscall` and a `hint`: `EADDRINUSE`, `EADDRNOTAVAIL` or `EACCES` (the address),
 * `ENODEV` (the interface), `EPERM` (mark and buffers), `ENETUNREACH` (the peer), `ERR_TUNTAP_NATIVE`
 * @throws {TypeError | RangeError} for wrong options
 * @example
 * ```ts
 * import { openUdp } from "bun-tuntap/udp";
 *
 * using echo = openUdp({
 *   port: 7,
 *   data: (socket, datagrams, from) => socket.sendMany(datagrams, from),
 * });
 * ```
 */
export function openUdp(options: UdpOptions = {}): UdpSocket {
  checkUdpOptions(options);
  options.signal?.throwIfAborted();
  return withRollback((undo) => {
    try {
      return engine().bind(options, undo);
    } catch (error) {
      throw withUdpHint(withHint(error));
    }
  });
}
