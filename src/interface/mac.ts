/** MAC addresses of an interface, between text and bytes. Loaded on first use: a TUN has none. */

import { wrong } from "../checks.ts";
import { parseMacAddress } from "../packet/address-text.ts";
import { ETH_ALEN } from "../sys/constants.ts";

export { formatMac } from "../packet/address-text.ts";

/** Reads six octets from "02:00:5e:00:53:01". @throws {TypeError | RangeError} */
export function parseMac(text: string): Uint8Array {
  if (typeof text !== "string") throw wrong("mac", 'text such as "02:00:5e:00:53:01"', text);
  const value = parseMacAddress(text);
  if (value < 0) throw new RangeError(`Option "mac" must be six octets such as "02:00:5e:00:53:01", got "${text}"`);
  return Uint8Array.from({ length: ETH_ALEN }, (_, i) => Math.floor(value / 2 ** (8 * (ETH_ALEN - 1 - i))));
}
