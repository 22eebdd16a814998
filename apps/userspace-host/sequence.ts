/** Sequence numbers are 32 bits wide and wrap around: RFC 9293 section 3.4. */

/** Returns the sequence number that is so many bytes ahead. */
export function advance(sequence: number, bytes: number): number {
  return (sequence + bytes) >>> 0;
}

/** Returns how many bytes `to` is ahead of `from`; negative if it is behind. */
export function distance(from: number, to: number): number {
  return (to - from) | 0;
}
