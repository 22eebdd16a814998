import { readUint16, writeUint16 } from "./bytes.ts";
import { wrongType, wrongValue } from "./check.ts";
import { formatIPv4, parseIPv4Address } from "./ipv4-address.ts";

/** Bytes of an IPv6 address. */
export const IPV6_LENGTH = 16;

const GROUPS = 8;
const WANTED = 'an IPv6 address such as "2001:db8::1", or 16 bytes';

/** The canonical text of RFC 5952. */
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
