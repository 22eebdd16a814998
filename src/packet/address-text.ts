/**
 * IP and MAC addresses between text and bytes, for everything in this library. Imports nothing,
 * so that those who need no packets can load this file alone.
 */

/** Bytes of an IPv4 address. */
export const IPV4_LENGTH = 4;
/** Bytes of an IPv6 address. */
export const IPV6_LENGTH = 16;
/** Bytes of a MAC address. */
export const MAC_LENGTH = 6;

const GROUPS = 8;
const MAC_TEXT_LENGTH = 17;

/** The text of each octet, made when the first MAC address is formatted: that takes as long as loading this module. */
let octets: readonly string[] | undefined;

/** Parses an address of either kind as `inet_pton(3)` does. Returns 4 or 16 bytes, null for anything else. */
export function parseIP(text: string): Uint8Array | null {
  if (text.includes(":")) return parseIPv6Address(text);
  const value = parseIPv4Address(text);
  return value < 0 ? null : Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Formats 4 or 16 bytes as dotted decimal or as the canonical text of RFC 5952. */
export function formatIP(bytes: Uint8Array): string {
  return bytes.length === IPV4_LENGTH ? formatIPv4(bytes, 0) : formatIPv6(bytes, 0);
}

/** Formats the address at `offset` as "192.0.2.1". */
export function formatIPv4(bytes: Uint8Array, offset: number): string {
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
}

/**
 * Parses four decimal octets as `inet_pton(3)` does. Returns -1 for anything else. A leading zero is
 * refused, because `inet_aton(3)` reads such an octet as octal (RFC 6943 section 3.1.1).
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

/** Formats the address at `offset` as the canonical text of RFC 5952. */
export function formatIPv6(bytes: Uint8Array, offset: number): string {
  // Section 5: the mixed form where the prefix is known to hold an IPv4 address.
  if (isMapped(bytes, offset)) return `::ffff:${formatIPv4(bytes, offset + 12)}`;
  const [start, length] = longestZeroRun(bytes, offset);
  let text = "";
  for (let group = 0; group < GROUPS; group++) {
    if (group === start) {
      text += "::";
      group += length - 1;
      continue;
    }
    if (text !== "" && !text.endsWith(":")) text += ":";
    text += readUint16(bytes, offset + 2 * group).toString(16);
  }
  return text;
}

/**
 * Parses an address as `inet_pton(3)` does: without zone and prefix length (RFC 4291 section 2.2). Returns null for
 * anything else.
 */
export function parseIPv6Address(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const whole = halves.length === 1;
  const head = parseGroups(halves[0] ?? "", whole);
  const tail = parseGroups(halves[1] ?? "", true);
  if (head === null || tail === null) return null;
  const missing = GROUPS - head.length - tail.length;
  // "::" stands for at least one group here, as in inet_pton.
  if (whole ? missing !== 0 : missing < 1) return null;
  const bytes = new Uint8Array(IPV6_LENGTH);
  for (const [i, group] of head.entries()) writeUint16(bytes, 2 * i, group);
  for (const [i, group] of tail.entries()) writeUint16(bytes, 2 * (head.length + missing + i), group);
  return bytes;
}

/** The 16-bit groups of one side of "::"; the last two may be an IPv4 address. */
function parseGroups(text: string, atEnd: boolean): number[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  const last = parts[parts.length - 1] ?? "";
  const dotted = atEnd && last.includes(".") ? parseIPv4Address(last) : -1;
  if (dotted >= 0) parts.pop();
  for (const part of parts) {
    if (!/^[0-9a-f]{1,4}$/i.test(part)) return null;
    groups.push(Number.parseInt(part, 16));
  }
  if (dotted >= 0) groups.push(Math.floor(dotted / 0x1_0000), dotted % 0x1_0000);
  return groups;
}

function isMapped(bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[offset + i] !== 0) return false;
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
}

/** The first of the longest runs of two or more zero groups (RFC 5952 section 4.2); `[-1, 1]` if there is none. */
function longestZeroRun(bytes: Uint8Array, offset: number): [start: number, length: number] {
  let best: [number, number] = [-1, 1];
  let length = 0;
  for (let group = 0; group < GROUPS; group++) {
    length = readUint16(bytes, offset + 2 * group) === 0 ? length + 1 : 0;
    if (length > best[1]) best = [group - length + 1, length];
  }
  return best;
}

function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

function writeUint16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
}

/** Formats the address at `offset` as "02:00:5e:00:53:01". */
export function formatMac(bytes: Uint8Array, offset: number): string {
  octets ??= Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));
  let text = octets[bytes[offset] as number] as string;
  for (let i = 1; i < MAC_LENGTH; i++) text += `:${octets[bytes[offset + i] as number]}`;
  return text;
}

/** Parses six pairs of hexadecimal digits with colons between them; -1 for anything else. */
export function parseMacAddress(text: string): number {
  if (text.length !== MAC_TEXT_LENGTH) return -1;
  let value = 0;
  for (let i = 0; i < MAC_TEXT_LENGTH; i++) {
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
