import { readUint32 } from "./bytes.ts";
import { wrongType, wrongValue } from "./check.ts";

/** Bytes of an IPv4 address. */
export const IPV4_LENGTH = 4;

const WANTED = 'an IPv4 address such as "192.0.2.1", or 4 bytes';

/** Formats the address at `offset` as "192.0.2.1". */
export function formatIPv4(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/** Reads an address into one 32-bit number; why not into bytes is told at `macToNumber`. */
export function ipv4ToNumber(name: string, address: string | Uint8Array): number {
  if (typeof address === "string") {
    const value = parseIPv4Address(address);
    if (value < 0) throw wrongValue(name, address, WANTED);
    return value;
  }
  if (!(address instanceof Uint8Array)) throw wrongType(name, address, WANTED);
  if (address.length !== IPV4_LENGTH) throw wrongValue(name, address, WANTED);
  return readUint32(address, 0);
}

/**
 * Four decimal octets as `inet_pton(3)` takes them; -1 for anything else. A leading zero is
 * refused, for `inet_aton(3)` reads such an octet as octal (RFC 6943 section 3.1.1).
 */
export function parseIPv4Address(text: string): number {
  let value = 0;
  let octets = 0;
  let octet = -1;
  for (let i = 0; i <= text.length; i++) {
    const digit = i === text.length ? -1 : text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) {
      if (octet === 0) return -1;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return -1;
    } else {
      const separated = i === text.length || text[i] === ".";
      if (!separated || octet < 0) return -1;
      // Not a shift: that would make the upper half of the addresses negative.
      value = value * 256 + octet;
      octets++;
      octet = -1;
    }
  }
  return octets === IPV4_LENGTH ? value : -1;
}
