/** IP addresses and prefixes as text. */
import { formatIP, parseIP } from "../../../src/packet/address-text.ts";
import type { AllowedIp } from "./protocol/allowed-ips.ts";

/** Returns 4 or 16 bytes, or null if the text is no address. A zone ("fe80::1%eth0") is left out. */
export function parseIPAddress(text: string): Uint8Array | null {
  return parseIP(text.split("%", 1)[0] as string);
}

/** Reads "192.0.2.0/24"; without a length all bits count. Returns null if the text is no prefix. */
export function parsePrefix(text: string): AllowedIp | null {
  const [address = "", length, ...more] = text.split("/");
  const bytes = parseIP(address);
  if (bytes === null || more.length > 0) return null;
  if (length === undefined) return { address: bytes, length: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > bytes.length * 8) return null;
  return { address: bytes, length: Number(length) };
}

/** Formats a prefix as "198.51.100.0/24". */
export function prefixText({ address, length }: AllowedIp): string {
  return `${formatIP(address)}/${length}`;
}

/** Tells whether every address of `inner` has the prefix `outer`. */
export function covers(outer: AllowedIp, inner: AllowedIp): boolean {
  if (outer.address.length !== inner.address.length || outer.length > inner.length) return false;
  for (let bit = 0; bit < outer.length; bit++) {
    const difference = (outer.address[bit >> 3] as number) ^ (inner.address[bit >> 3] as number);
    if (((difference >> (7 - (bit & 7))) & 1) !== 0) return false;
  }
  return true;
}
