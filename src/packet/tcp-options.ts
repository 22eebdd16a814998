import { readUint16, readUint32, writeUint16, writeUint32 } from "./bytes.ts";
import { requireBytes, requireInteger, wrongType, wrongValue } from "./check.ts";

/** One option of a TCP header. */
export type TcpOption =
  /** End of the list; nothing but padding follows. RFC 9293 section 3.1. */
  | { kind: "end" }
  /** No operation: one octet of padding between options. */
  | { kind: "nop" }
  /** Maximum segment size, bytes; RFC 9293 section 3.7.1. */
  | {
      kind: "mss";
      /** Bytes. */
      mss: number;
    }
  /** The window is to be shifted by so many bits; RFC 7323 section 2. */
  | {
      kind: "windowScale";
      /** 0 to 14. */
      shift: number;
    }
  /** RFC 2018 section 2. */
  | { kind: "sackPermitted" }
  /** Blocks of bytes that have arrived behind a gap, as sequence numbers, `end` not included; RFC 2018 section 3. */
  | {
      kind: "sack";
      /** One to four blocks. */
      blocks: {
        /** Sequence number of the first byte. */
        start: number;
        /** Sequence number behind the last byte. */
        end: number;
      }[];
    }
  /** RFC 7323 section 3. */
  | {
      kind: "timestamps";
      /** The sender's clock. */
      value: number;
      /** The last value that the sender has got from the receiver. */
      echoReply: number;
    }
  /** Any other, or one of these with a length that is not its own: its number, and what is behind number and length. */
  | {
      kind: "unknown";
      /** Type of the option, 0 to 255. */
      number: number;
      /** Bytes behind type and length. */
      data: Uint8Array;
    }
  /** The rest of a list that goes on in a way that cannot be read. */
  | {
      kind: "malformed";
      /** The rest of the options. */
      data: Uint8Array;
    };

/** Option numbers, out of IANA's "TCP Parameters". */
const END = 0;
const NOP = 1;
const MSS = 2;
const WINDOW_SCALE = 3;
const SACK_PERMITTED = 4;
const SACK = 5;
const TIMESTAMPS = 8;
const LENGTH_MAX = 40;
const SACK_BLOCK = 8;
const UINT32_MAX = 0xffff_ffff;

/** Reads the options from `start` up to `end`; what is wrong with them shows as `"malformed"`. */
export function readTcpOptions(bytes: Uint8Array, start: number, end: number): TcpOption[] {
  const options: TcpOption[] = [];
  for (let at = start; at < end; ) {
    const number = bytes[at] as number;
    if (number === END) {
      options.push({ kind: "end" });
      break;
    }
    const length = number === NOP ? 1 : at + 1 < end ? (bytes[at + 1] as number) : 0;
    if (number !== NOP && (length < 2 || at + length > end)) {
      options.push({ kind: "malformed", data: bytes.subarray(at, end) });
      break;
    }
    options.push(number === NOP ? { kind: "nop" } : readOption(number, bytes.subarray(at + 2, at + length)));
    at += length;
  }
  return options;
}

function readOption(number: number, data: Uint8Array): TcpOption {
  const { length } = data;
  if (number === MSS && length === 2) return { kind: "mss", mss: readUint16(data, 0) };
  if (number === WINDOW_SCALE && length === 1) return { kind: "windowScale", shift: data[0] as number };
  if (number === SACK_PERMITTED && length === 0) return { kind: "sackPermitted" };
  if (number === SACK && length > 0 && length % SACK_BLOCK === 0) return { kind: "sack", blocks: readBlocks(data) };
  if (number === TIMESTAMPS && length === 8) {
    return { kind: "timestamps", value: readUint32(data, 0), echoReply: readUint32(data, 4) };
  }
  return { kind: "unknown", number, data };
}

function readBlocks(data: Uint8Array): { start: number; end: number }[] {
  const blocks: { start: number; end: number }[] = [];
  for (let at = 0; at < data.length; at += SACK_BLOCK) {
    blocks.push({ start: readUint32(data, at), end: readUint32(data, at + 4) });
  }
  return blocks;
}

/** The options as they are on the wire, padded with zeros to a multiple of 4 bytes. */
export function encodeTcpOptions(options: readonly TcpOption[]): Uint8Array {
  if (!Array.isArray(options)) throw wrongType("options", options, "an array of TCP options");
  const encoded = options.map(encodeOption);
  const length = encoded.reduce((sum, bytes) => sum + bytes.length, 0);
  if (length > LENGTH_MAX) throw wrongValue("options", length, `at most ${LENGTH_MAX} bytes in all`);
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
  let at = 0;
  for (const piece of encoded) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function encodeOption(option: TcpOption): Uint8Array {
  switch (option.kind) {
    case "end":
      return Uint8Array.of(END);
    case "nop":
      return Uint8Array.of(NOP);
    case "mss":
      return encode(MSS, 2, (data) => writeUint16(data, 0, requireInteger("mss", option.mss, 0, 0xffff)));
    case "windowScale":
      return Uint8Array.of(WINDOW_SCALE, 3, requireInteger("shift", option.shift, 0, 0xff));
    case "sackPermitted":
      return Uint8Array.of(SACK_PERMITTED, 2);
    case "sack":
      return encodeSack(option.blocks);
    case "timestamps":
      return encode(TIMESTAMPS, 8, (data) => {
        writeUint32(data, 0, requireInteger("value", option.value, 0, UINT32_MAX));
        writeUint32(data, 4, requireInteger("echoReply", option.echoReply, 0, UINT32_MAX));
      });
    case "unknown": {
      const number = requireInteger("number", option.number, 2, 0xff);
      const given = requireData(option.data, LENGTH_MAX - 2);
      return encode(number, given.length, (data) => data.set(given));
    }
    case "malformed":
      return requireData(option.data, LENGTH_MAX).slice();
    default:
      throw wrongValue("kind", (option as { kind: unknown }).kind, 'the kind of a TCP option, such as "mss"');
  }
}

function encodeSack(blocks: readonly { start: number; end: number }[]): Uint8Array {
  if (!Array.isArray(blocks)) throw wrongType("blocks", blocks, "an array of blocks");
  // RFC 2018 section 3: more than four would not fit.
  requireInteger("blocks.length", blocks.length, 1, 4);
  return encode(SACK, blocks.length * SACK_BLOCK, (data) => {
    for (const [i, { start, end }] of blocks.entries()) {
      writeUint32(data, i * SACK_BLOCK, requireInteger("start", start, 0, UINT32_MAX));
      writeUint32(data, i * SACK_BLOCK + 4, requireInteger("end", end, 0, UINT32_MAX));
    }
  });
}

function encode(number: number, dataLength: number, fill: (data: Uint8Array) => void): Uint8Array {
  const bytes = new Uint8Array(2 + dataLength);
  bytes.set([number, bytes.length]);
  fill(bytes.subarray(2));
  return bytes;
}

function requireData(data: Uint8Array, lengthMax: number): Uint8Array {
  if (requireBytes("data", data).length <= lengthMax) return data;
  throw wrongValue("data", data, `at most ${lengthMax}`);
}
