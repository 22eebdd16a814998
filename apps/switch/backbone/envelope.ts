/**
 * The head of each message on the backbone, in front of its body:
 *
 *   0   "BT"
 *   2   version
 *   3   kind
 *   4   run, 48 bits: one process of the hub
 *   10  sequence, 32 bits: counts the messages of frames to one hub, and those to all
 *   14  length of the LAN's name
 *   15  length of the hub's name
 *   16  both names, ASCII
 *
 * It is in the payload: headers of NATS are text, which costs more to build and to read.
 */

import type { Arena } from "./arena.ts";

/** Kinds of messages. */
export const Kind = {
  /** Frames for one hub's clients. */
  FRAMES: 1,
  /** Frames for everybody's clients. */
  FLOOD: 2,
  HELLO: 3,
  BYE: 4,
  /** MAC addresses that have come and gone. */
  CHANGES: 5,
  /** All MAC addresses of a hub, or a part of them. */
  TABLE: 6,
  /** Asks for a {@link Kind.TABLE}. */
  ASK_TABLE: 7,
  /** Asks for a {@link Kind.HELLO}. */
  WHO: 8,
  /** Asks for a {@link Kind.STATUS}; the body says of which clients. */
  ASK_STATUS: 9,
  STATUS: 10,
  /** Clients that have joined: who has older connections of them ends those. */
  JOINED: 11,
  /** Carries frames like {@link Kind.FRAMES}, which are to be confirmed. */
  FRAMES_ASKING: 12,
  /** Asks to confirm what has come so far. */
  ASK_CONFIRM: 13,
  /** Confirms frames up to the sequence number of this message. */
  CONFIRM: 14,
  /** Addresses that flap, and are held as this hub's clients. */
  HELD: 15,
} as const;

/** Kind of a message. */
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Head of a message that is for this LAN. */
export interface Envelope {
  readonly kind: number;
  readonly hub: string;
  readonly run: number;
  readonly sequence: number;
  /** The rest of the message, a view. */
  readonly body: Buffer;
}

/** Reasons why a message is not for this LAN: no envelope, one of another version, of another LAN. */
export type Foreign = "garbage" | "version" | "lan";

const MAGIC = 0x4254;
const VERSION = 1;
const KIND_AT = 3;
const RUN_AT = 4;
const RUN_LENGTH = 6;
const SEQUENCE_AT = 10;
const LAN_LENGTH_AT = 14;
const HUB_LENGTH_AT = 15;
const NAMES_AT = 16;

/** Makes the heads of one hub's messages, and reads those of others. */
export class Envelopes {
  /** Bytes before the body. */
  readonly length: number;
  readonly #template: Buffer;
  readonly #lan: Buffer;

  constructor(lan: string, hub: string, run: number) {
    const names = Buffer.from(lan + hub, "latin1");
    this.length = NAMES_AT + names.length;
    this.#template = Buffer.alloc(this.length);
    this.#template.writeUInt16BE(MAGIC, 0);
    this.#template[2] = VERSION;
    this.#template.writeUIntBE(run, RUN_AT, RUN_LENGTH);
    this.#template[LAN_LENGTH_AT] = lan.length;
    this.#template[HUB_LENGTH_AT] = hub.length;
    this.#template.set(names, NAMES_AT);
    this.#lan = Buffer.from(lan, "latin1");
  }

  /** Joins head and parts of a body, in memory of `arena` or in a buffer of their own. */
  seal(kind: Kind, sequence: number, parts: readonly Uint8Array[], arena?: Arena): Buffer {
    let { length } = this;
    for (const part of parts) length += part.length;
    const message = arena?.take(length) ?? Buffer.allocUnsafeSlow(length);
    message.set(this.#template);
    message[KIND_AT] = kind;
    message.writeUInt32BE(sequence, SEQUENCE_AT);
    let at = this.length;
    for (const part of parts) {
      message.set(part, at);
      at += part.length;
    }
    return message;
  }

  /** Reads the head of a message, which anybody may have sent who is allowed to publish. */
  open(bytes: Uint8Array): Envelope | Foreign {
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (message.length < NAMES_AT || message.readUInt16BE(0) !== MAGIC) return "garbage";
    if (message[2] !== VERSION) return "version";
    const hubAt = NAMES_AT + (message[LAN_LENGTH_AT] as number);
    const end = hubAt + (message[HUB_LENGTH_AT] as number);
    if (end > message.length || end === hubAt) return "garbage";
    if (message.compare(this.#lan, 0, this.#lan.length, NAMES_AT, hubAt) !== 0) return "lan";
    return {
      kind: message[KIND_AT] as number,
      run: message.readUIntBE(RUN_AT, RUN_LENGTH),
      sequence: message.readUInt32BE(SEQUENCE_AT),
      hub: message.toString("latin1", hubAt, end),
      body: message.subarray(end),
    };
  }
}

/** Returns a number that no other process of a hub has: 48 random bits, not 0. */
export function newRun(): number {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(RUN_LENGTH))).readUIntBE(0, RUN_LENGTH) || 1;
}
