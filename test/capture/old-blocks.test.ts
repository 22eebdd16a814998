/** Obsolete packet blocks, which older programs wrote, against what tshark reads. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { type CapturedFrame, readCapture } from "../../src/capture/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { folder, tshark } from "./support.ts";

/** A section with two packets in blocks of the type 2: one with lost frames before it and a direction, one without. */
function oldCapture(isLittle: boolean): Uint8Array {
  const bytes: number[] = [];
  const u16 = (value: number): void =>
    void bytes.push(...(isLittle ? [value & 0xff, value >> 8] : [value >> 8, value & 0xff]));
  const u32 = (value: number): void => {
    for (const half of isLittle ? [value & 0xffff, value >>> 16] : [value >>> 16, value & 0xffff]) u16(half);
  };
  const all = (...values: number[]): void => values.forEach(u32);
  all(0x0a0d0d0a, 28, 0x1a2b3c4d);
  [1, 0].forEach(u16);
  all(0xffff_ffff, 0xffff_ffff, 28, 1, 20);
  [1, 0].forEach(u16);
  all(65535, 20, 2, 60);
  [0, 7].forEach(u16);
  all(0x5_0000, 0x1234_5678, 14, 60, ...[1, 2, 3, 4]);
  [2, 4].forEach(u16);
  all(1, 0, 60, 2, 48);
  [0, 0xffff].forEach(u16);
  all(0x5_0000, 0x2234_5678, 14, 14, 5, 6, 7, 8, 48);
  return Uint8Array.from(bytes);
}

describeWithTools("obsolete packet blocks", ["tshark"], () => {
  test("are read as tshark reads them, in both byte orders", async () => {
    using files = folder();
    const [little, big] = [true, false].map((isLittle) => oldCapture(isLittle));
    writeFileSync(files.file("old.pcapng"), Buffer.concat([little as Uint8Array, big as Uint8Array]));
    const read: CapturedFrame[] = [];
    for await (const frame of readCapture(files.file("old.pcapng"))) read.push(frame);
    const seconds = ({ timestampNs = 0n }: CapturedFrame): string => `${Number(timestampNs) / 1e9}`;
    const fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.packet_flags_direction"];
    expect(tshark(files.file("old.pcapng"), fields)).toEqual(
      read.map((one) => [
        expect.stringMatching(new RegExp(`^${seconds(one).replace(".", "\\.")}0*$`)),
        `${one.originalLength}`,
        `${one.frame.length}`,
        one.direction === "inbound" ? "0x00000001" : "",
      ]),
    );
    expect(read.map(({ dropped }) => dropped)).toEqual([7, undefined, 7, undefined]);
  });
});
