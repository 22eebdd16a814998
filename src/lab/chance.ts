/** Kinds of chance: each frame has one number for each, whether or not it is asked for. */
export const Purpose = {
  LOSS: 1,
  BURST: 2,
  DUPLICATE: 3,
  REORDER: 4,
  HOLD: 5,
  CORRUPT: 6,
  BIT: 7,
  JITTER: 8,
} as const;

/** Derives the key of one direction of one link; the name is part of it, so that links do not depend on each other. */
export function chanceKey(seed: number, name: string, way: string): number {
  return Bun.hash.xxHash32(`${name}\0${way}`, seed) | 0;
}

/**
 * The chance of frame number `frame` for one purpose, from 0 to below 1. It
 * depends on its arguments alone, not on what was asked before: a change of
 * one impairment leaves the fates that come of the others.
 */
export function chance(key: number, frame: number, purpose: number): number {
  const first = mix(Math.imul(frame, 0x9e37_79b1) ^ Math.imul(purpose, 0x85eb_ca6b) ^ key);
  return (mix((first + Math.imul(key, 0xc2b2_ae35) + purpose) | 0) >>> 0) / 0x1_0000_0000;
}

/** Mixes 32 bits: lowbias32 of Chris Wellons' hash-prospector, a bijection whose output bits are close to independent. */
function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb_352d);
  x = Math.imul(x ^ (x >>> 15), 0x846c_a68b);
  return x ^ (x >>> 16);
}
