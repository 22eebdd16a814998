/**
 * Figures of what ended Workers leave in the process. Starts Workers one after
 * another, each of which does one thing, and prints as JSON the mappings and
 * the KiB of memory that each of them left:
 *
 *   bun test/package/programs/remains.ts nothing|compile|device [Workers]
 */
import { readFileSync } from "node:fs";
import { workerData } from "node:worker_threads";

type Deed = "nothing" | "compile" | "device";

const deeds: Record<Deed, () => Promise<void>> = {
  nothing: async () => {},
  /** What any program leaves that uses bun:ffi's `cc`. */
  compile: async () => {
    const { cc } = await import("bun:ffi");
    const source = `${import.meta.dir}/one.c`;
    cc({ source, flags: ["-nostdlib"], symbols: { one: { args: [], returns: "i32" } } }).symbols.one();
  },
  device: async () => {
    const { openTun } = await import("../../../src/index.ts");
    openTun().close();
  },
};

interface Sizes {
  mappings: number;
  kib: number;
}

function sizes(): Sizes {
  Bun.gc(true);
  const mappings = readFileSync("/proc/self/maps", "latin1").split("\n").length - 1;
  return { mappings, kib: process.memoryUsage.rss() / 1024 };
}

async function startAndEnd(deed: Deed): Promise<void> {
  const worker = new Worker(import.meta.path, { workerData: deed } as WorkerOptions);
  await new Promise((resolve, reject) => {
    worker.addEventListener("close", resolve);
    worker.addEventListener("error", ({ message }) => reject(new Error(message)));
  });
}

if (Bun.isMainThread) {
  const [deed, count] = [process.argv[2] as Deed, Number(process.argv[3] ?? 1000)];
  for (let i = 0; i < 20; i++) await startAndEnd(deed);
  const before = sizes();
  for (let i = 0; i < count; i++) await startAndEnd(deed);
  const after = sizes();
  const each = (name: keyof Sizes): number => Math.round(((after[name] - before[name]) / count) * 10) / 10;
  console.log(JSON.stringify({ deed, count, mappings: each("mappings"), kib: each("kib") }));
} else {
  await deeds[workerData as Deed]();
}
