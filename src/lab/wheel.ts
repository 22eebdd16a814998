import { Cells } from "./cells.ts";

/** The destination of frames that are due. */
export interface Outlet {
  /** Takes frames, in order. They are valid until it returns. */
  deliver(frames: Uint8Array[]): void;
  /** Frames that wait for this outlet, and their bytes: kept by the wheel. */
  waiting: number;
  waitingBytes: number;
}

/** Microseconds of a slot. */
const TICK = 32;
/** Slots: 262 ms a turn. Frames that are due later stay in their slot for more turns. */
const SLOTS = 8192;
const MASK = SLOTS - 1;
/** Frames that are taken out before they are delivered. */
const BATCH = 2048;
const NONE = -1;

/**
 * The frames of all links that wait for their time. A frame is an entry, a row
 * of typed arrays, in the slot of its tick; the entries of a slot are in the
 * order of their times, and of those with the same time in the order in which
 * they came. Pure: its callers tell the time.
 */
export class Wheel {
  readonly #cells = new Cells();
  readonly #heads: Int32Array = new Int32Array(SLOTS).fill(NONE);
  readonly #tails: Int32Array = new Int32Array(SLOTS).fill(NONE);
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #times = new Float64Array(0);
  #ticks = new Float64Array(0);
  #cellOf = new Int32Array(0);
  #lengths = new Int32Array(0);
  #generations = new Int32Array(0);
  readonly #outlets: (Outlet | undefined)[] = [];
  /** The first free entry; the others follow by `#next`. */
  #free = NONE;
  #tick = 0;
  #size = 0;
  #isDraining = false;
  /** The time at which the first frame is due, or a little before; Infinity if there is none. */
  earliest: number = Number.POSITIVE_INFINITY;

  /** Frames that wait. */
  get size(): number {
    return this.#size;
  }

