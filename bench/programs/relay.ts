/**
 * bun relay.ts [--tap] [--offload | --raw] [--keep] [--count] [--watch HOW] NAME_A NAME_B SECONDS_MAX
 *
 * What relay.c does, with this library, and like it into the same buffer again
 * and again. Prints "ready" once both interfaces
 * exist, and {"dropped":N} when SIGTERM ends it; it ends after SECONDS_MAX
 * whatever happens.
 *
 *   --tap      Ethernet frames, not IP packets
 *   --offload  super-packets are split when read, and merged again when written
 *   --raw      they stay whole, with their virtio headers, as with relay.c's --vnet
 *   --keep     without reuseBuffers: frames are its to keep, though it does not
 *   --count    prints what count.ts counts, too
 *   --watch    something looks at what passes the first interface: see watch.ts
 */
import { parseArgs } from "node:util";
import { type Device, type OpenOptions, openTap, openTun } from "../../src/index.ts";
import { type Crossings, countCrossings } from "./count.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tap: { type: "boolean", default: false },
    offload: { type: "boolean", default: false },
    raw: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    count: { type: "boolean", default: false },
    watch: { type: "string" },
  },
});
const [nameA, nameB, secondsMax] = positionals;
if (nameA === undefined || nameB === undefined || secondsMax === undefined) {
  throw new TypeError(
    "usage: relay [--tap] [--offload | --raw] [--keep] [--count] [--watch HOW] NAME_A NAME_B SECONDS_MAX",
  );
}

const open: (options: OpenOptions) => Device = values.tap ? openTap : openTun;
const options: OpenOptions = {
  offload: values.raw ? { raw: true } : values.offload,
  reuseBuffers: !values.keep,
};
let dropped = 0;

/** A frame that `to` does not take is dropped, as a router does. */
function forward(frames: Uint8Array[], to: Device): void {
  dropped += frames.length - to.sendMany(frames);
}

const crossings: Crossings | undefined = values.count ? countCrossings() : undefined;
const a: Device = open({ ...options, name: nameA, data: (_device, frames) => forward(frames, b) });
const b: Device = open({ ...options, name: nameB, data: (_device, frames) => forward(frames, a) });
// Not loaded unless it is asked for: the others are measured without it.
if (values.watch !== undefined) await (await import("./watch.ts")).watches[values.watch]?.(a);

process.on("SIGTERM", () => {
  console.log(JSON.stringify({ dropped, ...crossings }));
  process.exit(0);
});
setTimeout(() => process.exit(1), Number(secondsMax) * 1000);
console.log("ready");
