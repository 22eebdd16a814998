/** Abilities of the driver by the kernel's names: include/uapi/linux/if_tun.h. */

import {
  IFF_BACKPRESSURE,
  IFF_MULTI_QUEUE,
  IFF_NAPI,
  IFF_NAPI_FRAGS,
  IFF_NO_CARRIER,
  IFF_NO_PI,
  IFF_ONE_QUEUE,
  IFF_TAP,
  IFF_TUN,
  IFF_VNET_HDR,
  TUN_F_CSUM,
  TUN_F_TSO_ECN,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_UDP_TUNNEL_GSO,
  TUN_F_UDP_TUNNEL_GSO_CSUM,
  TUN_F_UFO,
  TUN_F_USO4,
  TUN_F_USO6,
} from "../sys/constants.ts";
import { native } from "../sys/native.ts";

const features = {
  IFF_TUN,
  IFF_TAP,
  IFF_NAPI,
  IFF_NAPI_FRAGS,
  IFF_NO_CARRIER,
  IFF_BACKPRESSURE,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_ONE_QUEUE,
  IFF_VNET_HDR,
} as const;

/** Lists the bits of TUNGETFEATURES by name; set bits without a name are numbers. */
export function namedFeatures(bits: number): Record<string, boolean> {
  const named = Object.entries(features).map(([name, bit]): [string, boolean] => [name, (bits & bit) !== 0]);
  const known = Object.values(features).reduce((all, bit) => all | bit, 0);
  const unknown = Array.from({ length: 32 }, (_, i) => (1 << i) >>> 0).filter((bit) => (bits & ~known & bit) !== 0);
  return Object.fromEntries([
    ...named,
    ...unknown.map((bit): [string, boolean] => [`0x${bit.toString(16).padStart(4, "0")}`, true]),
  ]);
}

/**
 * Each offload with those that it needs (drivers/net/tun.c set_offload()): all need CSUM, ECN needs TSO, the two of
 * USO need each other, and a tunnel needs an offload for the packets inside.
 */
const offloads = {
  TUN_F_CSUM,
  TUN_F_TSO4: TUN_F_CSUM | TUN_F_TSO4,
  TUN_F_TSO6: TUN_F_CSUM | TUN_F_TSO6,
  TUN_F_TSO_ECN: TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN,
  TUN_F_UFO: TUN_F_CSUM | TUN_F_UFO,
  TUN_F_USO4: TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6,
  TUN_F_USO6: TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6,
  TUN_F_UDP_TUNNEL_GSO: TUN_F_CSUM | TUN_F_TSO4 | TUN_F_UDP_TUNNEL_GSO,
  TUN_F_UDP_TUNNEL_GSO_CSUM: TUN_F_CSUM | TUN_F_TSO4 | TUN_F_UDP_TUNNEL_GSO | TUN_F_UDP_TUNNEL_GSO_CSUM,
} as const;

/** Tries one offload after the other with TUNSETOFFLOAD on an attached fd, and leaves it without any. */
export function tryOffloads(fd: number): Record<string, boolean> {
  const taken = Object.entries(offloads).map(([name, bits]): [string, boolean] => [
    name,
    native().tun_set_offload(fd, bits) >= 0,
  ]);
  native().tun_set_offload(fd, 0);
  return Object.fromEntries(taken);
}
