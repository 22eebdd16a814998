import { native } from "../sys/native.ts";
import type { BatchWriter } from "./sender.ts";
import type { SuperPacketKind } from "./types.ts";

/** Merges packets into super-packets where it can (native/vnet.c); single ones get a header that asks for nothing. */
export class MergingWriter implements BatchWriter {
  readonly #state = new Uint8Array(native().tx_size());
  readonly #shared = new Int32Array(this.#state.buffer, 0, 2);
  readonly #link: number;
  #unwanted: number;

  constructor(ethernet: boolean, udp: boolean) {
    this.#link = ethernet ? 1 : 0;
    this.#unwanted = udp ? 0 : UDP_OFF;
    this.#shared[1] = this.#unwanted;
  }

  /** The kinds of super-packets that the kernel has refused, and that are sent packet by packet since. */
  get disabled(): readonly SuperPacketKind[] {
    const off = (this.#shared[1] as number) & ~this.#unwanted;
    return kinds.filter((_, bit) => (off & (1 << bit)) !== 0);
  }

  /** Merges no UDP from now on, as the kernel takes none. */
  refuseUdp(): void {
    this.#unwanted = UDP_OFF;
    this.#shared[1] = (this.#shared[1] as number) | UDP_OFF;
  }

  get pending(): number {
    return this.#shared[0] as number;
  }

  write(fd: number, frame: Uint8Array, length: number): number {
    return native().vnet_write(fd, frame, length);
  }

  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number): number {
    return native().vnet_push_many(fd, this.#state, base, offsets, lengths, count, this.#link);
  }

  flush(fd: number): number {
    return native().vnet_flush(fd, this.#state);
  }
}

/** By their bits in `off` of struct sending, from the lowest. */
const kinds: readonly SuperPacketKind[] = ["tcp4", "udp4", "tcp6", "udp6"];

/** The bits of both families in `off` of struct sending (native/vnet.c). */
const UDP_OFF = 2 | 8;
