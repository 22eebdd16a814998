/** From samples to numbers: medians over the rounds, and medians of each round's ratio. */
import type { Case } from "./case.ts";
import type { Contender } from "./contender.ts";
import type { Sample } from "./measure/kind.ts";
import { median } from "./median.ts";

/** What each contender of a case did in one round, by its name. */
export type Round = Record<string, Sample>;

export interface CaseResults {
  readonly of: Case;
  readonly rounds: Round[];
}

/** A median, and how far the values lie apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** Returns what a contender did, over the rounds in which it took part; undefined if there is none. */
export function values(rounds: readonly Round[], { name }: Contender, key: string): Spread | undefined {
  return spread(rounds.map((round) => round[name]?.[key] ?? Number.NaN));
}

/** A contender's values in relation to another's, each round's to the same round's. */
export function ratios(rounds: readonly Round[], contender: Contender, key: string): Spread | undefined {
  const { name, against } = contender;
  if (against === undefined) return undefined;
  return spread(rounds.map((round) => (round[name]?.[key] ?? Number.NaN) / (round[against.name]?.[key] ?? Number.NaN)));
}

function spread(all: readonly number[]): Spread | undefined {
  const finite = all.filter(Number.isFinite);
  if (finite.length === 0) return undefined;
  return { median: median(finite), least: Math.min(...finite), most: Math.max(...finite) };
}
