import { median } from "../median.ts";
import { run } from "../processes.ts";
import type { Kind, Sample, Setting } from "./kind.ts";

const PROCESSES = 5;

/** Fresh processes that import this library and open a device; the median of some. */
export const startupKind: Kind = {
  columns: [
    { key: "import", label: "import, ms", digits: 1 },
    { key: "open", label: "first open after it, ms", digits: 1 },
  ],
  needs: [],
  async measure({ programs }: Setting): Promise<Sample> {
    const samples: Sample[] = [];
    for (let i = 0; i < PROCESSES; i++) samples.push(JSON.parse(await run(programs.startup, { netns: "fresh" })));
    const middle = (key: string): number => median(samples.map((sample) => sample[key] ?? Number.NaN));
    return { import: middle("import"), open: middle("open") };
  },
};
