/** TAI64N labels: 8 bytes of seconds since 1970 TAI plus 2^62, 4 bytes of nanoseconds, big endian (cr.yp.to/libtai/tai64.html). */

/** Bytes of a label. */
export const TIMESTAMP_BYTES = 12;

/**
 * Returns the label of a time in milliseconds since 1970. As in other implementations the ten seconds between TAI and
 * UTC of 1970 are added and no leap seconds; the label only has to grow. Nanoseconds are cut to about 16 ms, so that
 * the exact clock of this host is not told.
 */
export function timestamp(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(TIMESTAMP_BYTES);
  const view = new DataView(bytes.buffer);
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.floor((milliseconds - seconds * 1000) * 1e6);
  view.setBigUint64(0, 2n ** 62n + 10n + BigInt(seconds));
  view.setUint32(8, nanoseconds & ~0xff_ffff);
  return bytes;
}

/** Tells whether label `a` is later than label `b`. */
export function isLater(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < TIMESTAMP_BYTES; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
