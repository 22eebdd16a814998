/** Numbered frames: made and checked in C (frames.c), sent and collected by child processes. */
import { cc } from "bun:ffi";

const { symbols } = cc({
  source: `${import.meta.dir}/frames.c`,
  flags: ["-nostdlib"],
  symbols: {
    frame_make: { args: ["ptr", "u32", "u32"], returns: "i32" },
    frame_check: { args: ["ptr", "u32"], returns: "i32" },
    frames_send: { args: ["i32", "u32", "u32", "u32", "u32"], returns: "i32" },
    collect_open: { args: ["i32"], returns: "i32" },
    collect_run: { args: ["i32", "ptr"], returns: "i32" },
  },
});

/** Fills `frame`, all of it, as the frame of that number. */
export function makeFrame(frame: Uint8Array, number: number): void {
  symbols.frame_make(frame, number, frame.length);
}

/** The frame's number; -1 if it is not one of ours, -2 if it is not whole. */
export function checkFrame(frame: Uint8Array): number {
  return symbols.frame_check(frame, frame.length);
}

const script = import.meta.path;

/** Floods an interface from the kernel's side; resolves to the number of frames sent. */
export async function flood(index: number, count: number, minimum: number, maximum: number): Promise<number> {
  const child = Bun.spawn([process.execPath, script, "send", ...[index, count, minimum, maximum].map(String)]);
  return Number(await child.stdout.text());
}

/** What a collector saw on the kernel's side of an interface. */
export interface Collected {
  inOrder: number;
  wrong: number;
  dropped: number;
}

/** Collects what is sent to an interface. Resolves once it listens; `done` resolves when as many frames as expected have come or were dropped. */
export async function collect(index: number, expected: number): Promise<{ done: Promise<Collected> }> {
  const child = Bun.spawn([process.execPath, script, "collect", String(index), String(expected)]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader.read();
  if (first.value?.trim() !== "ready") throw new Error(`The collector did not start: ${first.value}`);
  const rest = async (): Promise<Collected> => {
    const { value } = await reader.read();
    const [inOrder = 0, wrong = 0, dropped = 0] = JSON.parse(value ?? "[]") as number[];
    return { inOrder, wrong, dropped };
  };
  return { done: rest() };
}

if (import.meta.main) {
  const [mode, ...rest] = process.argv.slice(2);
  const [index = 0, a = 0, b = 0, c = 0] = rest.map(Number);
  if (mode === "send") {
    // A fixed seed: the same sizes each time.
    console.log(symbols.frames_send(index, a, b, c, 2_463_534_242));
  } else {
    if (symbols.collect_open(index) < 0) throw new Error("The packet socket could not be opened");
    console.log("ready");
    const report = new Int32Array(3);
    symbols.collect_run(a, report);
    console.log(JSON.stringify([...report]));
  }
}
