/** The system's libcrypto behind {@link Aead}: a few lines of C that loop over a batch. */
import { linkSymbols, type Pointer } from "bun:ffi";
import { bindingsOf, compile, pointerAt } from "../../../../src/sys/compile.ts";
import type { Aead, AeadKey } from "../protocol/aead.ts";
import { Addresses } from "./addresses.ts";
import source from "./libcrypto.c" with { type: "text" };

/** OpenSSL 3, OpenSSL 1.1, and the name without a version that some systems have alone. */
const LIBRARIES = ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"];
const CAPACITY = 256;

interface Native {
  aead_load(path: Uint8Array): number;
  aead_key(key: Uint8Array, encrypt: number, made: BigUint64Array): number;
  aead_free(context: Pointer): number;
  aead_seal(
    context: Pointer,
    packets: Float64Array,
    lengths: Int32Array,
    count: number,
    mtu: number,
    receiver: number,
    high: number,
    low: number,
    out: Uint8Array,
  ): number;
  aead_open(context: Pointer, messages: Float64Array, lengths: Int32Array, count: number): number;
}

/** Returns libcrypto's cipher, or undefined where this machine has no libcrypto, or one without the cipher. */
export function openLibcrypto(): Aead | undefined {
  const [exports = 0] = compile(source, "aead_library");
  const bindings = bindingsOf(pointerAt(exports, 0), pointerAt(exports, 1));
  const native = linkSymbols(bindings).symbols as unknown as Native;
  for (const library of LIBRARIES) {
    if (native.aead_load(new TextEncoder().encode(`${library}\0`)) !== 0) continue;
    return { name: `libcrypto (${library})`, key: (bytes) => new LibcryptoKey(native, bytes) };
  }
  return undefined;
}

class LibcryptoKey implements AeadKey {
  readonly #native: Native;
  #bytes: Uint8Array | undefined;
  /** A key serves one direction: its context is made when it is first used. */
  #context: Pointer | undefined;

  constructor(native: Native, bytes: Uint8Array) {
    this.#native = native;
    this.#bytes = bytes.slice();
  }

  seal(
    packets: readonly Uint8Array[],
    from: number,
    count: number,
    mtu: number,
    receiver: number,
    high: number,
    low: number,
    out: Uint8Array,
    lengths: Int32Array,
  ): void {
    addresses.fill(packets, from, count, lengths);
    const context = this.#keyed(1);
    const failed = this.#native.aead_seal(context, addresses.numbers, lengths, count, mtu, receiver, high, low, out);
    if (failed !== 0) throw new Error("libcrypto cannot seal");
  }

  open(messages: readonly Uint8Array[], from: number, count: number, lengths: Int32Array): void {
    addresses.fill(messages, from, count, lengths);
    this.#native.aead_open(this.#keyed(0), addresses.numbers, lengths, count);
  }

  wipe(): void {
    if (this.#context !== undefined) this.#native.aead_free(this.#context);
    this.#context = undefined;
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  #keyed(encrypt: 0 | 1): Pointer {
    if (this.#context !== undefined) return this.#context;
    const bytes = this.#bytes;
    if (bytes === undefined) throw new Error("The key was wiped");
    const made = new BigUint64Array(1);
    if (this.#native.aead_key(bytes, encrypt, made) !== 0) throw new Error("libcrypto has no memory for a key");
    bytes.fill(0);
    this.#context = Number(made[0]) as Pointer;
    return this.#context;
  }
}

/** C is called at once after it is filled, so one serves all keys. */
const addresses = new Addresses(CAPACITY);
