/** mac1, mac2 and cookie replies: what keeps a host under load from being made to compute (the paper, section 5.3). */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { COOKIE_SECRET_MS, COOKIE_USE_MS } from "./constants.ts";
import { hash, isEqual, MAC_BYTES, mac } from "./hash.ts";
import { COOKIE_REPLY_BYTES, CookieReply, MessageType, writeU32 } from "./wire.ts";

const text = new TextEncoder();
const LABEL_MAC1 = text.encode("mac1----");
const LABEL_COOKIE = text.encode("cookie--");
const NONCE_BYTES = 24;

/** The parts of a handshake message that its MACs cover: both stand at its end, mac1 first. */
const mac1Of = (message: Uint8Array): Uint8Array => message.subarray(-2 * MAC_BYTES, -MAC_BYTES);
const mac2Of = (message: Uint8Array): Uint8Array => message.subarray(-MAC_BYTES);

/** The side that answers: checks MACs, and makes cookies for addresses. */
export class CookieChecker {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  readonly #random: (bytes: number) => Uint8Array;
  #secret: Uint8Array | undefined;
  #secretSince = 0;

  /** @param publicKey This host's static public key. */
  constructor(publicKey: Uint8Array, random: (bytes: number) => Uint8Array) {
    this.#mac1Key = hash(LABEL_MAC1, publicKey);
    this.#cookieKey = hash(LABEL_COOKIE, publicKey);
    this.#random = random;
  }

  hasMac1(message: Uint8Array): boolean {
    return isEqual(mac(this.#mac1Key, message.subarray(0, -2 * MAC_BYTES)), mac1Of(message));
  }

  /** @param address Bytes that stand for the address and port that the message came from. */
  hasMac2(message: Uint8Array, address: Uint8Array, now: number): boolean {
    if (this.#secret === undefined || now - this.#secretSince > COOKIE_SECRET_MS) return false;
    const cookie = mac(this.#secret, address);
    return isEqual(mac(cookie, message.subarray(0, -MAC_BYTES)), mac2Of(message));
  }

  /** Makes the reply that hands the sender of `message` its cookie; `receiver` is the sender's index in it. */
  reply(message: Uint8Array, receiver: number, address: Uint8Array, now: number): Uint8Array {
    if (this.#secret === undefined || now - this.#secretSince > COOKIE_SECRET_MS) {
      this.#secret = this.#random(32);
      this.#secretSince = now;
    }
    const reply = new Uint8Array(COOKIE_REPLY_BYTES);
    reply[0] = MessageType.cookieReply;
    writeU32(reply, CookieReply.receiver, receiver);
    const nonce = this.#random(NONCE_BYTES);
    reply.set(nonce, CookieReply.nonce);
    const cookie = mac(this.#secret, address);
    reply.set(xchacha20poly1305(this.#cookieKey, nonce, mac1Of(message)).encrypt(cookie), CookieReply.cookie);
    return reply;
  }
}

/** The side that asks: puts MACs on its handshake messages, and keeps the last cookie that it was given. */
export class CookieHolder {
  readonly #mac1Key: Uint8Array;
  readonly #cookieKey: Uint8Array;
  #cookie: Uint8Array | undefined;
  #cookieSince = 0;
  #lastMac1: Uint8Array | undefined;

  /** @param publicKey The peer's static public key. */
  constructor(publicKey: Uint8Array) {
    this.#mac1Key = hash(LABEL_MAC1, publicKey);
    this.#cookieKey = hash(LABEL_COOKIE, publicKey);
  }

  /** Writes both MACs at the end of `message`; mac2 stays zero without a cookie. */
  sign(message: Uint8Array, now: number): void {
    const mac1 = mac(this.#mac1Key, message.subarray(0, -2 * MAC_BYTES));
    mac1Of(message).set(mac1);
    this.#lastMac1 = mac1;
    if (this.#cookie === undefined || now - this.#cookieSince > COOKIE_USE_MS) return;
    mac2Of(message).set(mac(this.#cookie, message.subarray(0, -MAC_BYTES)));
  }

  /** Takes the cookie of a reply to the last message that was signed. Returns whether it was authentic. */
  accept(reply: Uint8Array, now: number): boolean {
    const mac1 = this.#lastMac1;
    if (mac1 === undefined) return false;
    const nonce = reply.subarray(CookieReply.nonce, CookieReply.cookie);
    try {
      this.#cookie = xchacha20poly1305(this.#cookieKey, nonce, mac1).decrypt(reply.subarray(CookieReply.cookie));
    } catch {
      return false;
    }
    this.#cookieSince = now;
    this.#lastMac1 = undefined;
    return true;
  }
}
