/** Numbered frames through a relay, sent and checked by a process of their own (traffic.c). */
import { cc } from "bun:ffi";

/** What is sent: frames `first` to `first + count - 1`, of `minimum` to `maximum` bytes, `window` under way at most. */
export interface Load {
  readonly first: number;
  readonly count: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly window: number;
}

/** What came of it. Frames that were sent and did not arrive are lost. */
export interface Passed {
  readonly sent: number;
  readonly arrived: number;
  readonly reordered: number;
  readonly duplicated: number;
  /** Frames that are not as they were sent, or were never sent. */
  readonly damaged: number;
  /** Frames that arrived at the checker's socket, which had no room: none, if the window is kept. */
  readonly dropped: number;
  /** The times that nothing came for a while although something was under way. */
  readonly stalls: number;
}

/** Sends into the interface of the index `into`, and checks what comes out of `outOf`. */
export async function pass(into: number, outOf: number, load: Load): Promise<Passed> {
  const command = [process.execPath, import.meta.path, JSON.stringify({ into, outOf, load })];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const text = await child.stdout.text();
  if ((await child.exited) !== 0) throw new Error(`The traffic ended with ${child.signalCode ?? child.exitCode}`);
  return JSON.parse(text) as Passed;
}

function run({ into, outOf, load }: { into: number; outOf: number; load: Load }): Passed {
  const { symbols } = cc({
    source: `${import.meta.dir}/traffic.c`,
    flags: ["-nostdlib"],
    symbols: {
      traffic_run: { args: ["i32", "i32", "u32", "u32", "u32", "u32", "u32", "ptr"], returns: "i32" },
    },
  });
  const report = new Uint32Array(new ArrayBuffer(32));
  const { first, count, minimum, maximum, window } = load;
  const result = symbols.traffic_run(into, outOf, first, count, minimum, maximum, window, report);
  const [sent = 0, arrived = 0, reordered = 0, duplicated = 0, damaged = 0, dropped = 0, stalls = 0, failed] = report;
  if (result !== 0) throw new Error(`The traffic could not be sent: errno ${failed}`);
  return { sent, arrived, reordered, duplicated, damaged, dropped, stalls };
}

if (import.meta.main) console.log(JSON.stringify(run(JSON.parse(process.argv.at(-1) ?? "{}"))));
