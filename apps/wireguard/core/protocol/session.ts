import type { Aead, AeadKey } from "./aead.ts";
import {
  REJECT_AFTER_MESSAGES_HIGH,
  REJECT_AFTER_MS,
  REKEY_AFTER_MESSAGES_HIGH,
  REKEY_AFTER_MS,
  REKEY_ON_RECEIPT_MS,
} from "./constants.ts";
import type { SessionKeys } from "./handshake.ts";
import { ReplayWindow } from "./replay-window.ts";

const TWO_32 = 2 ** 32;

/** A pair of keys that data messages are sealed and opened with, for three minutes at most. */
export class Session {
  /** The index in what this host receives. */
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly isInitiator: boolean;
  readonly since: number;
  readonly sending: AeadKey;
  readonly receiving: AeadKey;
  readonly window: ReplayWindow = new ReplayWindow();
  /** The counter of the next message, in two halves. */
  counterHigh = 0;
  counterLow = 0;

  constructor(aead: Aead, keys: SessionKeys, localIndex: number, isInitiator: boolean, now: number) {
    this.localIndex = localIndex;
    this.remoteIndex = keys.remoteIndex;
    this.isInitiator = isInitiator;
    this.since = now;
    this.sending = aead.key(keys.send);
    this.receiving = aead.key(keys.receive);
    keys.send.fill(0);
    keys.receive.fill(0);
  }

  /** Tells whether messages may still be sealed with it. */
  canSend(now: number): boolean {
    return now - this.since < REJECT_AFTER_MS && this.counterHigh < REJECT_AFTER_MESSAGES_HIGH;
  }

  /** Tells whether messages may still be opened with it; the replay window looks at their counters. */
  canReceive(now: number): boolean {
    return now - this.since < REJECT_AFTER_MS;
  }

  /** Tells whether this host should start a new handshake, having sent. The responder does not because of age. */
  isStaleForSending(now: number): boolean {
    return this.counterHigh >= REKEY_AFTER_MESSAGES_HIGH || (this.isInitiator && now - this.since >= REKEY_AFTER_MS);
  }

  /** Tells whether this host should start a new handshake, having received. */
  isStaleForReceiving(now: number): boolean {
    return this.isInitiator && now - this.since >= REKEY_ON_RECEIPT_MS;
  }

  /** Moves the counter on by `count` messages. */
  advance(count: number): void {
    this.counterLow += count;
    if (this.counterLow < TWO_32) return;
    this.counterLow -= TWO_32;
    this.counterHigh++;
  }

  wipe(): void {
    this.sending.wipe();
    this.receiving.wipe();
  }
}
