/** The indices by which peers call this host's handshakes and sessions: 32 bits at random, each in use once. */
export class Indices<P> {
  readonly #owners = new Map<number, P>();
  readonly #random: (bytes: number) => Uint8Array;

  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  claim(owner: P): number {
    for (;;) {
      const [a = 0, b = 0, c = 0, d = 0] = this.#random(4);
      const index = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (this.#owners.has(index)) continue;
      this.#owners.set(index, owner);
      return index;
    }
  }

  release(index: number): void {
    this.#owners.delete(index);
  }

  ownerOf(index: number): P | undefined {
    return this.#owners.get(index);
  }
}
