/** Keys as text: base64 of 32 bytes, as `wg` prints and takes them. */
import { KeyPair } from "./protocol/x25519.ts";

/** Reads a key. Returns undefined if the text is none. */
export function parseKeyText(text: string): Uint8Array | undefined {
  // 44 characters of which the last is "=" and the one before has two bits that must be 0.
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)) return undefined;
  return Uint8Array.fromBase64(text);
}

/** Formats a key as base64, as `wg` prints it. */
export function keyText(key: Uint8Array): string {
  return key.toBase64();
}

/** Makes a private key, clamped as `wg genkey` prints it. */
export function generatePrivateKey(): Uint8Array {
  return new KeyPair(crypto.getRandomValues(new Uint8Array(32))).privateKey;
}

/** Makes a preshared key. */
export function generatePresharedKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(32));
}

/** Derives the public key of a private key. */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  return new KeyPair(privateKey).publicKey;
}
