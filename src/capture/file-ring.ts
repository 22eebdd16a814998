/** Files that take turns: when one is full the next is begun, and the oldest goes. */
export interface FileRing {
  /** The most files that there are, 1 to 99,999. */
  readonly count: number;
  /** Bytes in each at most, 4,096 and more; one that holds a single longer frame may be longer. */
  readonly maxBytes: number;
}

/** "dump.pcapng" is "dump-00001.pcapng" as the first of several. */
export function ringName(path: string, number: number): string {
  const digits = String(number).padStart(5, "0");
  const dot = path.lastIndexOf(".");
  return dot > path.lastIndexOf("/") + 1 ? `${path.slice(0, dot)}-${digits}${path.slice(dot)}` : `${path}-${digits}`;
}

/** Throws if a setting of the ring is wrong. */
export function checkRing(ring: FileRing): void {
  const { count, maxBytes } = Object(ring) as FileRing;
  const isCount = Number.isInteger(count) && count >= 1 && count <= 99_999;
  if (!isCount) throw new RangeError(`"files.count" is ${count}, wanted an integer from 1 to 99999`);
  if (Number.isInteger(maxBytes) && maxBytes >= 4096) return;
  throw new RangeError(`"files.maxBytes" is ${maxBytes}, wanted an integer of at least 4096`);
}
