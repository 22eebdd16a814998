import type { Contender, Programs } from "../contender.ts";
import type { Network } from "../rig.ts";

/** What one measurement saw, by the keys of its kind's columns. */
export type Sample = Record<string, number>;

export interface Setting {
  readonly contender: Contender;
  readonly network: Network;
  readonly programs: Programs;
  /** The length of each measurement. */
  readonly seconds: number;
  /** The length of the long flood whose memory is looked at. */
  readonly packets: number;
}

export interface Column {
  readonly key: string;
  readonly label: string;
  readonly digits: number;
  /** True if the ratio to another contender is shown beside it. */
  readonly compared?: boolean;
}

/** One way of measuring: builds its rig, measures, and says what it saw. */
export interface Kind {
  readonly columns: readonly Column[];
  /** Tools that it needs beside those that every run needs. */
  readonly needs: readonly string[];
  measure(setting: Setting): Promise<Sample>;
}
