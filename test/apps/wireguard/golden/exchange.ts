/** A core whose keys and random bytes are the same in every run, and what passed between it and another implementation. */
import { createHash } from "node:crypto";
import type { Aead } from "../../../../apps/wireguard/core/protocol/aead.ts";
import { Protocol } from "../../../../apps/wireguard/core/protocol/protocol.ts";
import { KeyPair } from "../../../../apps/wireguard/core/protocol/x25519.ts";

export const OUR_INNER = "198.51.100.1";
export const THEIR_INNER = "198.51.100.2";

/** What was received, and what the core did then; all bytes as hexadecimal text. */
export interface Step {
  readonly now: number;
  /** Empty for the step that begins. */
  readonly received: string;
  readonly sent: string[];
  readonly delivered: string[];
}

export interface Exchange {
  /** True if the core began the handshake. */
  readonly begins: boolean;
  readonly steps: Step[];
}

/** 32 bytes that a name stands for. */
export function fixed(name: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(name).digest());
}

export function makeProtocol(
  aead: Aead,
  transmit: (message: Uint8Array, endpoint: string) => void,
  deliver: (packet: Uint8Array) => void,
  endpoint: string | undefined,
): Protocol<string> {
  let calls = 0;
  const protocol = new Protocol<string>({
    aead,
    random: (bytes) => fixed(`random ${calls++}`).slice(0, bytes),
    addressOf: (from) => new TextEncoder().encode(from),
    hostOf: (from) => from,
    outlet: {
      transmit: (to, messages) => {
        for (const message of messages) transmit(message, to);
        return true;
      },
      deliver: (packets) => packets.forEach(deliver),
    },
  });
  protocol.setPrivateKey(fixed("ours"));
  const peer = protocol.addPeer(new KeyPair(fixed("theirs")).publicKey);
  if (peer === undefined) throw new Error("The peer is this host");
  peer.presharedKey = fixed("preshared");
  peer.endpoint = endpoint;
  protocol.allowedIps.set({ address: Uint8Array.from(THEIR_INNER.split("."), Number), length: 32 }, peer);
  return protocol;
}
