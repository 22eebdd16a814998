import { isTraced, readsAndWrites, sentSegments } from "../proc.ts";
import { Program, until } from "../processes.ts";
import { openRelayRig, type RelayRig } from "../rig.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { flood, tcp } from "./load.ts";

/**
 * What each packet takes: system calls, calls into C, promises and turns of the
 * event loop. Nothing here is timed. strace counts all system calls of the
 * flood, but slows down so much that TCP would send no super-packets: there it
 * is the kernel that counts, reads and writes alone.
 */
export const crossingsKind: Kind = {
  columns: [
    { key: "floodSystemCalls", label: "64-byte flood: system calls", digits: 3 },
    { key: "floodCalls", label: "calls into C", digits: 3 },
    { key: "floodPromises", label: "promises", digits: 4 },
    { key: "floodTurns", label: "turns", digits: 4 },
    { key: "tcpReadsAndWrites", label: "TCP: reads and writes", digits: 3 },
    { key: "tcpCalls", label: "calls into C", digits: 3 },
    { key: "tcpPromises", label: "promises", digits: 4 },
    { key: "tcpTurns", label: "turns", digits: 4 },
  ],
  needs: ["gcc", "iperf3", "strace"],
  async measure(setting: Setting): Promise<Sample> {
    return { ...(await countFlood(setting)), ...(await countTcp(setting)) };
  },
};

async function countFlood(setting: Setting): Promise<Sample> {
  const rig = await openCountingRelay(setting);
  const pid = rig.relay.pid;
  const strace = new Program(["strace", "-c", "-f", "-p", String(pid)], { netns: rig.a });
  await until("strace follows the relay", () => isTraced(pid));
  const { arrived } = await flood(rig, setting, setting.seconds);
  const { calls, promises, turns } = await countsOf(rig);
  await strace.output();
  return {
    floodSystemCalls: totalCalls(strace.errors) / arrived,
    floodCalls: calls / arrived,
    floodPromises: promises / arrived,
    floodTurns: turns / arrived,
  };
}

async function countTcp(setting: Setting): Promise<Sample> {
  const rig = await openCountingRelay(setting);
  const before = readsAndWrites(rig.relay.pid);
  await tcp(rig, setting.seconds);
  const segments = sentSegments(rig.a) + sentSegments(rig.b);
  const done = readsAndWrites(rig.relay.pid) - before;
  const { calls, promises, turns } = await countsOf(rig);
  return {
    tcpReadsAndWrites: done / segments,
    tcpCalls: calls / segments,
    tcpPromises: promises / segments,
    tcpTurns: turns / segments,
  };
}

function openCountingRelay({ contender, network, programs }: Setting): Promise<RelayRig> {
  const count = contender.program === "ours" ? ["--count"] : [];
  return openRelayRig([...programs.relay[contender.program], ...contender.options, ...count], network);
}

/** Ends the relay, and returns what it has counted; C crosses nothing. */
async function countsOf(rig: RelayRig): Promise<{ calls: number; promises: number; turns: number }> {
  return { calls: 0, promises: 0, turns: 0, ...JSON.parse(await rig.relay.end()) };
}

/** Reads the total in the table's last line: "100.00    0.008219           0     16513        16 total". */
function totalCalls(table: string): number {
  return Number(/^ *100\.00 +\S+ +\d+ +(\d+) .*total$/m.exec(table)?.[1]);
}
