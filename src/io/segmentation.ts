import { TunTapError } from "../errors.ts";
import { EINVAL, TUN_F_CSUM, TUN_F_TSO_ECN, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6 } from "../sys/constants.ts";
import * as tun from "../sys/tun.ts";
import type { OffloadOptions } from "./types.ts";

/** Returns the offload that an `offload` option asks for. */
export function offloadOf(offload: true | OffloadOptions): Required<OffloadOptions> {
  const { raw = false, udp = !hasBrokenUdp() } = offload === true ? {} : offload;
  return { raw, udp };
}

/** Tells whether this is Linux 7.0, which damages the checksums of split UDP super-packets (tailscale/tailscale#19918). */
function hasBrokenUdp(): boolean {
  return /^7\.0\b/.test(process.getBuiltinModule("node:os").release());
}

/** Switches on the wanted offloads that this kernel has, on an fd that was attached with IFF_VNET_HDR. */
export function enableOffload(fd: number, { raw, udp }: Required<OffloadOptions>): Required<OffloadOptions> {
  const tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  // UDP needs Linux 6.2, and the driver takes both families only together.
  const both = udp && isTaken(fd, tcp | TUN_F_USO4 | TUN_F_USO6);
  if (!both) tun.setOffload(fd, tcp);
  return { raw, udp: both };
}

function isTaken(fd: number, bits: number): boolean {
  try {
    tun.setOffload(fd, bits);
    return true;
  } catch (error) {
    if (error instanceof TunTapError && error.errno === -EINVAL) return false;
    throw error;
  }
}
