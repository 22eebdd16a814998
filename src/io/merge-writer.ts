import { EAGAIN } from "../sys/constants.ts";
import { offloadNative } from "../sys/native.ts";
import { placesOf } from "./batch.ts";
import type { BatchWriter, Refusal } from "./batch-writer.ts";
import type { SuperPacketKind } from "./types.ts";

/** Kinds of super-packets by their bits in `off`, from the lowest. */
const kinds: readonly SuperPacketKind[] = ["tcp4", "udp4", "tcp6", "udp6"];
const UDP_OFF = 2 | 8;

/** Places of the first members of `struct sending` (native/write_run.c). */
const PENDING = 0;
const OFF = 1;
const KEPT = 2;
const KEPT_BYTES = 3;
const REFUSED = 4;
const REFUSALS = 5;
const REFUSALS_MAX = 2048 + 512;

/**
 * Merges packets into super-packets, flow by flow (native/coalesce.c). Single packets get a virtio header that asks
 * for nothing.
 *
 * Flows are written one after the other. If the kernel stops taking frames in between, some of the first frames are
 * not written although later ones of other flows are. Those are copied, and written before anything else.
 */
export class MergingWriter implements BatchWriter {
  readonly #state = new Uint8Array(offloadNative().tx_size());
  readonly #shared = new Int32Array(this.#state.buffer, 0, REFUSALS + 2 * REFUSALS_MAX);
  readonly #link: number;
  #unwanted: number;
  /** Copies of frames that count as taken and wait to be written. */
  #kept: Uint8Array[] = [];
  #refusals: Refusal[] = [];

  constructor(ethernet: boolean, udp: boolean) {
    this.#link = ethernet ? 1 : 0;
    this.#unwanted = udp ? 0 : UDP_OFF;
    this.#shared[OFF] = this.#unwanted;
  }

  /** The kinds of super-packets that the kernel has refused; they are sent packet by packet since. */
  get disabled(): readonly SuperPacketKind[] {
    const off = (this.#shared[OFF] as number) & ~this.#unwanted;
    return kinds.filter((_, bit) => (off & (1 << bit)) !== 0);
  }

  /** Merges no UDP from now on, as the kernel takes none. */
  refuseUdp(): void {
    this.#unwanted = UDP_OFF;
    this.#shared[OFF] = (this.#shared[OFF] as number) | UDP_OFF;
  }

  get pending(): number {
    return this.#shared[PENDING] as number;
  }

  get kept(): number {
    return this.#kept.length;
  }

  write(fd: number, frame: Uint8Array, length: number): number {
    return offloadNative().vnet_write(fd, frame, length);
  }

  push(fd: number, base: Uint8Array, offsets: Int32Array, lengths: Int32Array, count: number): number {
    const done = offloadNative().vnet_push_many(fd, this.#state, base, offsets, lengths, count, this.#link);
    if (done < count) {
      lengths[done] = -EAGAIN;
      this.#keep();
    }
    this.#noteRefusals();
    return done;
  }

  flush(fd: number): number {
    const result = offloadNative().vnet_flush(fd, this.#state);
    if (result < 0) this.#keep();
    this.#noteRefusals();
    return result;
  }

  resume(fd: number): number {
    const frames = this.#kept;
    const lengths = Int32Array.from(frames, ({ byteLength }) => byteLength);
    this.#kept = [];
    const pushed = this.push(fd, Buffer.concat(frames), placesOf(lengths), lengths, frames.length);
    const result = pushed < frames.length ? -EAGAIN : this.flush(fd);
    if (result < 0) this.#kept.push(...frames.slice(pushed - this.pending));
    this.#refusals = this.#refusals.map(({ place, errno }) => ({
      place,
      errno,
      bytes: frames[place]?.byteLength ?? 0,
    }));
    return result;
  }

  takeRefusals(): readonly Refusal[] {
    const refusals = this.#refusals;
    if (refusals.length > 0) this.#refusals = [];
    return refusals.sort((a, b) => a.place - b.place);
  }

  #noteRefusals(): void {
    const shared = this.#shared;
    const count = shared[REFUSED] as number;
    for (let i = 0; i < count; i++) {
      const at = REFUSALS + 2 * i;
      this.#refusals.push({ place: shared[at] as number, errno: shared[at + 1] as number, bytes: 0 });
    }
    shared[REFUSED] = 0;
  }

  /** Copies the first frames that the kernel did not take, because their memory is the caller's again. */
  #keep(): void {
    const count = this.#shared[KEPT] as number;
    if (count === 0) return;
    const bytes = new Uint8Array(this.#shared[KEPT_BYTES] as number);
    const lengths = new Int32Array(count);
    offloadNative().tx_keep(this.#state, bytes, lengths);
    let end = 0;
    for (const length of lengths) {
      this.#kept.push(bytes.subarray(end, end + length));
      end += length;
    }
  }
}
