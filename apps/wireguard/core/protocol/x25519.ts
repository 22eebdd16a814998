/** X25519 (RFC 7748) by the platform's crypto, with keys as 32 raw bytes. */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";

/** Bytes of a private or public key. */
export const KEY_BYTES = 32;

/** RFC 8410: what stands before the 32 bytes of a key in PKCS #8 and in SubjectPublicKeyInfo. */
const pkcs8Head = Uint8Array.fromHex("302e020100300506032b656e04220420");
const spkiHead = Uint8Array.fromHex("302a300506032b656e032100");

/** A private key with its public key. */
export class KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  /** @param privateKey 32 bytes; they are copied and clamped (RFC 7748 section 5). */
  constructor(privateKey: Uint8Array) {
    if (privateKey.length !== KEY_BYTES) throw new RangeError(`A private key has 32 bytes, got ${privateKey.length}`);
    this.privateKey = clamp(privateKey);
    this.#key = createPrivateKey({
      key: Buffer.from(withHead(pkcs8Head, this.privateKey)),
      format: "der",
      type: "pkcs8",
    });
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(spki.length - KEY_BYTES));
  }

  /** Returns the shared secret, or undefined if it is all zeros: `publicKey` is a point of small order then. */
  sharedWith(publicKey: Uint8Array): Uint8Array | undefined {
    try {
      const key = createPublicKey({ key: Buffer.from(withHead(spkiHead, publicKey)), format: "der", type: "spki" });
      const secret = new Uint8Array(diffieHellman({ privateKey: this.#key, publicKey: key }));
      return secret.every((byte) => byte === 0) ? undefined : secret;
    } catch {
      return undefined;
    }
  }

  /** Overwrites the private key's bytes; the platform's copy of them goes with the object. */
  wipe(): void {
    this.privateKey.fill(0);
  }
}

function clamp(bytes: Uint8Array): Uint8Array {
  const key = bytes.slice();
  key[0] = (key[0] as number) & 248;
  key[31] = ((key[31] as number) & 127) | 64;
  return key;
}

function withHead(head: Uint8Array, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(head.length + key.length);
  bytes.set(head);
  bytes.set(key, head.length);
  return bytes;
}
