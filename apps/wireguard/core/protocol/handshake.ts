/**
 * The handshake Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as the protocol uses it (the WireGuard paper, section 5.4). Each
 * function works on whole messages and leaves the MACs at their end to `cookie.ts`.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hash, kdf } from "./hash.ts";
import { TIMESTAMP_BYTES, timestamp } from "./tai64n.ts";
import { INITIATION_BYTES, Initiation, MessageType, RESPONSE_BYTES, Response, readU32, writeU32 } from "./wire.ts";
import type { KeyPair } from "./x25519.ts";

const text = new TextEncoder();
const INITIAL_CHAINING_KEY = hash(text.encode("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
const INITIAL_HASH = hash(INITIAL_CHAINING_KEY, text.encode("WireGuard v1 zx2c4 Jason@zx2c4.com"));
const NONCE_ZERO = new Uint8Array(12);
const EMPTY = new Uint8Array(0);

/** This host's side of every handshake. */
export interface Identity {
  readonly keys: KeyPair;
}

/** The other side, as far as a handshake needs it. */
export interface Remote {
  readonly publicKey: Uint8Array;
  /** The shared secret of both static keys; undefined if it would be all zeros. */
  readonly staticSecret: Uint8Array | undefined;
  /** 32 bytes, all zeros where none is set. */
  readonly presharedKey: Uint8Array;
}

/** A handshake under way. */
export interface HandshakeState {
  chainingKey: Uint8Array;
  hash: Uint8Array;
  /** The initiator's ephemeral keys; at the responder undefined. */
  readonly ephemeral: KeyPair | undefined;
  /** The initiator's ephemeral public key, at the responder. */
  readonly remoteEphemeral: Uint8Array | undefined;
  /** The index by which the other side calls this handshake; at the initiator 0. */
  readonly remoteIndex: number;
}

/** The two keys of a session, from this host's side. */
export interface SessionKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
  readonly remoteIndex: number;
}

/** An initiation that was opened, before it is known whose it is. */
export interface OpenedInitiation {
  readonly publicKey: Uint8Array;
  /** Opens the timestamp, with what belongs to that peer; undefined if it is not authentic. */
  finish(remote: Remote): { readonly timestamp: Uint8Array; readonly state: HandshakeState } | undefined;
}

/** Makes an initiation with zeros for its MACs; undefined if the peer's key is of small order. */
export function createInitiation(
  identity: Identity,
  remote: Remote,
  ephemeral: KeyPair,
  sender: number,
  now: number,
): { message: Uint8Array; state: HandshakeState } | undefined {
  const secret = ephemeral.sharedWith(remote.publicKey);
  if (secret === undefined || remote.staticSecret === undefined) return undefined;
  const message = new Uint8Array(INITIATION_BYTES);
  message[0] = MessageType.initiation;
  writeU32(message, Initiation.sender, sender);
  message.set(ephemeral.publicKey, Initiation.ephemeral);
  const noise = new Noise(remote.publicKey);
  noise.mixPublicKey(ephemeral.publicKey);
  noise.mixKey(secret);
  message.set(noise.seal(identity.keys.publicKey), Initiation.static);
  noise.mixKey(remote.staticSecret);
  message.set(noise.seal(timestamp(now)), Initiation.timestamp);
  return { message, state: { ...noise.state(), ephemeral, remoteEphemeral: undefined, remoteIndex: 0 } };
}

/** Opens an initiation as far as the sender's public key; undefined if it is not authentic. */
export function openInitiation(identity: Identity, message: Uint8Array): OpenedInitiation | undefined {
  const remoteEphemeral = message.slice(Initiation.ephemeral, Initiation.static);
  const noise = new Noise(identity.keys.publicKey);
  noise.mixPublicKey(remoteEphemeral);
  const secret = identity.keys.sharedWith(remoteEphemeral);
  if (secret === undefined) return undefined;
  noise.mixKey(secret);
  const publicKey = noise.open(message.subarray(Initiation.static, Initiation.timestamp));
  if (publicKey === undefined) return undefined;
  return {
    publicKey,
    finish(remote) {
      if (remote.staticSecret === undefined) return undefined;
      noise.mixKey(remote.staticSecret);
      const label = noise.open(message.subarray(Initiation.timestamp, Initiation.mac1));
      if (label?.length !== TIMESTAMP_BYTES) return undefined;
      const remoteIndex = readU32(message, Initiation.sender);
      return { timestamp: label, state: { ...noise.state(), ephemeral: undefined, remoteEphemeral, remoteIndex } };
    },
  };
}

