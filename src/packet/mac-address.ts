import { readUint16, readUint32, writeUint16, writeUint32 } from "./bytes.ts";
import { wrongType, wrongValue } from "./check.ts";

/** Bytes of a MAC address. */
export const MAC_LENGTH = 6;

const TEXT_LENGTH = 17;
const WANTED = 'a MAC address such as "02:00:5e:00:53:01", or 6 bytes';
const HEX: readonly string[] = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));

/** Formats the address at `offset` as "02:00:5e:00:53:01". */
export function formatMac(bytes: Uint8Array, offset: number): string {
  let text = HEX[bytes[offset] as number] as string;
  for (let i = 1; i < MAC_LENGTH; i++) text += `:${HEX[bytes[offset + i] as number]}`;
  return text;
}

/**
 * Reads an address into one 48-bit number.
 *
 * The writers read all their addresses before they write the first, so that a reply may be
 * written over the very request its addresses are views of; a number does that without a copy.
 */
export function macToNumber(name: string, mac: string | Uint8Array): number {
  if (typeof mac === "string") {
    const value = parseMac(mac);
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

/** Six pairs of hexadecimal digits with colons between them; -1 for anything else. */
function parseMac(text: string): number {
  if (text.length !== TEXT_LENGTH) return -1;
  let value = 0;
  for (let i = 0; i < TEXT_LENGTH; i++) {
    const code = text.charCodeAt(i);
    if (i % 3 === 2) {
      if (code !== 0x3a) return -1;
      continue;
    }
    const digit = hexDigit(code);
    if (digit < 0) return -1;
    // Not a shift: that would stop at 32 bits.
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}
