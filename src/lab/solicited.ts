import { parseIP } from "../packet/address-text.ts";
import { withoutLength } from "./addresses.ts";
import type { HostEnd } from "./link.ts";

const { readFileSync } = process.getBuiltinModule("node:fs");

/** Milliseconds for which an address is waited for. */
const WAIT_MS_MAX = 200;

/**
 * Waits until the interfaces answer neighbour solicitations. The kernel joins
 * the solicited-node group of an address in a workqueue, also without
 * duplicate address detection (net/ipv6/addrconf.c addrconf_dad_begin()): a
 * solicitation that comes before is lost, and the next one comes a second later.
 */
export function waitUntilSolicited(ends: readonly HostEnd[]): void {
  const deadline = performance.now() + WAIT_MS_MAX;
  for (const { host, nic } of ends) {
    if (!host.hasIPv6) continue;
    const group = solicitedNode(nic.address6);
    while (!host.enter(groups).includes(group) && performance.now() < deadline) Bun.sleepSync(0.2);
  }
}

function groups(): string {
  return readFileSync("/proc/thread-self/net/igmp6", "latin1");
}

/**
 * Returns the solicited-node address (RFC 4291 section 2.7.1), which is ff02::1:ff00:0 with the last 24 bits of
 * `address`, in 32 hexadecimal digits without colons, as in /proc/net/igmp6.
 */
function solicitedNode(address: string): string {
  const bytes = parseIP(withoutLength(address)) as Uint8Array;
  return `ff0200000000000000000001ff${bytes.subarray(13).toHex()}`;
}
