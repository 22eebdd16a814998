/** Opens and closes devices one after another; prints as JSON what is there before and after, and the memory in use. */
import { readdirSync, readFileSync } from "node:fs";
import { openTap, openTun } from "../../../src/index.ts";

const count = Number(process.argv[2]);
const warmup = 100;

interface Left {
  fds: number;
  interfaces: number;
  rss: number;
}

function left(): Left {
  Bun.gc(true);
  return {
    fds: readdirSync("/proc/self/fd").length,
    interfaces: readFileSync("/proc/self/net/dev", "latin1").split("\n").length - 3,
    rss: process.memoryUsage.rss(),
  };
}

let started = performance.now();

/** TUN and TAP in turn; each listens in another way, or not at all. */
async function churn(devices: number): Promise<void> {
  for (let i = 0; i < devices; i++) {
    const device = i % 2 === 0 ? openTun(i % 3 === 0 ? { data() {} } : {}) : openTap();
    const frame = i % 4 === 1 ? device.receive() : null;
    // As a program would have it that opens devices now and then: the event loop gets its turns.
    if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    device.close();
    if ((await frame) !== null) throw new Error("A frame came from an interface that is down");
  }
}

await churn(warmup);
const before = left();
started = performance.now();
await churn(count);
const milliseconds = Math.round(performance.now() - started);
console.log(JSON.stringify({ before, after: left(), milliseconds }));
