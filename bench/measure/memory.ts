import { memoryMb } from "../proc.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { droppedBy, flood, openRelay } from "./load.ts";
import { warmSecondsOf } from "./warm.ts";

/** What a long flood of 64-byte packets does to the memory of one process. */
export const memoryKind: Kind = {
  columns: [
    { key: "packets", label: "packets", digits: 0 },
    { key: "beforeMb", label: "resident before, MB", digits: 1 },
    { key: "afterMb", label: "after, MB", digits: 1 },
    { key: "growthMb", label: "growth, MB", digits: 1 },
    { key: "peakMb", label: "peak, MB", digits: 1 },
    { key: "allocatedPerPacket", label: "allocated and collected, bytes/packet", digits: 1 },
    { key: "collectionsPerMillion", label: "collections a million packets", digits: 2 },
  ],
  needs: ["gcc"],
  async measure(setting: Setting): Promise<Sample> {
    const { packets, seconds } = setting;
    const rig = await openRelay(logCollections(setting));
    const pid = rig.relay.pid;
    await flood(rig, setting, warmSecondsOf(setting));

    const [logged, before] = [rig.relay.errors.length, memoryMb(pid).now];
    let relayed = 0;
    while (relayed < packets) relayed += (await flood(rig, setting, seconds)).arrived;
    const { now: after, peak } = memoryMb(pid);
    const cycles = collections(rig.relay.errors.slice(logged));
    return {
      packets: relayed,
      beforeMb: before,
      afterMb: after,
      growthMb: after - before,
      peakMb: peak,
      allocatedPerPacket: (allocatedKb(cycles) * 1024) / relayed,
      collectionsPerMillion: (cycles.length / relayed) * 1e6,
      dropped: await droppedBy(rig.relay),
    };
  },
};

/**
 * Has Bun's engine say when it collects garbage. Without Bun's timer, which
 * looks each second whether the heap has changed, as a program's own timers
 * change it: what is left is what was allocated.
 */
function logCollections(setting: Setting): Setting {
  const { programs } = setting;
  const ours = ["env", "BUN_JSC_logGC=1", "BUN_GC_TIMER_DISABLE=1", ...programs.relay.ours];
  return { ...setting, programs: { ...programs, relay: { ...programs.relay, ours } } };
}

/** Kilobytes of heap, with what it refers to, before and after one. */
interface Collection {
  before: number;
  after: number;
}

/** "[GC<0x55d0>: START M 8928kb => EdenCollection, … => 177kb, p=…" */
function collections(log: string): Collection[] {
  return [...log.matchAll(/START \w (\d+)kb => .*? => (\d+)kb, p=/gs)].map(([, before, after]) => ({
    before: Number(before),
    after: Number(after),
  }));
}

/** Returns what came between one collection and the next. */
function allocatedKb(cycles: readonly Collection[]): number {
  return cycles.slice(1).reduce((sum, { before }, i) => sum + before - (cycles[i]?.after ?? 0), 0);
}
