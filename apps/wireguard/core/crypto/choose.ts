import type { Aead } from "../protocol/aead.ts";
import { openLibcrypto } from "./libcrypto.ts";
import { openLibsodium } from "./libsodium.ts";

/** Ciphers that an option may ask for. */
export type AeadName = "libcrypto" | "libsodium";

/**
 * Opens the fastest cipher of this machine: its libcrypto, else libsodium in WebAssembly, which is always there.
 *
 * @param name Asks for one of them.
 * @throws {Error} If that one cannot be had.
 */
export async function chooseAead(name?: AeadName): Promise<Aead> {
  if (name === "libsodium") return openLibsodium();
  const libcrypto = openLibcrypto();
  if (libcrypto !== undefined) return libcrypto;
  if (name === "libcrypto") {
    throw new Error(
      "This machine has no libcrypto with ChaCha20-Poly1305: install OpenSSL's library (Debian: libssl3)",
    );
  }
  return openLibsodium();
}
