/**
 * How both hosts agree on the keys of a session: an exchange of ephemeral
 * X25519 keys (RFC 7748), authenticated with the key that they share. Whoever
 * gets hold of that key later cannot decrypt what was recorded before.
 *
 *   initiator                               responder
 *   ephemeral key, time, MAC    ------->    one HMAC; then: is the time new?
 *   session keys                <-------    ephemeral key, MAC over both messages
 *   first data                  ------->    now it is used there too
 *
 * A forged initiation costs the responder one HMAC, and a replayed one is
 * turned away by its time before any public-key work. The response is shorter
 * than the initiation, so that nobody can have traffic multiplied. Until data
 * has come by the new session, the old one is used: a replay changes nothing.
 */
import {
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { INITIATION_LENGTH, KEY_LENGTH, MAC_LENGTH, MessageType, RESPONSE_LENGTH } from "./wire.ts";

/** What a session is made of. The indexes say which session a datagram belongs to, each to the host that chose it. */
export interface SessionKeys {
  readonly send: KeyObject;
  readonly receive: KeyObject;
  readonly localIndex: number;
  readonly remoteIndex: number;
}

/** What waits for its response. */
export interface Pending {
  readonly message: Buffer;
  readonly privateKey: KeyObject;
}

export class Handshakes {
  readonly #shared: Buffer;
  readonly #macKey: KeyObject;

  constructor(sharedKey: Buffer) {
    this.#shared = sharedKey;
    this.#macKey = createSecretKey(derive(sharedKey, Buffer.alloc(0), "bun-tuntap vpn 1, handshake", KEY_LENGTH));
  }

  /** @param time Greater than in any initiation before, also of a process before: a replay is told by it. */
  initiate(localIndex: number, time: number): Pending {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    const message = Buffer.alloc(INITIATION_LENGTH);
    message.writeUInt32LE(MessageType.INITIATION, 0);
    message.writeUInt32LE(localIndex, 4);
    message.writeBigUInt64LE(BigInt(time), 8);
    message.set(rawOf(publicKey), 16);
    message.set(this.#mac(message.subarray(0, -MAC_LENGTH)), INITIATION_LENGTH - MAC_LENGTH);
    return { message, privateKey };
  }

  /** Whether an initiation was made with our key. */
  isAuthentic(initiation: Buffer): boolean {
    return timingSafeEqual(initiation.subarray(-MAC_LENGTH), this.#mac(initiation.subarray(0, -MAC_LENGTH)));
  }

  /** Answers an authentic initiation. */
  respond(initiation: Buffer, localIndex: number): { message: Buffer; keys: SessionKeys } {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    const remoteIndex = indexOf(initiation);
    const message = Buffer.alloc(RESPONSE_LENGTH);
    message.writeUInt32LE(MessageType.RESPONSE, 0);
    message.writeUInt32LE(localIndex, 4);
    message.writeUInt32LE(remoteIndex, 8);
    message.set(rawOf(publicKey), 12);
    message.set(this.#mac(initiation, message.subarray(0, -MAC_LENGTH)), RESPONSE_LENGTH - MAC_LENGTH);
    const [theirs, ours] = this.#sessionKeys(privateKey, initiation.subarray(16, 48), initiation, message);
    return { message, keys: { send: ours, receive: theirs, localIndex, remoteIndex } };
  }

  /** The keys that a response leads to, or undefined if it was not made with our key for what we sent. */
  complete({ message, privateKey }: Pending, response: Buffer): SessionKeys | undefined {
    const mac = this.#mac(message, response.subarray(0, -MAC_LENGTH));
    if (!timingSafeEqual(response.subarray(-MAC_LENGTH), mac)) return undefined;
    const [ours, theirs] = this.#sessionKeys(privateKey, response.subarray(12, 44), message, response);
    return { send: ours, receive: theirs, localIndex: indexOf(message), remoteIndex: indexOf(response) };
  }

  #mac(...parts: Buffer[]): Buffer {
    const hmac = createHmac("sha256", this.#macKey);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }

  /** One key for each direction, the initiator's first. */
  #sessionKeys(privateKey: KeyObject, publicKey: Buffer, ...transcript: Buffer[]): [KeyObject, KeyObject] {
    const secret = diffieHellman({ privateKey, publicKey: publicKeyOf(publicKey) });
    const info = Buffer.concat([Buffer.from("bun-tuntap vpn 1, session"), ...transcript]);
    const bytes = derive(secret, this.#shared, info, 2 * KEY_LENGTH);
    return [createSecretKey(bytes.subarray(0, KEY_LENGTH)), createSecretKey(bytes.subarray(KEY_LENGTH))];
  }
}

/** The sender's index of an initiation or a response. */
export function indexOf(message: Buffer): number {
  return message.readUInt32LE(4);
}

/** The index that a response answers. */
export function answeredIndexOf(response: Buffer): number {
  return response.readUInt32LE(8);
}

/** The time in an initiation. */
export function timeOf(initiation: Buffer): number {
  return Number(initiation.readBigUInt64LE(8));
}

/** RFC 5869. */
function derive(secret: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, info, length));
}

function rawOf(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: "jwk" }).x as string, "base64url");
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x: raw.toString("base64url") }, format: "jwk" });
}
