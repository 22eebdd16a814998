/** The C of native/ that splits and merges (shim.c), called with bytes in place of an fd. */
import { cc } from "bun:ffi";
import { type Fields, isEthernet, makeHeader, makePacket } from "./packets.ts";

const { symbols } = cc({
  source: `${import.meta.dir}/shim.c`,
  flags: ["-nostdlib"],
  symbols: {
    shim_split: { args: ["ptr", "i32", "ptr", "i32", "ptr", "i32", "ptr", "i32"], returns: "i32" },
    shim_finish: { args: ["ptr", "i32", "ptr"], returns: "i32" },
    shim_checksum: { args: ["ptr", "i32"], returns: "i32" },
    shim_copy_checksum: { args: ["ptr", "i32", "ptr", "i32"], returns: "i32" },
    shim_use_avx2: { args: ["i32"], returns: "i32" },
    shim_send: { args: ["ptr", "ptr", "ptr", "i32", "i32", "ptr", "i32", "ptr", "i32", "ptr", "ptr"], returns: "i32" },
    shim_send_state: { args: [], returns: "i32" },
  },
});

export const HEADER = 10;
const ROOM = 8 * 1024 * 1024;
const out = new Uint8Array(ROOM);
const lengths = new Int32Array(65_536);

function cut(count: number): Uint8Array[] {
  let at = 0;
  return Array.from(lengths.subarray(0, count), (length) => {
    at += length;
    return out.slice(at - length, at);
  });
}

/** The packets in a super-packet; none if it is refused. */
export function split(header: Uint8Array, frame: Uint8Array, ethernet: boolean): Uint8Array[] {
  const count = symbols.shim_split(frame, frame.length, header, ethernet ? 1 : 0, out, ROOM, lengths, lengths.length);
  if (count < 0) throw new Error(`split_begin() told another number of packets than came, or too many: ${count}`);
  return cut(count);
}

/** The packets in the super-packet of these fields, `size` bytes of payload in each. */
export function splitOf(fields: Fields, payload: Uint8Array, size: number): Uint8Array[] {
  return split(makeHeader(fields, size), makePacket(fields, payload, true), isEthernet(fields));
}

/** The frame with its checksum completed, or undefined if it is refused. */
export function finish(header: Uint8Array, frame: Uint8Array): Uint8Array | undefined {
  const copy = frame.slice();
  return symbols.shim_finish(copy, copy.length, header) === 1 ? copy : undefined;
}

/** Switches sums with AVX2 on where the processor has it, or off; returns true if they are on. */
export function useAvx2(on: boolean): boolean {
  return symbols.shim_use_avx2(on ? 1 : 0) === 1;
}

export function checksum(bytes: Uint8Array): number {
  return symbols.shim_checksum(bytes, bytes.length);
}

/** The same as {@link checksum}, and a copy goes to `to`. */
export function copyChecksum(bytes: Uint8Array, to: Uint8Array, offset: number): number {
  return symbols.shim_copy_checksum(bytes, bytes.length, to, offset);
}

/** Kinds of packets that are not merged: `off` of struct sending. */
export const KIND = { tcp4: 1, udp4: 2, tcp6: 4, udp6: 8 } as const;

export interface Sent {
  /** The bytes of each write, virtio header and all. */
  writes: Uint8Array[];
  /** 0, or a negative errno. */
  result: number;
  /** The frames that vnet_push() had taken when that came. */
  given: number;
  pending: number;
  off: number;
  /** Frames that were refused for good, by their place and a negative errno. */
  refused: Map<number, number>;
  /** Frames before the pending ones that were not written either. */
  kept: Uint8Array[];
}

/** A device's state for sending (struct sending). */
export class SendState {
  readonly #state = new Uint8Array(symbols.shim_send_state());
  #off = 0;

  /**
   * Returns what a device writes for these frames. `errors` has the errno of each
   * write, 0 for none; the last is that of all after it too.
   */
  send(
    frames: readonly Uint8Array[],
    ethernet: boolean,
    { off = this.#off, errors = [0] }: { off?: number; errors?: readonly number[] } = {},
  ): Sent {
    const sizes = Int32Array.of(...frames.map(({ length }) => length), 0);
    const bytes = Buffer.concat([...frames, new Uint8Array(1)]);
    const plan = Int32Array.from(errors);
    const report = new Int32Array(6 + 2 * 2560);
    report[3] = off;
    const count = symbols.shim_send(
      ...([this.#state, bytes, sizes, frames.length, ethernet ? 1 : 0, plan, plan.length] as const),
      ...([out, ROOM, lengths, report] as const),
    );
    const [result = 0, given = 0, pending = 0, now = 0, keptCount = 0, refusedCount = 0, ...refusals] = report;
    this.#off = now;
    const writes = cut(count + keptCount);
    const kept = writes.splice(count);
    const refused = new Map<number, number>();
    for (let i = 0; i < refusedCount; i++) refused.set(refusals[2 * i] as number, refusals[2 * i + 1] as number);
    return { writes, result, given, pending, off: now, refused, kept };
  }
}

/** Returns what a new device writes for these frames. */
export function send(frames: readonly Uint8Array[], ethernet: boolean, off = 0): Uint8Array[] {
  const { writes, result, refused } = new SendState().send(frames, ethernet, { off });
  if (result < 0 || refused.size > 0) throw new Error(`The frames were refused: ${result}`);
  return writes;
}

/** Returns what the kernel makes of these writes in the end: super-packets split, the others as they are. */
export function receive(writes: readonly Uint8Array[], ethernet: boolean): Uint8Array[] {
  return writes.flatMap((write) => {
    const [header, frame] = [write.subarray(0, HEADER), write.subarray(HEADER)];
    if (header[1] === 0) return [frame];
    const packets = split(header, frame, ethernet);
    if (packets.length < 2)
      throw new Error(`A super-packet of ${packets.length} packets was written: ${header.toHex()}`);
    return packets;
  });
}
