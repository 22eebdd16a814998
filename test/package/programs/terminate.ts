/**
 * Terminates Workers, one after another, that have a device open and wait for
 * frames: quiet ones, and ones that frames are pouring into. Then it makes
 * traffic on whatever they left, deletes that, and tries whether this thread
 * can still receive. Prints as JSON what was left over, and what it received.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openTun } from "../../../src/index.ts";
import { run, until } from "../../support/system.ts";
import { DeviceWorker } from "../workers.ts";
import { neighbourOf } from "./worker.ts";

const count = Number(process.argv[2]);

function interfaces(): string[] {
  const lines = readFileSync("/proc/self/net/dev", "latin1").split("\n").slice(2, -1);
  return lines.map((line) => line.trim().split(":")[0] as string).filter((name) => name.startsWith("tun"));
}

function fds(): Record<string, number> {
  const kinds = { tun: "/dev/net/tun", epoll: "anon_inode:[eventpoll]", eventfd: "anon_inode:[eventfd]" };
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return Object.fromEntries(
    Object.entries(kinds).map(([kind, target]) => [kind, targets.filter((t) => t === target).length]),
  );
}

/** Traffic for a Worker's device; an error if it is gone already. */
function send(number: number): void {
  for (let i = 0; i < 50; i++) {
    try {
      socket.send(`${i}`, 9, neighbourOf(number));
    } catch {
      return;
    }
  }
}

const socket = await Bun.udpSocket({});
const before = fds();
for (let number = 0; number < count; number++) {
  const worker = new DeviceWorker({ number, count: Number.POSITIVE_INFINITY, sends: false });
  await worker.says();
  if (number % 2 === 1) send(number);
  await worker.terminate();
  send(number);
}
// A Worker's "close" event comes before its memory goes, and its fds with that.
await until(() => JSON.stringify(fds()) === JSON.stringify(before), "the fds are closed").catch(() => {});
const left = { interfaces: interfaces().length, before, after: fds() };

for (const name of interfaces()) run("ip", "link", "delete", name);
await until(() => interfaces().length === 0, "the interfaces are gone");
Bun.gc(true);
using tun = openTun({ addresses: ["192.0.2.1/24"] });
socket.send("still here", 9, "192.0.2.2");
const packet = await tun.receive();
console.log(JSON.stringify({ left, received: new TextDecoder().decode(packet?.subarray(28)) }));
socket.close();
