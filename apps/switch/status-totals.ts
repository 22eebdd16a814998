/** Sums of the counters of ports. */

/** Counters of a port, or of several. "In" is from the client. */
export interface Totals {
  readonly framesIn: number;
  readonly bytesIn: number;
  readonly framesOut: number;
  readonly bytesOut: number;
  readonly dropped: {
    readonly short: number;
    readonly long: number;
    readonly source: number;
    readonly circle: number;
    readonly backPressure: number;
  };
  /** Frames whose source has no place in the MAC table. */
  readonly unlearned: number;
}

/** Counters of nothing. */
export const NO_TOTALS: Totals = {
  framesIn: 0,
  bytesIn: 0,
  framesOut: 0,
  bytesOut: 0,
  dropped: { short: 0, long: 0, source: 0, circle: 0, backPressure: 0 },
  unlearned: 0,
};

/** Adds counters up. Other members of `parts` are left out. */
export function sumOf(parts: Iterable<Totals>): Totals {
  const sum = { ...NO_TOTALS, dropped: { ...NO_TOTALS.dropped } };
  for (const { framesIn, bytesIn, framesOut, bytesOut, dropped, unlearned } of parts) {
    sum.framesIn += framesIn;
    sum.bytesIn += bytesIn;
    sum.framesOut += framesOut;
    sum.bytesOut += bytesOut;
    sum.dropped.short += dropped.short;
    sum.dropped.long += dropped.long;
    sum.dropped.source += dropped.source;
    sum.dropped.circle += dropped.circle;
    sum.dropped.backPressure += dropped.backPressure;
    sum.unlearned += unlearned;
  }
  return sum;
}
