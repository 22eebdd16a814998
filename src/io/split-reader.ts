import { native } from "../sys/native.ts";
import type { Filler } from "./slab.ts";

/** Reads frames behind a virtio header, and splits super-packets; holds what is left of the last one (native/vnet.c). */
export class SplitFiller implements Filler {
  /** More than of plain frames, as each costs a third, and what is cut off can be merged with nothing. */
  readonly batchMax = 2048;
  readonly alignment = 8;
  readonly #state = new Uint8Array(native().rx_size());
  readonly #shared = new Int32Array(this.#state.buffer, 0, 2);
  readonly #link: number;
  #fd: number;

  constructor(fd: number, ethernet: boolean) {
    this.#fd = fd;
    this.#link = ethernet ? 1 : 0;
  }

  get held(): boolean {
    return this.#shared[0] !== 0;
  }

  /** Frames that were lost, as their virtio headers did not agree with their bytes. */
  get malformed(): number {
    return this.#shared[1] as number;
  }

  fill(slab: Uint8Array, offset: number, end: number, _frameMax: number, lengths: Int32Array, limit: number): number {
    return native().vnet_read(this.#fd, slab, offset, end, this.#state, this.#link, lengths, limit);
  }

  end(): void {
    this.#fd = -1;
  }
}
