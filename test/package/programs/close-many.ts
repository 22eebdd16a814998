/**
 * Opens TUN devices, closes all of them in one of two ways, and prints as JSON
 * how long that took, how long the event loop stood still at most, how many
 * turns it made, and what was left at the end:
 *
 *   bun test/package/programs/close-many.ts close|dispose [devices]
 */
import { openTun } from "../../../src/index.ts";
import { interfaceNames, openFds } from "../../support/system.ts";

const [way, count] = [process.argv[2], Number(process.argv[3] ?? 2000)];

let turns = 0;
let standstill = 0;
let last = performance.now();
function turn(): void {
  const now = performance.now();
  standstill = Math.max(standstill, now - last);
  last = now;
  turns++;
  if (running) setImmediate(turn);
}

const before = interfaceNames().length;
const devices = Array.from({ length: count }, () => openTun());
const first = devices[0]?.name;
let running = true;
const started = performance.now();
last = started;
setImmediate(turn);
if (way === "close") for (const device of devices) device.close();
else await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
const milliseconds = Math.round(performance.now() - started);
const turnsBeforeEnd = turns;
const left = { interfaces: interfaceNames().length - before, fds: openFds(/\/net\/tun$/).length };
running = false;
// What has to be closed already is closed: the first name is free again.
openTun(first === undefined ? {} : { name: first }).close();
await new Promise((resolve) => setImmediate(resolve));
turn();
console.log(JSON.stringify({ way, count, milliseconds, standstill: Math.round(standstill), turnsBeforeEnd, left }));
