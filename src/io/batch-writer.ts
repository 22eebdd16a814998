/** Empties a batch into an fd. Each way to write is one of these, in a file of its own. */
export interface BatchWriter {
  /** Writes one frame alone. Returns the bytes written, or `-errno`. */
  write(fd: number, frame: Uint8Array, length: number): number;
  /**
   * Takes frames and writes them at once or together with later ones; their memory must stay until {@link flush}.
   * `offsets` count from the first byte of `base`, which is the first frame. Returns how many it took. If one was not
   * taken, its place in `lengths` has `-errno`, and `pending` frames before it were not written either. If `pending`
   * is 0, it is this frame that failed. `from` is the place of the first one in its batch.
   */
  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number, from: number): number;
  /** Writes what is pending, and returns 0; or `-errno`, and `pending` frames were not written. */
  flush(fd: number): number;
  readonly pending: number;
  /**
   * The number of frames that count as taken and that {@link resume} must write before any other, for writers that
   * change the order.
   */
  readonly kept?: number;
  /** Keeps copies of frames, of which these places are not written although later ones are. */
  keep?(given: readonly Uint8Array[], places: readonly number[]): void;
  /** Writes the kept frames. Returns 0, or `-EAGAIN` if some are left. */
  resume?(fd: number): number;
  /**
   * Returns the frames that count as taken and were refused for good, in order, for writers that go on after a
   * refusal.
   */
  takeRefusals?(): readonly Refusal[];
}

/** A frame that the kernel refused for good. */
export interface Refusal {
  /** Its place among the frames since the last {@link BatchWriter.flush}. */
  readonly place: number;
  readonly errno: number;
  readonly bytes: number;
}
