/** libsodium in WebAssembly behind {@link Aead}, by its raw functions on its own heap: it works wherever Bun does. */
import createSodium from "libsodium";
import type { Aead, AeadKey } from "../protocol/aead.ts";
import { DATA_HEADER_BYTES, MessageType, PADDING_BYTES, TAG_BYTES, writeU32 } from "../protocol/wire.ts";

const MESSAGE_MAX = 65_536;

/** The part of the module that is used; pointers are numbers on its heap, lengths are 64 bits wide in two halves. */
interface Sodium {
  readonly HEAPU8: Uint8Array;
  _sodium_init(): number;
  _malloc(bytes: number): number;
  _crypto_aead_chacha20poly1305_ietf_encrypt(
    out: number,
    outLength: number,
    message: number,
    lengthLow: number,
    lengthHigh: number,
    additional: number,
    additionalLow: number,
    additionalHigh: number,
    secretNonce: number,
    nonce: number,
    key: number,
  ): number;
  _crypto_aead_chacha20poly1305_ietf_decrypt(
    out: number,
    outLength: number,
    secretNonce: number,
    sealed: number,
    lengthLow: number,
    lengthHigh: number,
    additional: number,
    additionalLow: number,
    additionalHigh: number,
    nonce: number,
    key: number,
  ): number;
}

/** Loads the module. */
export async function openLibsodium(): Promise<Aead> {
  const sodium = (await createSodium()) as Sodium;
  if (sodium._sodium_init() < 0) throw new Error("libsodium does not start");
  const heap = new Heap(sodium);
  return { name: "libsodium (WebAssembly)", key: (bytes) => new LibsodiumKey(sodium, heap, bytes) };
}

/** Places on the module's heap that all keys use in turn. */
class Heap {
  readonly message: number;
  readonly sealed: number;
  readonly nonce: number;
  readonly key: number;
  readonly #sodium: Sodium;

  constructor(sodium: Sodium) {
    this.#sodium = sodium;
    this.message = sodium._malloc(MESSAGE_MAX);
    this.sealed = sodium._malloc(MESSAGE_MAX + TAG_BYTES);
    this.nonce = sodium._malloc(12);
    this.key = sodium._malloc(32);
    this.bytes.fill(0, this.nonce, this.nonce + 12);
  }

  /** The heap as it is now: it moves when it grows. */
  get bytes(): Uint8Array {
    return this.#sodium.HEAPU8;
  }

  /** Four zero bytes and the counter of a message, which stands in its header. */
  setNonce(message: Uint8Array): void {
    const { bytes } = this;
    for (let i = 0; i < 8; i++) bytes[this.nonce + 4 + i] = message[8 + i] as number;
  }
}

class LibsodiumKey implements AeadKey {
  readonly #sodium: Sodium;
  readonly #heap: Heap;
  readonly #key: Uint8Array;

  constructor(sodium: Sodium, heap: Heap, bytes: Uint8Array) {
    this.#sodium = sodium;
    this.#heap = heap;
    this.#key = bytes.slice();
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
    this.#useKey();
    let at = 0;
    let [counterHigh, counterLow] = [high, low];
    for (let i = 0; i < count; i++) {
      const packet = packets[from + i] as Uint8Array;
      const padded = paddedLength(packet.length, mtu);
      const message = out.subarray(at, at + DATA_HEADER_BYTES + padded + TAG_BYTES);
      writeU32(message, 0, MessageType.data);
      writeU32(message, 4, receiver);
      writeU32(message, 8, counterLow);
      writeU32(message, 12, counterHigh);
      this.#seal(packet, padded, message);
      lengths[i] = message.length;
      at += message.length;
      counterLow = (counterLow + 1) >>> 0;
      if (counterLow === 0) counterHigh++;
    }
    this.#forgetKey();
  }

  open(messages: readonly Uint8Array[], from: number, count: number, lengths: Int32Array): void {
    this.#useKey();
    for (let i = 0; i < count; i++) lengths[i] = this.#open(messages[from + i] as Uint8Array);
    this.#forgetKey();
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #seal(packet: Uint8Array, padded: number, message: Uint8Array): void {
    const heap = this.#heap;
    heap.setNonce(message);
    heap.bytes.set(packet, heap.message);
    if (padded > packet.length) heap.bytes.fill(0, heap.message + packet.length, heap.message + padded);
    const { message: from, sealed, nonce, key } = heap;
    this.#sodium._crypto_aead_chacha20poly1305_ietf_encrypt(sealed, 0, from, padded, 0, 0, 0, 0, 0, nonce, key);
    message.set(heap.bytes.subarray(sealed, sealed + padded + TAG_BYTES), DATA_HEADER_BYTES);
  }

  #open(message: Uint8Array): number {
    const heap = this.#heap;
    const bytes = message.length - DATA_HEADER_BYTES;
    if (bytes > MESSAGE_MAX + TAG_BYTES) return -1;
    heap.setNonce(message);
    const { message: to, sealed, nonce, key } = heap;
    heap.bytes.set(message.subarray(DATA_HEADER_BYTES), sealed);
    const result = this.#sodium._crypto_aead_chacha20poly1305_ietf_decrypt(
      to,
      0,
      0,
      sealed,
      bytes,
      0,
      0,
      0,
      0,
      nonce,
      key,
    );
    if (result !== 0) return -1;
    message.set(heap.bytes.subarray(to, to + bytes - TAG_BYTES), DATA_HEADER_BYTES);
    return bytes - TAG_BYTES;
  }

  #useKey(): void {
    this.#heap.bytes.set(this.#key, this.#heap.key);
  }

  #forgetKey(): void {
    this.#heap.bytes.fill(0, this.#heap.key, this.#heap.key + 32);
  }
}

/** Packets are padded to a multiple of 16 bytes, but not beyond the MTU. */
function paddedLength(length: number, mtu: number): number {
  if (length > mtu) return length;
  return Math.min(mtu, (length + PADDING_BYTES - 1) & -PADDING_BYTES);
}
