// Network byte order (big-endian) access. The callers have checked the bounds, which is
// why the casts below are true. Shifts rather than a DataView, which would be one more
// object for every message.

/** Reads 16 bits, big-endian. */
export function readUint16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] as number) << 8) | (bytes[offset + 1] as number);
}

/** Reads 32 bits, big-endian. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  // A shift alone would make the upper half of the addresses negative.
  return ((readUint16(bytes, offset) << 16) | readUint16(bytes, offset + 2)) >>> 0;
}

/** Writes 16 bits, big-endian. */
export function writeUint16(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
}

/** Writes 32 bits, big-endian. */
export function writeUint32(target: Uint8Array, offset: number, value: number): void {
  writeUint16(target, offset, value >>> 16);
  writeUint16(target, offset + 2, value);
}
