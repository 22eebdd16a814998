/** Bytes that are not acknowledged yet, so that they can be sent again; and those that wait to be sent. */
export class SendBuffer {
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(capacityBytes: number) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.#bytes.length - this.#length;
  }

  append(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
  }

  /** Valid until the next `drop`. */
  view(start: number, length: number): Uint8Array {
    return this.#bytes.subarray(start, start + length);
  }
}
