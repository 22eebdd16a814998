/**
 * Loading on first use. Every module that is loaded costs some 0.2 ms, so those
 * that importing the library, or most programs, do without are loaded by
 * {@link lazy} where they are used. Each caller names its own: a table of them
 * here, below everything, would import every room above and close circles.
 * All there are (test/lazy.test.ts holds the list true):
 *
 * - by the first system call: sys/load.ts
 * - by the first open: device/device.ts, device/attachment.ts; udp/bind.ts
 * - by an open that fails: device/open-hints.ts
 * - by those who listen to changes: interface/monitor.ts, interface/change-queue.ts
 * - by observers: io/observers.ts
 * - by a close in a thread: io/closer.ts
 * - by single calls: interface/filters.ts, interface/rule-requests.ts, device/queue.ts, device/usable-address.ts,
 *   handover/passing.ts, probe/gather.ts
 */

import { systemError } from "./errors.ts";

const EMFILE = 24;

/**
 * Returns the module that `require` loads when it is first used.
 *
 * @throws {TunTapError} `EMFILE` where its file cannot be opened: Bun's own error for that is no system error
 */
export function lazy<T>(require: () => T): T {
  try {
    return require();
  } catch (cause) {
    if (/\bEMFILE\b/.test(String(cause))) throw systemError(-EMFILE, "open", { cause });
    throw cause;
  }
}
