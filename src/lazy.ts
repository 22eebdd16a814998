/**
 * Loads modules on first use. Each module costs some 0.2 ms, so {@link lazy}
 * loads those that most programs do not need. Each caller requires its own
 * module: a table here, below everything, would import every folder above and
 * close circles. The modules (test/lazy.test.ts holds the list true):
 *
 * - by the first system call: sys/load.ts
 * - by the first open: device/device.ts, device/attachment.ts; udp/bind.ts
 * - by an open that fails: device/open-hints.ts
 * - by the first device with offload: io/segmentation.ts, io/split-reader.ts, io/merge-writer.ts, sys/offload-source.ts
 * - by the first UDP socket: sys/udp-source.ts
 * - by addresses and routes: interface/addresses.ts, interface/routes.ts, netlink/address.ts, netlink/route.ts
 * - by listening to changes: netlink/notifications.ts, interface/monitor.ts, interface/change-queue.ts
 * - by observers: io/observers.ts
 * - by a close in a thread: io/closer.ts
 * - by a MAC address, and by what tells all about an interface: interface/mac.ts, interface/info.ts
 * - by single calls: interface/look.ts, interface/route-socket.ts, interface/filters.ts, interface/rule-requests.ts,
 *   io/iterate.ts, device/queue.ts, device/streams.ts, device/summary.ts, device/usable-address.ts, handover/passing.ts, relay/joined.ts, probe/gather.ts
 */

import { systemError, TunTapError } from "./errors.ts";
import { withHint } from "./hints.ts";

const EMFILE = 24;

/**
 * Returns the module that `require` loads when it is first used.
 *
 * @throws {TunTapError} `EMFILE` where its file cannot be opened: Bun's own error for that is no system error.
 * `ERR_TUNTAP_UNSUPPORTED` in Node, Deno and browsers, where this library can be imported and only its parts for packets
 * and captures work.
 */
export function lazy<T>(require: () => T): T {
  assertBun();
  try {
    return require();
  } catch (cause) {
    if (isForWantOfFd(cause)) throw withHint(systemError(-EMFILE, "open", { cause }));
    throw cause;
  }
}

/** Tells whether a module could not be loaded because no fd was left. Bun takes a folder that it cannot read for an empty one. */
function isForWantOfFd(cause: unknown): boolean {
  if (/\bEMFILE\b/.test(String(cause))) return true;
  if ((cause as { code?: unknown } | undefined)?.code !== "MODULE_NOT_FOUND") return false;
  const { closeSync, openSync } = process.getBuiltinModule("node:fs");
  try {
    closeSync(openSync("/", "r"));
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === "EMFILE";
  }
}

function assertBun(): void {
  if ("Bun" in globalThis) return;
  // Node has had a navigator since version 21.
  const runtime = typeof navigator === "undefined" ? `Node.js ${process.version}` : navigator.userAgent;
  throw new TunTapError("ERR_TUNTAP_UNSUPPORTED", `TUN/TAP interfaces need Bun, and this is ${runtime}`, {
    hint: "run the program with Bun: here only `bun-tuntap/packet` and `bun-tuntap/capture` work",
  });
}
