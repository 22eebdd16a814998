/**
 * Opens many TUN devices at once, and sends one datagram to the neighbour on
 * each; prints as JSON the devices that got a wrong frame or none, and what is
 * left over once all are closed. Every third device listens in another way.
 */
import { readdirSync, readFileSync } from "node:fs";
import { openTun, type Tun } from "../../../src/index.ts";
import { parseIPv4 } from "../../../src/packet/index.ts";

const count = Number(process.argv[2]);
const networks = ["192.0.2", "198.51.100", "203.0.113"];

/** This host's address on device `i`, and the neighbour's: 126 pairs to a documentation network. */
function addresses(i: number): { local: string; neighbour: string } {
  const network = networks[Math.floor(i / 126)];
  const host = 2 + 2 * (i % 126);
  return { local: `${network}.${host}`, neighbour: `${network}.${host + 1}` };
}

function open(i: number): { device: Tun; received: Promise<Uint8Array | null> } {
  const { local, neighbour } = addresses(i);
  const options = { addresses: [{ address: local, peer: neighbour }] };
  if (i % 3 === 0) {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    return { device: openTun({ ...options, data: (_, [frame]) => resolve(frame as Uint8Array) }), received: promise };
  }
  const device = openTun(options);
  if (i % 3 === 1) return { device, received: device.receive() };
  return {
    device,
    received: device[Symbol.asyncIterator]()
      .next()
      .then(({ value }) => value ?? null),
  };
}

function left(): { fds: number; interfaces: number } {
  return {
    fds: readdirSync("/proc/self/fd").length,
    interfaces: readFileSync("/proc/self/net/dev", "latin1").split("\n").length - 3,
  };
}

/** Returns what a device got, as text: whom the packet was for, and what was in it. */
function describe(packet: Uint8Array | null): string {
  if (packet === null) return "nothing";
  const { destination, payload } = parseIPv4(packet);
  return `${destination} ${new TextDecoder().decode(payload.subarray(8))}`;
}

openTun().close();
const socket = await Bun.udpSocket({});
const before = left();
const started = performance.now();
const open_ = Array.from({ length: count }, (_, i) => open(i));
const opened = performance.now();
const during = left();
for (let i = 0; i < count; i++) socket.send(`for device ${i}`, 9, addresses(i).neighbour);
const got = (await Promise.all(open_.map(({ received }) => received))).map(describe);
const delivered = performance.now();
const wrong = got.filter((text, i) => text !== `${addresses(i).neighbour} for device ${i}`);
for (const { device } of open_) device.close();
const closed = performance.now();
// The stream of the wake-ups ends in a microtask, and a thread of Bun's closes its fd.
for (let looks = 0; looks < 5000 && left().fds > before.fds; looks++) await Bun.sleep(1);
const milliseconds = { open: opened - started, deliver: delivered - opened, close: closed - delivered };
console.log(JSON.stringify({ wrong, before, during, after: left(), milliseconds }));
socket.close();
