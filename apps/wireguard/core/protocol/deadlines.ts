/** Something with a next time at which it has work to do; Infinity where it has none. */
export interface Timed {
  deadline: number;
  /** The time for which it stands in the queue; the queue's own. */
  queuedFor: number;
}

/** The deadlines of all peers, earliest first: a binary heap in which a peer whose deadline moves later stays where it is. */
export class Deadlines<T extends Timed> {
  readonly #heap: { readonly time: number; readonly item: T }[] = [];

  /** The time at which {@link takeDue} should next be called; Infinity if never. */
  get next(): number {
    return this.#heap[0]?.time ?? Number.POSITIVE_INFINITY;
  }

  /** To be called when an item's deadline has changed. */
  update(item: T): void {
    if (item.deadline >= item.queuedFor) return;
    item.queuedFor = item.deadline;
    this.#push(item.deadline, item);
  }

  /** Calls `due` for each item whose deadline has come; `due` moves the deadline on. */
  takeDue(now: number, due: (item: T) => void): void {
    while (this.next <= now) {
      const { time, item } = this.#pop();
      // It was queued again for an earlier time since, or has been taken.
      if (time !== item.queuedFor) continue;
      item.queuedFor = Number.POSITIVE_INFINITY;
      if (item.deadline <= now) due(item);
      this.update(item);
    }
  }

  #push(time: number, item: T): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.time <= time) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = { time, item };
  }

  #pop(): { readonly time: number; readonly item: T } {
    const heap = this.#heap;
    const first = heap[0] as { time: number; item: T };
    const last = heap.pop() as { time: number; item: T };
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below !== undefined && right !== undefined && right.time < below.time) {
        below = right;
        child++;
      }
      if (below === undefined || below.time >= last.time) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
