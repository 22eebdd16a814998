/**
 * unshare -n bun flows.ts --flows N [--size BYTES] SECONDS
 *
 * Gives 256 TCP segments of N interleaved flows to sendMany(), again and again,
 * and prints how many frames were written for the 256, how many nanoseconds
 * of CPU and writes a packet took, and the peak memory:
 * {"writes":…,"nsPerPacket":…,"callsPerPacket":…,"peakMb":…}. The kernel drops the
 * packets after its IP layer has seen them: their address is nobody's.
 */
import { parseArgs } from "node:util";
import { openTun } from "../../src/index.ts";
import { fillChecksums } from "../../src/packet/index.ts";

const PACKETS = 256;
const PORT = 5201;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    flows: { type: "string", default: "1" },
    size: { type: "string", default: "1448" },
  },
});
const flows = Number(values.flows);
const size = Number(values.size);

/** A segment with a timestamp option, as Linux sends it; `at` is its number in its flow. */
function writeSegment(packet: Uint8Array, flow: number, at: number): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  packet.set([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1]);
  view.setUint16(2, packet.length);
  view.setUint16(4, at);
  view.setUint16(20, 10_000 + flow);
  view.setUint16(22, PORT);
  view.setUint32(24, at * size);
  view.setUint32(28, 1);
  packet.set([0x80, 0x10, 1, 0xf5, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], 32);
  packet.fill(flow + at, 52);
  fillChecksums(packet);
}

// One behind the other, as received frames lie in a slab.
const room = (52 + size + 7) & ~7;
const slab = new Uint8Array(8 + PACKETS * room);
const frames = Array.from({ length: PACKETS }, (_, i) => {
  const frame = slab.subarray(8 + i * room, 8 + i * room + 52 + size);
  writeSegment(frame, i % flows, Math.floor(i / flows));
  return frame;
});

const device = openTun({ offload: true, up: true, addresses: ["192.0.2.2/24"] });
const send = (): void => {
  if (device.sendMany(frames) !== PACKETS) throw new Error("The kernel takes no more");
};
for (let i = 0; i < 500; i++) send();
const before = device.stats().rxPackets;
const end = performance.now() + Number(positionals[0]) * 1000;
const cpuBefore = process.cpuUsage();
let calls = 0;
for (; performance.now() < end; calls += 20) for (let i = 0; i < 20; i++) send();
const { user, system } = process.cpuUsage(cpuBefore);
const writes = (device.stats().rxPackets - before) / calls;
device.close();
const nsPerPacket = ((user + system) * 1000) / calls / PACKETS;
const peakMb = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ writes, nsPerPacket, callsPerPacket: writes / PACKETS, peakMb }));
