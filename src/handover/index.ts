/** Hands a device over from one process to another: its fd travels over a Unix socket (unix(7), SCM_RIGHTS). */

import type { AdoptOptions } from "../device/option-types.ts";
import type { Device, Tap, Tun } from "../device/types.ts";
import { lazy } from "../lazy.ts";
import type { HandOverOptions, Peer } from "./types.ts";

/**
 * Gives a device to the first process that connects to a Unix socket and is allowed to have it, then closes it here.
 * The interface stays all the time, with its addresses and routes and the frames that wait in the kernel. Frames that
 * this process has read do not move on, so receive nothing from a device that is to be handed over.
 *
 * A process that may not have it is disconnected, and one that goes away without having received it, or does not
 * receive it in `peerTimeoutMs`, does not count: the waiting goes on, and keeps the process alive. Processes are
 * served side by side, but the fd is on its way to one of them at a time.
 *
 * The other end receives one byte, and the fd with it, so it may be any program. An fd that was adopted with
 * `closeFd: false` stays open.
 *
 * @returns who has the device now
 * @throws {TunTapError} `EADDRINUSE` if there is something at that path, `ENOENT`, `EACCES`; `ERR_TUNTAP_CLOSED` if
 * the device is closed meanwhile. After every other failure it is open as before.
 * @throws `signal.reason`. Once the fd is on its way, it cannot be called back: the signal then ends no more than the
 * wait for its arrival, and the device is closed; so does what `allow` throws meanwhile.
 * @throws what `allow` throws
 * @example
 * ```ts
 * import { handOver, openTun } from "bun-tuntap";
 *
 * const tun = openTun({ addresses: ["192.0.2.1/24"] });
 * await handOver(tun, { path: "/run/vpn/tun.sock", mode: 0o666, allow: ({ uid }) => uid === 65534 });
 * ```
 */
export async function handOver(device: Device, options: HandOverOptions): Promise<Peer> {
  return passing().handOver(device, options);
}

/**
 * Connects to the Unix socket `path`, receives the fd of a TUN or TAP interface from {@link handOver} or another
 * program, and makes a device of it, as `adopt` does. Takes no privilege.
 *
 * @param path At most 107 bytes, or `"@"` and an abstract name.
 * @param options The options of `adopt`. The signal ends the waiting, too.
 * @throws {TunTapError} `ENOENT` or `ECONNREFUSED` if nobody listens there, `EACCES`; `ERR_TUNTAP_HANDOVER` if not
 * exactly one fd comes; and as `adopt`. The fd is closed if it cannot be adopted, and the interface goes with it
 * unless it is persistent.
 * @throws `signal.reason`
 * @example
 * ```ts
 * import { takeOver } from "bun-tuntap";
 *
 * using device = await takeOver("/run/vpn/tun.sock");
 * for await (const packet of device) console.log(device.name, packet.length);
 * ```
 */
export async function takeOver(path: string, options: AdoptOptions<Tun | Tap> = {}): Promise<Tun | Tap> {
  return passing().takeOver(path, options);
}

// Loaded on first use: few programs hand anything over.
const passing = (): typeof import("./passing.ts") => lazy(() => require("./passing.ts"));
