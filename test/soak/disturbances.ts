/** What happens to two devices, and around them, while frames pass. */
import { mkdtempSync, rmSync } from "node:fs";
import { capture, parseCapture } from "../../src/capture/index.ts";
import { openTun, type Tap } from "../../src/index.ts";

/** The number of times that each has happened. */
export type Counts = Record<
  "renames" | "flaps" | "mtuChanges" | "workers" | "captures" | "observers" | "neighbours",
  number
>;

export function noCounts(): Counts {
  return { renames: 0, flaps: 0, mtuChanges: 0, workers: 0, captures: 0, observers: 0, neighbours: 0 };
}

/** Frames carry their number in four bytes from the eighth on. */
function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset).getUint32(8);
}

function isOurs(frame: Uint8Array): boolean {
  return frame[12] === 0x88 && frame[13] === 0xb5;
}

/** One that something was wrong with. */
export class Wrong extends Error {
  override readonly name = "Wrong";
}

type Disturbance = (a: Tap, b: Tap, counts: Counts) => Promise<void>;

let names = 0;

const rename: Disturbance = async (a, b, counts) => {
  for (const device of [a, b]) device.rename(`soak${names++ % 1000}`);
  counts.renames += 2;
};

/** The end that the frames come out of is down for a moment: the kernel refuses what is sent to it. */
const flap: Disturbance = async (_a, b, counts) => {
  b.down();
  await Bun.sleep(1 + Math.random() * 5);
  b.up();
  counts.flaps++;
};

const changeMtu: Disturbance = async (a, b, counts) => {
  for (const device of [a, b]) device.setMtu(device.mtu === 9000 ? 8000 : 9000);
  counts.mtuChanges += 2;
};

/** A Worker with a device of its own, which closes it, or is terminated with the device open. */
const workInWorker: Disturbance = async (_a, _b, counts) => {
  const worker = new Worker(new URL("worker.ts", import.meta.url));
  const said = Promise.withResolvers<string>();
  worker.addEventListener("message", ({ data }) => said.resolve(String(data)));
  worker.addEventListener("error", ({ message }) => said.resolve(`the Worker failed: ${message}`));
  const closed = new Promise((resolve) => worker.addEventListener("close", resolve));
  const word = await said.promise;
  worker.terminate();
  await closed;
  if (word !== "pinged") throw new Wrong(word);
  counts.workers++;
};

const observe: Disturbance = async (a, _b, counts) => {
  let last = -1;
  let wrong: string | undefined;
  using _observing = a.observe({
    frames: (frames, direction) => {
      if (direction !== "received") return;
      for (const frame of frames) {
        if (!isOurs(frame)) continue;
        const number = numberOf(frame);
        if (number <= last) wrong = `an observer saw frame ${number} behind ${last}`;
        last = number;
      }
    },
  });
  await Bun.sleep(100);
  if (wrong !== undefined) throw new Wrong(wrong);
  counts.observers++;
};

const captureAll: Disturbance = async (a, _b, counts) => {
  const folder = mkdtempSync("/tmp/bun-tuntap-soak-");
  try {
    const path = `${folder}/capture.pcapng`;
    const capturing = capture(a, path, { direction: "received", snapLength: 64 });
    await Bun.sleep(50);
    await capturing.close();
    const { packets, dropped } = capturing.stats();
    let last = -1;
    let frames = 0;
    for (const { frame } of parseCapture(await Bun.file(path).bytes())) {
      frames++;
      if (!isOurs(frame)) continue;
      const number = numberOf(frame);
      if (number <= last) throw new Wrong(`a capture has frame ${number} behind ${last}`);
      last = number;
    }
    if (frames !== packets) throw new Wrong(`a capture of ${packets} frames, with ${dropped} dropped, has ${frames}`);
    counts.captures++;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Another device of the same thread, which is opened, changed and closed. */
const openNeighbour: Disturbance = async (_a, _b, counts) => {
  await using tun = openTun({ addresses: ["198.51.100.1/24"], change() {}, reuseBuffers: true });
  tun.setMtu(1400);
  tun.unref();
  await Bun.sleep(2);
  tun.ref();
  counts.neighbours++;
};

const all: readonly Disturbance[] = [rename, changeMtu, workInWorker, observe, captureAll, openNeighbour, flap];

/** Goes on until `isOver`, one after another, in random order, `pauseMs` apart; throws {@link Wrong}. */
export async function disturb(a: Tap, b: Tap, counts: Counts, pauseMs: number, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await all[Math.floor(Math.random() * all.length)]?.(a, b, counts);
    await Bun.sleep(pauseMs);
  }
}
