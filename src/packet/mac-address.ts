import { MAC_LENGTH, parseMacAddress } from "./address-text.ts";
import { readUint16, readUint32, writeUint16, writeUint32 } from "./bytes.ts";
import { wrongType, wrongValue } from "./check.ts";

const WANTED = 'a MAC address such as "02:00:5e:00:53:01", or 6 bytes';

/**
 * Reads an address into one 48-bit number.
 *
 * The writers read all their addresses before they write the first, so that a reply may be
 * written over the very request its addresses are views of; a number does that without a copy.
 */
export function macToNumber(name: string, mac: string | Uint8Array): number {
  if (typeof mac === "string") {
    const value = parseMacAddress(mac);
    if (value < 0) throw wrongValue(name, mac, WANTED);
    return value;
  }
  if (!(mac instanceof Uint8Array)) throw wrongType(name, mac, WANTED);
  if (mac.length !== MAC_LENGTH) throw wrongValue(name, mac, WANTED);
  return readUint16(mac, 0) * 2 ** 32 + readUint32(mac, 2);
}

/** Writes a MAC address, given as a number of 48 bits, at `offset`. */
export function writeMac(target: Uint8Array, offset: number, mac: number): void {
  writeUint16(target, offset, Math.floor(mac / 2 ** 32));
  writeUint32(target, offset + 2, mac % 2 ** 32);
}
