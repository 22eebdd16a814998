import { lazy } from "../lazy.ts";
import type { Relay, RelayEnd, RelayOptions } from "./types.ts";

/**
 * Joins two devices, or a device and a UDP peer: what one receives, the other
 * sends, both ways, in batches. An end that is down refuses frames, which it
 * counts, and takes them again once it is up. The relay ends when either end
 * closes; it closes neither.
 *
 * @param a A device, a connected UDP socket, or `{ socket, peer }`.
 * @param b The other end.
 * @throws {TunTapError} `ERR_TUNTAP_BUSY` if somebody receives from one of them, `ERR_TUNTAP_CLOSED`
 * @throws {TypeError} for what cannot be joined, such as a TUN and a TAP without `forward` and `back`
 * @example
 * ```ts
 * import { openTun, relay } from "bun-tuntap";
 * import { openUdp } from "bun-tuntap/udp";
 *
 * using tun = openTun({ addresses: ["10.0.0.1/24"], mtu: 1420, offload: true, reuseBuffers: true });
 * using udp = openUdp({ port: 4789, peer: { address: "192.0.2.2", port: 4789 }, reuseBuffers: true });
 * using tunnel = relay(tun, udp);
 * await tunnel.finished;
 * ```
 */
export function relay(a: RelayEnd, b: RelayEnd, options: RelayOptions = {}): Relay {
  return joined().join(a, b, options);
}

// Loaded on first use: it brings most of what moves frames, which importing this library does not need.
const joined = (): typeof import("./joined.ts") => lazy(() => require("./joined.ts"));
