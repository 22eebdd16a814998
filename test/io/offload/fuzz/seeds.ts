/** Writes the first inputs of the fuzz targets, made of real super-packets: `bun test/io/offload/fuzz/seeds.ts`. */
import { mkdirSync } from "node:fs";
import type { Golden } from "../golden/golden.ts";
import golden from "../golden/super-packets.json";

const bytes = (hex: string): Uint8Array => Uint8Array.fromHex(hex);
const corpus = `${import.meta.dir}/corpus`;

async function write(target: string, name: string, ...parts: (Uint8Array | number[])[]): Promise<void> {
  mkdirSync(`${corpus}/${target}`, { recursive: true });
  await Bun.write(`${corpus}/${target}/${name}`, Buffer.concat(parts.map((part) => Uint8Array.from(part))));
}

for (const [at, { ethernet, header, frame, packets }] of (golden as Golden[]).entries()) {
  const link = ethernet ? 1 : 0;
  // Rooms of 64 to 1,000 bytes, one to four packets a read.
  await write("split", `golden-${at}`, [link | ((1 + at) << 1), at % 4], bytes(header), bytes(frame));
  const finishing = bytes(header);
  await write("split", `golden-unfinished-${at}`, [link | 0xfe, 63], finishing.fill(0, 1, 6), bytes(frame));
  await write("finish", `golden-${at}`, bytes(header).subarray(6), bytes(frame));
  const steps = packets
    .map(bytes)
    .map((packet) => Buffer.concat([Uint8Array.of(0x40, packet.length >> 8, packet.length), packet]));
  await write("merge", `golden-${at}`, [link, 0, 0, 0], ...steps);
}
for (const link of [0, 1]) {
  // All four flows in turns, packet by packet; written, refused as one for want of memory, and stopped in between.
  const inTurns = Array.from({ length: 24 }, (_, at) => [0x80 | (at % 4), 0, 100]);
  await write("merge", `in-turns-${link}`, [link, 0, 0, 0], ...inTurns);
  await write("merge", `in-turns-no-memory-${link}`, [link, 0, 201, 0], ...inTurns);
  for (let full = 1; full < 5; full++)
    await write("merge", `in-turns-stopped-${link}-${full}`, [link, 0, 0, full], ...inTurns);
  for (let flow = 0; flow < 4; flow++) {
    // Six packets of 100 bytes, then one of 50 with PSH; more than 64 KiB; more than the most there may be in one.
    await write(
      "merge",
      `runs-${link}-${flow}`,
      [link, 0, 0, 0],
      [0x84 | flow, 0, 100, flow, 0x18, 0x80 | flow, 0, 50, flow, 0x10, 0xbc | flow, 3, 232],
    );
    await write(
      "merge",
      `many-${link}-${flow}`,
      [link, 0, 0, 0],
      ...Array.from({ length: 8 }, () => [0xbc | flow, 0, 9]),
    );
    await write(
      "merge",
      `refused-${link}-${flow}`,
      [link, 0, 1 + flow, 8],
      [0x90 | flow, 0, 100, 0x88 | (flow ^ 1), 0, 80, 0x90 | flow, 0, 100],
    );
  }
}
