/** Tells machines apart by the addresses that they connect from. */
import { isIPv6 } from "node:net";

/** IPv4 addresses as a socket of both families shows them (RFC 4291 section 2.5.5.2). */
const MAPPED_PREFIX = "::ffff:";
/** A machine has all of a /64 to itself, and may use any address of it (RFC 4291 section 2.5.4, RFC 8981). */
const HOST_GROUPS = 4;
const GROUPS = 8;

/** Returns what all addresses of one machine have in common: an IPv4 address, or the /64 of an IPv6 address. */
export function hostOf(address: string): string {
  const plain =
    address.startsWith(MAPPED_PREFIX) && address.includes(".") ? address.slice(MAPPED_PREFIX.length) : address;
  if (!isIPv6(plain)) return plain;
  const [head, tail = []] = plain.split("::").map((half) => half.split(":").filter(Boolean)) as [string[], string[]?];
  const zeros = Array.from({ length: GROUPS - head.length - tail.length }, () => "0");
  const groups = [...head, ...zeros, ...tail].slice(0, HOST_GROUPS);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}
