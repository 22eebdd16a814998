import { type Pointer, ptr } from "bun:ffi";

/** Writes where the bytes of each view lie, as numbers that C reads as doubles. Views of one buffer come together. */
export class Addresses {
  readonly numbers: Float64Array;
  #buffer: ArrayBufferLike | undefined;
  #base = 0;

  constructor(capacity: number) {
    this.numbers = new Float64Array(capacity);
  }

  /** The views must stay in use until C has returned: a number keeps nothing alive. */
  fill(views: readonly Uint8Array[], from: number, count: number, lengths: Int32Array): void {
    const { numbers } = this;
    for (let i = 0; i < count; i++) {
      const view = views[from + i] as Uint8Array;
      const { buffer, length } = view;
      if (buffer !== this.#buffer) {
        this.#buffer = buffer;
        this.#base = buffer.byteLength === 0 ? 0 : (ptr(new Uint8Array(buffer)) as Pointer as number);
      }
      numbers[i] = this.#base + view.byteOffset;
      lengths[i] = length;
    }
    // Its memory may be freed, and its address be given to another one.
    this.#buffer = undefined;
  }
}
