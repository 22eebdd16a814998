/** BLAKE2s as the protocol uses it: hash, keyed MAC of 16 bytes, and HKDF of HMAC-BLAKE2s. */

import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

// Lengths of a hash and of a MAC.
export const HASH_BYTES = 32;
export const MAC_BYTES = 16;

/** Hashes the parts, one after the other: BLAKE2s with 32 bytes (RFC 7693). */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = blake2s.create({});
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Keyed BLAKE2s with a digest of 16 bytes; not a longer one cut short. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, { key, dkLen: MAC_BYTES });
}

/** KDF_n of the paper, section 5.4: HKDF with `chainingKey` as its salt; returns one to three keys of 32 bytes. */
export function kdf(chainingKey: Uint8Array, input: Uint8Array, count: 1): [Uint8Array];
export function kdf(chainingKey: Uint8Array, input: Uint8Array, count: 2): [Uint8Array, Uint8Array];
export function kdf(chainingKey: Uint8Array, input: Uint8Array, count: 3): [Uint8Array, Uint8Array, Uint8Array];
export function kdf(chainingKey: Uint8Array, input: Uint8Array, count: number): Uint8Array[] {
  const secret = hmac(blake2s, chainingKey, input);
  const keys: Uint8Array[] = [];
  let last = new Uint8Array(0);
  for (let i = 1; i <= count; i++) {
    last = hmac(blake2s, secret, concat(last, Uint8Array.of(i))) as Uint8Array<ArrayBuffer>;
    keys.push(last);
  }
  secret.fill(0);
  return keys;
}

/** Joins byte arrays. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Compares in a time that depends on the length alone. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}
