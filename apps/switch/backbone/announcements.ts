/** MAC addresses of a hub's clients, as it tells the others: what has changed, or all of them. */

const MAC_LENGTH = 6;
const VERSION_LENGTH = 4;
const CHANGES_HEAD = VERSION_LENGTH + 2;
const TABLE_HEAD = VERSION_LENGTH + 1;
const FIRST = 1;
const LAST = 2;
/** Addresses in one message: 48 KB. */
const MACS_MAX = 8192;

/** Addresses that have come and gone. */
export interface Changes {
  /** Number of the announcement: one more than that of the one before. */
  readonly version: number;
  readonly come: readonly number[];
  readonly gone: readonly number[];
}

/** A part of all addresses. */
export interface TablePart {
  /** Number of the announcement that the table is as of. */
  readonly version: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly macs: readonly number[];
}

/** Formats changes, in as many bodies as they need. `version` is that of the announcement before the first. */
export function* formatChanges(version: number, come: readonly number[], gone: readonly number[]): Generator<Buffer> {
  for (let at = 0; at < Math.max(come.length, gone.length); at += MACS_MAX / 2) {
    const [some, others] = [come, gone].map((macs) => macs.slice(at, at + MACS_MAX / 2)) as [number[], number[]];
    const body = Buffer.alloc(CHANGES_HEAD + (some.length + others.length) * MAC_LENGTH);
    version = (version + 1) >>> 0;
    body.writeUInt32BE(version, 0);
    body.writeUInt16BE(some.length, VERSION_LENGTH);
    writeMacs(body, CHANGES_HEAD, [...some, ...others]);
    yield body;
  }
}

/** Reads what {@link formatChanges} formats; null if it is not that. */
export function parseChanges(body: Buffer): Changes | null {
  const macs = readMacs(body, CHANGES_HEAD);
  if (macs === null) return null;
  const count = body.readUInt16BE(VERSION_LENGTH);
  if (count > macs.length) return null;
  return { version: body.readUInt32BE(0), come: macs.slice(0, count), gone: macs.slice(count) };
}

/** Formats all addresses, in as many bodies as they need: at least one. */
export function* formatTable(version: number, macs: readonly number[]): Generator<Buffer> {
  for (let at = 0; at === 0 || at < macs.length; at += MACS_MAX) {
    const part = macs.slice(at, at + MACS_MAX);
    const body = Buffer.alloc(TABLE_HEAD + part.length * MAC_LENGTH);
    body.writeUInt32BE(version, 0);
    body[VERSION_LENGTH] = (at === 0 ? FIRST : 0) | (at + MACS_MAX >= macs.length ? LAST : 0);
    writeMacs(body, TABLE_HEAD, part);
    yield body;
  }
}

/** Reads what {@link formatTable} formats; null if it is not that. */
export function parseTable(body: Buffer): TablePart | null {
  const macs = readMacs(body, TABLE_HEAD);
  if (macs === null) return null;
  const flags = body[VERSION_LENGTH] as number;
  return {
    version: body.readUInt32BE(0),
    isFirst: (flags & FIRST) !== 0,
    isLast: (flags & LAST) !== 0,
    macs,
  };
}

/** Formats addresses alone. */
export function formatMacs(macs: readonly number[]): Buffer {
  const body = Buffer.alloc(macs.length * MAC_LENGTH);
  writeMacs(body, 0, macs);
  return body;
}

/** Reads what {@link formatMacs} formats; null if it is not that. */
export function parseMacs(body: Buffer): number[] | null {
  return readMacs(body, 0);
}

function writeMacs(body: Buffer, at: number, macs: readonly number[]): void {
  macs.forEach((mac, i) => {
    body.writeUIntBE(mac, at + i * MAC_LENGTH, MAC_LENGTH);
  });
}

/** Reads addresses up to the end of a body; null if it ends in the middle of one, or one is no station's. */
function readMacs(body: Buffer, start: number): number[] | null {
  const length = body.length - start;
  if (length < 0 || length % MAC_LENGTH !== 0 || length / MAC_LENGTH > MACS_MAX) return null;
  const macs: number[] = [];
  for (let at = start; at < body.length; at += MAC_LENGTH) {
    const mac = body.readUIntBE(at, MAC_LENGTH);
    // A group, or none at all: see LearningSwitch.
    if (((body[at] as number) & 1) === 1 || mac === 0) return null;
    macs.push(mac);
  }
  return macs;
}
