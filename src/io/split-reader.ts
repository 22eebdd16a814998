import { offloadNative } from "../sys/native.ts";
import type { Filler } from "./slab.ts";

/**
 * Reads frames with a virtio header and splits super-packets. Holds the packets of the last one that found no room
 * (native/vnet.c).
 */
export class SplitFiller implements Filler {
  /**
   * A larger batch than of plain frames: a packet costs a third, and a super-packet that is cut in two can no longer
   * be merged as one.
   */
  readonly batchMax = 2048;
  /** Packets lie without gaps, so that those of one size are one piece of memory to a UDP socket (native/udp_send.c). */
  readonly alignment = 1;
  readonly #state = new Uint8Array(offloadNative().rx_size());
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

  /** Frames that were dropped because their virtio headers did not agree with their bytes. */
  get malformed(): number {
    return this.#shared[1] as number;
  }

  fill(slab: Uint8Array, offset: number, end: number, _frameMax: number, lengths: Int32Array, limit: number): number {
    return offloadNative().vnet_read(this.#fd, slab, offset, end, this.#state, this.#link, lengths, limit);
  }

  end(): void {
    this.#fd = -1;
  }
}