  /** Copies a frame, which goes to `outlet` at the time `at`. Returns a ticket for {@link move}. */
  put(outlet: Outlet, frame: Uint8Array, at: number): number {
    if (this.#free === NONE) this.#grow();
    const entry = this.#free;
    this.#free = this.#next[entry] as number;
    this.#cellOf[entry] = this.#cells.take(frame);
    this.#lengths[entry] = frame.length;
    this.#outlets[entry] = outlet;
    this.#size++;
    outlet.waiting++;
    outlet.waitingBytes += frame.length;
    this.#insert(entry, at);
    return (this.#generations[entry] as number) * 0x100_0000 + entry;
  }

  /** Changes the time of a frame, unless it has been delivered. */
  move(ticket: number, at: number): void {
    const entry = ticket % 0x100_0000;
    if ((this.#generations[entry] as number) !== Math.floor(ticket / 0x100_0000)) return;
    this.#remove(entry);
    this.#insert(entry, at);
  }

  /** The bytes of a waiting frame, to change them. */
  bytesOf(ticket: number): Uint8Array {
    const entry = ticket % 0x100_0000;
    return this.#cells.view(this.#cellOf[entry] as number, this.#lengths[entry] as number);
  }

  /** Delivers all that is due at `now`. */
  drain(now: number): void {
    const last = Math.floor(now / TICK);
    if (this.#size === 0) this.#tick = Math.max(this.#tick, last);
    if (now < this.earliest || this.#isDraining) return;
    this.#isDraining = true;
    let due: number[] = [];
    while (this.#size > 0) {
      for (let entry = this.#dueIn(now); entry !== NONE; entry = this.#dueIn(now)) {
        this.#take(entry);
        due.push(entry);
        if (due.length < BATCH) continue;
        this.#deliver(due);
        due = [];
      }
      if (this.#tick >= last) break;
      this.#tick++;
    }
    this.earliest = this.#findEarliest();
    if (due.length > 0) this.#deliver(due);
    this.#isDraining = false;
  }

  /** Forgets all that waits for an outlet. */
  drop(outlet: Outlet): void {
    for (const [entry, other] of this.#outlets.entries()) {
      if (other !== outlet || this.#ticks[entry] === NONE) continue;
      this.#take(entry);
      this.#release(entry);
    }
  }

  /** The first entry of the slot, if it is of this turn and due. */
  #dueIn(now: number): number {
    const entry = this.#heads[this.#tick & MASK] as number;
    if (entry === NONE || (this.#ticks[entry] as number) > this.#tick) return NONE;
    return (this.#times[entry] as number) <= now ? entry : NONE;
  }

  #deliver(due: readonly number[]): void {
    const batches = new Map<Outlet, Uint8Array[]>();
    for (const entry of due) {
      const outlet = this.#outlets[entry] as Outlet;
      const frame = this.#cells.view(this.#cellOf[entry] as number, this.#lengths[entry] as number);
      const batch = batches.get(outlet);
      if (batch === undefined) batches.set(outlet, [frame]);
      else batch.push(frame);
    }
    for (const [outlet, frames] of batches) {
      try {
        outlet.deliver(frames);
      } catch (error) {
        reportError(error);
      }
    }
    for (const entry of due) this.#release(entry);
  }

  #insert(entry: number, at: number): void {
    // A frame that is due already goes into the slot that is looked at next.
    const tick = Math.max(Math.floor(at / TICK), this.#tick);
    const slot = tick & MASK;
    this.#times[entry] = at;
    this.#ticks[entry] = tick;
    let before = this.#tails[slot] as number;
    while (before !== NONE && (this.#times[before] as number) > at) before = this.#previous[before] as number;
    const after = before === NONE ? (this.#heads[slot] as number) : (this.#next[before] as number);
    this.#previous[entry] = before;
    this.#next[entry] = after;
    if (before === NONE) this.#heads[slot] = entry;
    else this.#next[before] = entry;
    if (after === NONE) this.#tails[slot] = entry;
    else this.#previous[after] = entry;
    if (at < this.earliest) this.earliest = at;
  }

  #remove(entry: number): void {
    const slot = (this.#ticks[entry] as number) % SLOTS;
    const [before, after] = [this.#previous[entry] as number, this.#next[entry] as number];
    if (before === NONE) this.#heads[slot] = after;
    else this.#next[before] = after;
    if (after === NONE) this.#tails[slot] = before;
    else this.#previous[after] = before;
  }

  /** Takes a frame out of its slot for good: its ticket is worth nothing any more. */
  #take(entry: number): void {
    this.#remove(entry);
    this.#ticks[entry] = NONE;
    this.#generations[entry] = ((this.#generations[entry] as number) + 1) & 0xff_ffff;
    this.#size--;
  }

  #release(entry: number): void {
    const outlet = this.#outlets[entry] as Outlet;
    outlet.waiting--;
    outlet.waitingBytes -= this.#lengths[entry] as number;
    this.#outlets[entry] = undefined;
    this.#cells.give(this.#cellOf[entry] as number);
    this.#next[entry] = this.#free;
    this.#free = entry;
  }

  #findEarliest(): number {
    if (this.#size === 0) return Number.POSITIVE_INFINITY;
    let earliest = Number.POSITIVE_INFINITY;
    for (let tick = this.#tick; tick < this.#tick + SLOTS; tick++) {
      const head = this.#heads[tick & MASK] as number;
      if (head === NONE) continue;
      const at = this.#times[head] as number;
      if ((this.#ticks[head] as number) <= tick) return at;
      earliest = Math.min(earliest, at);
    }
    return earliest;
  }

  #grow(): void {
    const before = this.#next.length;
    const size = Math.max(64, before * 2);
    this.#next = grown(this.#next, new Int32Array(size));
    this.#previous = grown(this.#previous, new Int32Array(size));
    this.#times = grown(this.#times, new Float64Array(size));
    this.#ticks = grown(this.#ticks, new Float64Array(size));
    this.#cellOf = grown(this.#cellOf, new Int32Array(size));
    this.#lengths = grown(this.#lengths, new Int32Array(size));
    this.#generations = grown(this.#generations, new Int32Array(size));
    for (let entry = size - 1; entry >= before; entry--) {
      this.#next[entry] = this.#free;
      this.#free = entry;
    }
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
