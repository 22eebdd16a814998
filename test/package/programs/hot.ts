/**
 * One loading of a program under `bun --hot`: the first opens devices and keeps
 * them on globalThis, as README says. Each later one collects what the reload
 * dropped, has a frame sent to each device, and opens one of its own beside
 * them, from the new copy of this library. Prints a line for each loading.
 */
import { openTun, type Tun } from "../../../src/index.ts";
import { openFds, until } from "../../support/system.ts";

interface Kept {
  loadings: number;
  received: number[];
  devices: Tun[];
}

const home = globalThis as { kept?: Kept };
home.kept ??= { loadings: 0, received: [0, 0], devices: [] };
const { kept } = home;
const number = kept.loadings++;

if (number === 0) {
  const data = (i: number) => (_: Tun, frames: Uint8Array[]) => {
    kept.received[i] = (kept.received[i] as number) + frames.length;
  };
  kept.devices = [
    openTun({ addresses: ["192.0.2.1/24"], data: data(0) }),
    openTun({ addresses: ["198.51.100.1/24"], data: data(1) }),
  ];
  kept.devices[1]?.unref();
} else {
  for (let i = 0; i < 10; i++) {
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const before = [...kept.received];
using own = openTun({ addresses: ["203.0.113.1/24"] });
const socket = await Bun.udpSocket({});
for (const neighbour of ["192.0.2.2", "198.51.100.2", "203.0.113.2"]) socket.send("payload", 9, neighbour);
const frame = await own.receive();
await until(() => kept.received.every((count, i) => count > (before[i] as number)), "a frame at each device");
socket.close();
console.log(JSON.stringify({ number, own: frame?.length, fds: openFds(/\/net\/tun$/).length }));
