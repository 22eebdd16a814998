import { requireBytes, requireInteger } from "./check.ts";

/**
 * The internet checksum of RFC 1071, as the value to store in a big-endian checksum field.
 *
 * To compute one, the checksum field must hold zero, or not be among `bytes`. To verify one,
 * leave it in place: the result is 0 if, and only if, the checksum is right.
 *
 * `bytes` may have any length and alignment; an odd last byte counts as if a zero followed it.
 *
 * @param initial What to add before `bytes`: a sum of 16-bit big-endian words, such as a pseudo
 *   header's, with its carries or without them. To go on from an earlier, even piece of the same
 *   message: `checksum(second, ~checksum(first) & 0xffff)`.
 * @returns 0 to 65535.
 * @throws {TypeError} If `bytes` is not a `Uint8Array` or `initial` is not a number.
 * @throws {RangeError} If `initial` is not an integer from 0 to 2^32 - 1.
 */
export function checksum(bytes: Uint8Array, initial = 0): number {
  requireBytes("bytes", bytes);
  requireInteger("initial", initial, 0, 0xffff_ffff);
  return checksumOfRange(bytes, 0, bytes.length, initial);
}

/** {@link checksum} of `bytes[start]` up to, not including, `bytes[end]`. */
export function checksumOfRange(bytes: Uint8Array, start: number, end: number, initial = 0): number {
  // The two octets of every word are summed apart, which spares a shift and an OR for each;
  // on Bun 1.4.5 this is faster than forming words, and a DataView takes four times as long.
  let high = 0;
  let low = 0;
  let i = start;
  for (const last = end - 8; i <= last; i += 8) {
    high += (bytes[i] as number) + (bytes[i + 2] as number) + (bytes[i + 4] as number) + (bytes[i + 6] as number);
    low += (bytes[i + 1] as number) + (bytes[i + 3] as number) + (bytes[i + 5] as number) + (bytes[i + 7] as number);
  }
  for (; i + 1 < end; i += 2) {
    high += bytes[i] as number;
    low += bytes[i + 1] as number;
  }
  if (i < end) high += bytes[i] as number;

  // Neither `>>` nor `&`: the sum of a very long input has more than 32 bits.
  let sum = high * 0x100 + low + initial;
  while (sum > 0xffff) sum = (sum % 0x1_0000) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}
