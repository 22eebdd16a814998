import { IPV6_LENGTH, parseIPv6Address } from "./address-text.ts";
import { wrongType, wrongValue } from "./check.ts";

const WANTED = 'an IPv6 address such as "2001:db8::1", or 16 bytes';

/**
 * Reads an address into bytes of their own: a writer may be given a view of what it writes over,
 * as is told at `macToNumber`.
 */
export function ipv6ToBytes(name: string, address: string | Uint8Array): Uint8Array {
  if (typeof address === "string") {
    const bytes = parseIPv6Address(address);
    if (bytes === null) throw wrongValue(name, address, WANTED);
    return bytes;
  }
  if (!(address instanceof Uint8Array)) throw wrongType(name, address, WANTED);
  if (address.length !== IPV6_LENGTH) throw wrongValue(name, address, WANTED);
  return address.slice();
}
