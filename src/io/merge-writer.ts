import { native } from "../sys/native.ts";
import type { FrameWriter } from "./sender.ts";

/** Merges packets into super-packets where it can (native/vnet.c); single ones get a header that asks for nothing. */
export class MergingWriter implements FrameWriter {
  readonly #state = new Uint8Array(native().tx_size());
  readonly #shared = new Int32Array(this.#state.buffer, 0, 2);
  readonly #link: number;

  constructor(ethernet: boolean, udp: boolean) {
    this.#link = ethernet ? 1 : 0;
    if (!udp) this.#shared[1] = UDP_OFF;
  }

  get pending(): number {
    return this.#shared[0] as number;
  }

  write(fd: number, frame: Uint8Array): number {
    return native().vnet_write(fd, frame, frame.byteLength);
  }

  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number): number {
    return native().vnet_push_many(fd, this.#state, base, offsets, lengths, count, this.#link);
  }

  flush(fd: number): number {
    return native().vnet_flush(fd, this.#state);
  }
}

/** The bits of both families in `off` of struct sending (native/vnet.c). */
const UDP_OFF = 2 | 8;
