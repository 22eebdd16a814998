import { run } from "../processes.ts";
import type { Kind, Sample, Setting } from "./kind.ts";

/** Packets of interleaved flows given to sendMany() with offload: the frames they are written as, and the CPU they take. */
export const flowsKind: Kind = {
  columns: [
    { key: "writes", label: "writes for 256 packets", digits: 0 },
    { key: "nsPerPacket", label: "CPU, ns/packet", digits: 0, compared: true },
    { key: "callsPerPacket", label: "system calls/packet", digits: 3 },
    { key: "peakMb", label: "peak, MB", digits: 1 },
  ],
  needs: [],
  async measure({ contender, programs, seconds }: Setting): Promise<Sample> {
    const command = [...programs.flows, ...contender.options, String(seconds)];
    return JSON.parse(await run(command, { netns: "fresh" }, seconds * 2000 + 10_000));
  },
};
