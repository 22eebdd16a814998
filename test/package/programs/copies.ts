/**
 * Two copies of this library in one process, as a cleared require.cache or two
 * versions in node_modules make them. Prints as JSON what each device receives
 * while both are in use, after the first copy's modules are forgotten, and what
 * is still open once its device is closed and it is collected.
 */
import type { Tun } from "../../../src/index.ts";
import { openFds, until } from "../../support/system.ts";

type Library = typeof import("../../../src/index.ts");

/** Forgets the modules of this library, so that the next require() loads a copy of its own. */
function forget(): void {
  for (const path of Object.keys(require.cache)) if (/\/src\//.test(path)) delete require.cache[path];
}

/** Opens a device of a new copy, of which nothing is kept beside the device. */
function openByCopy(address: string): Tun {
  forget();
  return (require("../../../src/index.ts") as Library).openTun({ addresses: [address] });
}

async function collect(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    Bun.gc(true);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const socket = await Bun.udpSocket({});

async function receivedBy(device: Tun, neighbour: string): Promise<string> {
  const frame = device.receive();
  socket.send(`to ${neighbour}`, 9, neighbour);
  return new TextDecoder().decode((await frame)?.subarray(28));
}

const shims = (): number => openFds(/\[eventpoll\]$/).length;
const atFirst = shims();

async function withBoth(): Promise<{ apart: boolean; received: string[] }> {
  using first = openByCopy("192.0.2.1/24");
  using second = openByCopy("198.51.100.1/24");
  forget();
  await collect();
  const received = [await receivedBy(first, "192.0.2.2"), await receivedBy(second, "198.51.100.2")];
  return { apart: first.constructor !== second.constructor, received };
}

const both = await withBoth();
socket.close();
await until(() => {
  Bun.gc(true);
  return shims() === atFirst;
}, "the copies are collected, and what they had open is closed");
console.log(JSON.stringify({ ...both, devices: openFds(/\/net\/tun$/).length }));
