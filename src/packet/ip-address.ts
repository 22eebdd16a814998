import { IPV4_LENGTH, IPV6_LENGTH, parseIP } from "./address-text.ts";
import { wrongType, wrongValue } from "./check.ts";

const WANTED = 'an address such as "192.0.2.1" or "2001:db8::1", or 4 or 16 bytes';

/** Reads an address of either kind into 4 or 16 bytes of their own, but gives those of the caller as they are. */
export function ipToBytes(name: string, address: string | Uint8Array): Uint8Array {
  if (typeof address === "string") {
    const bytes = parseIP(address);
    if (bytes === null) throw wrongValue(name, address, WANTED);
    return bytes;
  }
  if (!(address instanceof Uint8Array)) throw wrongType(name, address, WANTED);
  if (address.length !== IPV4_LENGTH && address.length !== IPV6_LENGTH) throw wrongValue(name, address, WANTED);
  return address;
}
