/** The C that sends datagrams, with answers of the kernel that a test hands in (kernel.c). */
import { cc } from "bun:ffi";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { source } from "../support/shim.ts";

function compile() {
  const folder = mkdtempSync("/tmp/bun-tuntap-kernel-");
  try {
    writeFileSync(`${folder}/all.c`, `${source}\n${readFileSync(`${import.meta.dir}/kernel.c`, "utf8")}`);
    return cc({
      source: `${folder}/all.c`,
      flags: ["-nostdlib"],
      symbols: {
        kernel_send_state: { args: [], returns: "i32" },
        kernel_receive: { args: ["ptr", "ptr", "i32", "i32", "ptr", "i32", "ptr", "i32", "i32"], returns: "i32" },
        kernel_taken: { args: [], returns: "i32" },
        kernel_send: { args: ["ptr", "i32", "ptr", "ptr", "ptr", "i32", "ptr", "i32", "ptr"], returns: "i32" },
      },
    }).symbols;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const symbols = compile();

/** A message that the kernel took. */
export interface Message {
  readonly bytes: number;
  /** Bytes of each datagram; 0 without UDP_SEGMENT. */
  readonly segment: number;
  /** The number of its first datagram. */
  readonly first: number;
}

export interface Outcome {
  /** 0, or the -errno of the datagram at `done`. */
  readonly result: number;
  /** Datagrams before that one. */
  readonly done: number;
  readonly messages: Message[];
  readonly calls: number;
  /** The longest datagram that may be one of a segmented run from now on. */
  readonly segmentMax: number;
  readonly icmp: number;
  readonly refusals: number;
}

/** Sends datagrams of these lengths; `answers` are the kernel's: 0 for yes, -errno, or how many messages of a call it took. */
export function send(
  lengths: readonly number[],
  answers: readonly number[] = [],
  segmentMax = 65_535,
  gap = 0,
): Outcome {
  const state = new Uint8Array(symbols.kernel_send_state());
  const offsets: number[] = [];
  let end = 0;
  for (const length of lengths) {
    offsets.push(end);
    end += length + gap;
  }
  const bytes = new Uint8Array(end + 1);
  for (const [i, offset] of offsets.entries()) bytes.fill(i, offset, offset + (lengths[i] as number));
  const out = new Int32Array(8 + 3 * 4096);
  const plan = Int32Array.of(...answers, 0);
  const sizes = Int32Array.of(...lengths);
  const count = lengths.length;
  const result = symbols.kernel_send(
    state,
    segmentMax | 0,
    bytes,
    Int32Array.of(...offsets),
    sizes,
    count,
    plan,
    answers.length,
    out,
  );
  const [pushed = 0, pending = 0, max = 0, icmp = 0, refusals = 0, logged = 0, calls = 0] = out;
  const messages = Array.from({ length: logged }, (_, i) => {
    const [size = 0, segment = 0, first = 0] = out.subarray(8 + 3 * i);
    return { bytes: size, segment, first };
  });
  const done = result < 0 ? pushed - pending : pushed;
  return { result: Math.min(result, 0), done, messages, calls, segmentMax: max, icmp, refusals };
}

/** A message that waits in the kernel; `bytes` below 0 is the error that a call meets. */
export interface Waiting {
  readonly bytes: number;
  /** Bytes of each datagram that it was merged of; 0 if it is one. */
  readonly segment?: number;
  readonly port?: number;
  readonly flags?: number;
}

/** A message as native/udp_receive.c describes it. */
export interface Received {
  readonly offset: number;
  readonly bytes: number;
  readonly segment: number;
  /** The number that its sender is kept under. */
  readonly peer: number;
  readonly isNew: boolean;
  /** The bytes at its place, which are all the number of the message, from 1 on. */
  readonly content: Set<number>;
}

/** A socket's receiving side. */
export class Receiving {
  readonly #state = new Uint8Array(symbols.kernel_send_state());
  readonly #slab: Uint8Array;

  constructor(room: number) {
    this.#slab = new Uint8Array(room);
  }

  get counters(): { lost: number; truncated: number; icmp: number } {
    const [, , , lost = 0, truncated = 0, icmp = 0] = new Uint32Array(this.#state.buffer, 0, 6);
    return { lost, truncated, icmp };
  }

  /** Reads; returns the messages, or the -errno, and how many of those that waited were taken. */
  read(messages: readonly Waiting[], limit = 1024, lost = 0): { result: number; received: Received[]; taken: number } {
    const records = new Int32Array(4 * 1024);
    const flat = Int32Array.of(
      ...messages.flatMap(({ bytes, segment = 0, port = 9, flags = 0 }) => [bytes, segment, port, flags]),
      0,
    );
    const result = symbols.kernel_receive(
      this.#state,
      this.#slab,
      8,
      this.#slab.length,
      records,
      // cc's own bindings misread a whole number that is kept as a double (oven-sh/bun#37978).
      limit | 0,
      flat,
      messages.length | 0,
      lost | 0,
    );
    const received = Array.from({ length: Math.max(0, result) }, (_, i) => {
      const [offset = 0, bytes = 0, segment = 0, peer = 0] = records.subarray(4 * i);
      const content = new Set(this.#slab.subarray(offset, offset + bytes));
      return { offset, bytes, segment, peer: peer & 0xffff, isNew: peer > 0xffff, content };
    });
    return { result, received, taken: symbols.kernel_taken() };
  }
}