/** Makes the response to an initiation, with zeros for its MACs, and the keys of the session; undefined as above. */
export function createResponse(
  remote: Remote,
  state: HandshakeState,
  ephemeral: KeyPair,
  sender: number,
): { message: Uint8Array; keys: SessionKeys } | undefined {
  const { remoteEphemeral, remoteIndex } = state;
  const secret = remoteEphemeral && ephemeral.sharedWith(remoteEphemeral);
  const staticSecret = ephemeral.sharedWith(remote.publicKey);
  if (secret === undefined || staticSecret === undefined) return undefined;
  const message = new Uint8Array(RESPONSE_BYTES);
  message[0] = MessageType.response;
  writeU32(message, Response.sender, sender);
  writeU32(message, Response.receiver, remoteIndex);
  message.set(ephemeral.publicKey, Response.ephemeral);
  const noise = Noise.from(state);
  noise.mixPublicKey(ephemeral.publicKey);
  noise.mixSecret(secret);
  noise.mixSecret(staticSecret);
  noise.mixPresharedKey(remote.presharedKey);
  message.set(noise.seal(EMPTY), Response.empty);
  const [receive, send] = noise.split();
  return { message, keys: { send, receive, remoteIndex } };
}

/** Opens a response to an initiation of this host; undefined if it is not authentic. */
export function openResponse(
  identity: Identity,
  remote: Remote,
  state: HandshakeState,
  message: Uint8Array,
): SessionKeys | undefined {
  const remoteEphemeral = message.slice(Response.ephemeral, Response.empty);
  const secret = state.ephemeral?.sharedWith(remoteEphemeral);
  const staticSecret = identity.keys.sharedWith(remoteEphemeral);
  if (secret === undefined || staticSecret === undefined) return undefined;
  const noise = Noise.from(state);
  noise.mixPublicKey(remoteEphemeral);
  noise.mixSecret(secret);
  noise.mixSecret(staticSecret);
  noise.mixPresharedKey(remote.presharedKey);
  if (noise.open(message.subarray(Response.empty, Response.mac1)) === undefined) return undefined;
  const [send, receive] = noise.split();
  return { send, receive, remoteIndex: readU32(message, Response.sender) };
}

/** Noise's symmetric state: a chaining key, the hash of all that was said, and the key of the next field. */
class Noise {
  #chainingKey = INITIAL_CHAINING_KEY;
  #hash = INITIAL_HASH;
  #key: Uint8Array = EMPTY;

  /** @param responder The responder's static public key, known to the initiator beforehand. */
  constructor(responder?: Uint8Array) {
    if (responder !== undefined) this.#mixHash(responder);
  }

  static from({ chainingKey, hash }: HandshakeState): Noise {
    const noise = new Noise();
    noise.#chainingKey = chainingKey;
    noise.#hash = hash;
    return noise;
  }

  state(): { chainingKey: Uint8Array; hash: Uint8Array } {
    return { chainingKey: this.#chainingKey, hash: this.#hash };
  }

  /** Takes in an ephemeral public key. */
  mixPublicKey(key: Uint8Array): void {
    this.mixSecret(key);
    this.#mixHash(key);
  }

  /** Takes in a secret that gives no key. */
  mixSecret(secret: Uint8Array): void {
    [this.#chainingKey] = kdf(this.#chainingKey, secret, 1);
  }

  /** Takes in a secret that gives the key of the next field. */
  mixKey(secret: Uint8Array): void {
    [this.#chainingKey, this.#key] = kdf(this.#chainingKey, secret, 2);
  }

  mixPresharedKey(presharedKey: Uint8Array): void {
    const [chainingKey, tau, key] = kdf(this.#chainingKey, presharedKey, 3);
    this.#chainingKey = chainingKey;
    this.#key = key;
    this.#mixHash(tau);
  }

  seal(plain: Uint8Array): Uint8Array {
    const sealed = chacha20poly1305(this.#key, NONCE_ZERO, this.#hash).encrypt(plain);
    this.#mixHash(sealed);
    return sealed;
  }

  open(sealed: Uint8Array): Uint8Array | undefined {
    try {
      const plain = chacha20poly1305(this.#key, NONCE_ZERO, this.#hash).decrypt(sealed);
      this.#mixHash(sealed);
      return plain;
    } catch {
      // The library's way to say that the tag does not fit.
      return undefined;
    }
  }

  /** Returns the keys of the session: from the initiator to the responder, and back. */
  split(): [Uint8Array, Uint8Array] {
    const keys = kdf(this.#chainingKey, EMPTY, 2);
    this.#chainingKey.fill(0);
    return keys;
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hash, data);
  }
}
