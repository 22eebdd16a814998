import { type Check, checkOptions, integer, wrong } from "../checks.ts";
import type { BurstLoss, Impairments, LinkImpairments } from "./types.ts";

/** Impairments of one direction in the units of the engine, all of them there. */
export interface Settings {
  readonly delayUs: number;
  readonly jitterUs: number;
  readonly loss: Required<BurstLoss> | number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly corrupt: number;
  /** Bit/s, perhaps Infinity. */
  readonly rate: number;
  /** Bytes. */
  readonly queue: number;
  /** Longest IP packet in bytes, perhaps Infinity. */
  readonly mtu: number;
  /** Tells whether frames may have to wait. */
  readonly isTimed: boolean;
  /** Tells whether every frame passes as it is, at once. */
  readonly isPlain: boolean;
}

/** An hour: as long as a timer of the kernel can be set. */
const MS_MAX = 3_600_000;
const RATE_MAX = 1e12;

const milliseconds: Check<unknown> = (value, option) => number(value, option, 0, MS_MAX, "milliseconds");
const probability: Check<unknown> = (value, option) => number(value, option, 0, 1, "a probability");

const burstChecks = { enter: probability, leave: probability, lossInGood: probability, lossInBad: probability };

/** Checks of {@link Impairments}, for {@link checkOptions}. */
export const impairmentChecks: Readonly<Record<keyof Impairments, Check<unknown>>> = {
  delay: milliseconds,
  jitter: milliseconds,
  loss: (value, option) => {
    if (typeof value !== "object") return probability(value, option, undefined);
    checkOptions(value, burstChecks, undefined);
    const { enter, leave } = value as BurstLoss;
    if (enter === undefined || leave === undefined) {
      throw wrong(option, "a probability, or { enter, leave } with both", value);
    }
  },
  duplicate: probability,
  reorder: probability,
  corrupt: probability,
  rate: (value, option) => {
    if (value !== Number.POSITIVE_INFINITY) number(value, option, 1000, RATE_MAX, "bit/s");
  },
  queue: (value, option) => integer(value, option, 1514, 2 ** 31),
  mtu: (value, option) => integer(value, option, 68, 65535),
};

/** Checks of {@link LinkImpairments}. */
export const linkImpairmentChecks: Readonly<Record<keyof LinkImpairments, Check<unknown>>> = {
  ...impairmentChecks,
  forward: (value) => checkOptions(value, impairmentChecks, undefined),
  back: (value) => checkOptions(value, impairmentChecks, undefined),
};

/** Merges impairments, later ones over earlier ones; undefined takes one back to its default. */
export function settingsOf(...layers: readonly Impairments[]): Settings {
  const merged: Impairments = Object.assign({}, ...layers);
  const { delay = 0, jitter = 0, loss = 0, duplicate = 0, reorder = 0, corrupt = 0 } = merged;
  const { rate = Number.POSITIVE_INFINITY, mtu = Number.POSITIVE_INFINITY } = merged;
  const queue = merged.queue ?? Math.max(65_536, rate / 80);
  const isTimed = delay > 0 || jitter > 0 || reorder > 0 || rate !== Number.POSITIVE_INFINITY;
  return {
    delayUs: delay * 1000,
    jitterUs: jitter * 1000,
    loss: typeof loss === "number" ? loss : { lossInGood: 0, lossInBad: 1, ...loss },
    duplicate,
    reorder,
    corrupt,
    rate,
    queue,
    mtu,
    isTimed,
    isPlain: !isTimed && loss === 0 && duplicate === 0 && corrupt === 0 && mtu === Number.POSITIVE_INFINITY,
  };
}

/** The impairments alone, of options that have more. */
export function impairmentsIn(options: Impairments): Impairments {
  const found = Object.entries(options).filter(([name]) => Object.hasOwn(impairmentChecks, name));
  return Object.fromEntries(found);
}

function number(value: unknown, option: string, min: number, max: number, unit: string): void {
  if (typeof value !== "number") throw wrong(option, `a number (${unit})`, value);
  if (!(value >= min && value <= max)) {
    throw new RangeError(`Option "${option}" must be ${unit} from ${min} to ${max}, got ${value}`);
  }
}
