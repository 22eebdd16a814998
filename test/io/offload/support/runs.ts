/** Packets in a row, and how they are merged. */
import { expect } from "bun:test";
import { expectSameFlows } from "./order.ts";
import { type Fields, makePacket, noise, offsets, sum16 } from "./packets.ts";
import { HEADER, receive, send } from "./shim.ts";

/** Returns how many packets each write holds; fails if they are not the frames that were given, each flow in order. */
export function runs(frames: readonly Uint8Array[], ethernet = false, off = 0): number[] {
  const writes = send(frames, ethernet, off);
  const counts = writes.map((write) => {
    const packets = receive([write], ethernet);
    expect(packets.length > 1 ? write[0] : write.subarray(0, HEADER)).toEqual(
      packets.length > 1 ? 1 : new Uint8Array(HEADER),
    );
    return packets.length;
  });
  expectSameFlows(receive(writes, ethernet), frames, ethernet);
  return counts;
}

/** Four packets of 100 bytes, in sequence; `change` gives those of some of them other fields. */
export function four(fields: Fields, change: (at: number) => Partial<Fields> = () => ({})): Uint8Array[] {
  return sized(fields, [100, 100, 100, 100], change);
}

/** Packets of these sizes, in sequence. */
export function sized(
  fields: Fields,
  sizes: readonly number[],
  change: (at: number) => Partial<Fields> = () => ({}),
): Uint8Array[] {
  let { sequence } = fields;
  return sizes.map((size, at) => {
    const packet = makePacket({ ...fields, id: fields.id + at, sequence, ...change(at) }, noise(size, at + 1));
    sequence += size;
    return packet;
  });
}

export function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 0x10;
}

type Edit = (bytes: Buffer, at: ReturnType<typeof offsets>) => unknown;

/** A copy in which `edit` has changed bytes, with an IPv4 header checksum that is right for them. */
function edited(frame: Uint8Array, fields: Fields, edit: Edit): Uint8Array {
  const bytes = Buffer.from(frame);
  const at = offsets(fields);
  edit(bytes, at);
  if (fields.version === 4) {
    bytes.writeUInt16BE(0, at.ip + 10);
    bytes.writeUInt16BE(0xffff - sum16(bytes, at.ip, at.ip + 20), at.ip + 10);
  }
  return Uint8Array.from(bytes);
}

/** Four packets, of which `edit` has changed that one. */
export function withEdited(fields: Fields, which: number, edit: Edit): Uint8Array[] {
  return four(fields).map((frame, at) => (at === which ? edited(frame, fields, edit) : frame));
}
