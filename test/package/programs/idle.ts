/** Listens on three devices in three ways; on the word "send" has a frame sent to each, and counts those that arrive. */
import { openTap, openTun, type Tun } from "../../../src/index.ts";

let received = 0;

function arrived(): void {
  if (++received === 3) console.log(`received ${received}`);
}

const devices = [
  openTun({ addresses: ["192.0.2.1/24"], data: (_, frames) => frames.forEach(arrived) }),
  openTun({ addresses: ["198.51.100.1/24"] }),
  openTap({ addresses: ["203.0.113.1/24"] }),
];
void devices[1]?.receive().then((frame) => frame !== null && arrived());
void (async () => {
  for await (const _ of devices[2] as unknown as Tun) return arrived();
})();

process.stdin.on("data", async () => {
  const socket = await Bun.udpSocket({});
  for (const neighbour of ["192.0.2.2", "198.51.100.2", "203.0.113.2"]) socket.send("payload", 9, neighbour);
  socket.close();
});
process.stdin.on("end", () => {
  for (const device of devices) device.close();
});
console.log("listening");
