/** Cells of one size, cut from slabs. */
class Pool {
  readonly bytes: number;
  readonly #perSlab: number;
  readonly #slabs: Uint8Array[] = [];
  readonly #free: number[] = [];
  #used = 0;

  constructor(bytes: number, perSlab: number) {
    this.bytes = bytes;
    this.#perSlab = perSlab;
  }

  take(): number {
    if (this.#free.length === 0) this.#grow();
    this.#used++;
    return this.#free.pop() as number;
  }

  give(cell: number): void {
    this.#free.push(cell);
    if (--this.#used > 0 || this.#slabs.length < 2) return;
    // After a burst: one slab is kept for what comes next.
    this.#slabs.length = 0;
    this.#free.length = 0;
  }

  view(cell: number, length: number): Uint8Array {
    const offset = (cell % this.#perSlab) * this.bytes;
    return this.#slabOf(cell).subarray(offset, offset + length);
  }

  #slabOf(cell: number): Uint8Array {
    const number = Math.floor(cell / this.#perSlab);
    const slab = this.#slabs[number] as Uint8Array;
    if (slab.byteLength > 0) return slab;
    // An interceptor has transferred the buffer of a frame, and with it all frames of this slab.
    const next = new Uint8Array(this.bytes * this.#perSlab);
    this.#slabs[number] = next;
    return next;
  }

  #grow(): void {
    const first = this.#slabs.length * this.#perSlab;
    this.#slabs.push(new Uint8Array(this.bytes * this.#perSlab));
    for (let i = this.#perSlab - 1; i >= 0; i--) this.#free.push(first + i);
  }
}

/** Room for waiting frames: slabs of cells in three sizes, so that a frame costs no allocation. A cell is a number. */
export class Cells {
  readonly #pools: readonly Pool[] = [new Pool(256, 256), new Pool(2048, 256), new Pool(65_664, 16)];

  /** Copies a frame into a cell. */
  take(frame: Uint8Array): number {
    const pools = this.#pools;
    const kind = pools.findIndex(({ bytes }) => frame.length <= bytes);
    const pool = pools[kind];
    if (pool === undefined) throw new RangeError(`A frame of ${frame.length} bytes is longer than any there is`);
    const cell = pool.take();
    pool.view(cell, frame.length).set(frame);
    return cell * 3 + kind;
  }

  /** Returns the first `length` bytes of a cell. */
  view(cell: number, length: number): Uint8Array {
    return this.#poolOf(cell).view(Math.floor(cell / 3), length);
  }

  /** Takes a cell back. Its bytes may change from now on. */
  give(cell: number): void {
    this.#poolOf(cell).give(Math.floor(cell / 3));
  }

  #poolOf(cell: number): Pool {
    return this.#pools[cell % 3] as Pool;
  }
}
