import type { KnownViews } from "./batch.ts";
import { type Batch, FrameList, type FrameSet } from "./frame-set.ts";

/** Frames that are written in another order than the one in which they were given. */
export class ReorderedFrames implements FrameSet {
  readonly #given: readonly Uint8Array[];
  readonly #order: Int32Array;
  readonly #list: FrameList;

  /** `order` has the place of each frame among those given, in the order in which they are written. */
  constructor(given: readonly Uint8Array[], order: Int32Array, known: KnownViews) {
    this.#given = given;
    this.#order = order;
    const list: Uint8Array[] = [];
    for (let i = 0; i < order.length; i++) list.push(given[order[i] as number] as Uint8Array);
    this.#list = new FrameList(list, known);
  }

  get count(): number {
    return this.#order.length;
  }

  gather(from: number): number {
    return this.#list.gather(from);
  }

  get base(): Uint8Array {
    return this.#list.base;
  }

  /** Returns the frames in the order in which they were given. */
  frames(): readonly Uint8Array[] {
    return this.#given;
  }

  /** Counts frames up to the last one that is done; see {@link FrameSet.settle}. */
  settle(batch: Batch): number[] {
    const order = this.#order;
    let done = 0;
    for (let i = 0; i < batch.done; i++) done = Math.max(done, (order[i] as number) + 1);
    const left: number[] = [];
    for (let i = batch.done; i < order.length; i++) {
      const place = order[i] as number;
      if (place < done) left.push(place);
    }
    batch.done = done;
    batch.refused = batch.refused.map((i) => order[i] as number).sort((a, b) => a - b);
    const { first } = batch;
    batch.first = first && { place: order[first.place] as number, errno: first.errno };
    return left;
  }
}
