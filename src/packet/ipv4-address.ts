import { IPV4_LENGTH, parseIPv4Address } from "./address-text.ts";
import { readUint32 } from "./bytes.ts";
import { wrongType, wrongValue } from "./check.ts";

const WANTED = 'an IPv4 address such as "192.0.2.1", or 4 bytes';

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
