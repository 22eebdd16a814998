import { native } from "../sys/native.ts";
import type { Filler } from "./slab.ts";

/** The longest frame that any MTU allows (65,535 and headers), with room to spare. */
const SPILL_BYTES = 65_536 + 64;
/** Used within one read only, so all devices of a thread share it. */
let spill: Uint8Array | undefined;

/** Reads one frame with each read(2), straight into the slab (native/tun.c). */
export class PlainFiller implements Filler {
  readonly batchMax = 512;
  readonly alignment = 8;
  readonly held = false;
  readonly spill: Uint8Array;
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
    spill ??= new Uint8Array(SPILL_BYTES);
    this.spill = spill;
  }

  fill(slab: Uint8Array, offset: number, end: number, frameMax: number, lengths: Int32Array, limit: number): number {
    return native().tun_read(this.#fd, slab, offset, end, frameMax, this.spill, SPILL_BYTES, lengths, limit);
  }

  end(): void {
    this.#fd = -1;
  }
}
