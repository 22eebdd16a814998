/**
 * bun bench/relay.ts NAME_A NAME_B SECONDS_MAX
 *
 * What bench/relay.c does, with this library. Prints "ready" once both interfaces
 * exist, and {"dropped":N} when SIGTERM ends it; it ends after SECONDS_MAX
 * whatever happens.
 */
import { openTun, type Tun } from "../src/index.ts";

const [nameA, nameB, secondsMax] = process.argv.slice(2);
if (nameA === undefined || nameB === undefined || secondsMax === undefined) {
  throw new TypeError("usage: relay NAME_A NAME_B SECONDS_MAX");
}

let dropped = 0;

/** A frame that `to` does not take is dropped, as a router does. */
function forward(frames: Uint8Array[], to: Tun): void {
  dropped += frames.length - to.sendMany(frames);
}

const a: Tun = openTun({ name: nameA, data: (_device, frames) => forward(frames, b) });
const b: Tun = openTun({ name: nameB, data: (_device, frames) => forward(frames, a) });

process.on("SIGTERM", () => {
  console.log(JSON.stringify({ dropped }));
  process.exit(0);
});
setTimeout(() => process.exit(1), Number(secondsMax) * 1000);
console.log("ready");
