import { cpuSecondsSince, memoryMb, readCpu } from "../proc.ts";
import { run } from "../processes.ts";
import { ADDRESS_ECHO, openEchoRig } from "../rig.ts";
import type { Kind, Sample, Setting } from "./kind.ts";

const ECHO_PORT = "7";
const GAP_US = 2000;
const WARM_UP_COUNT = 3000;
const WARM_UP_GAP_US = 100;

/** Round-trip times through an otherwise idle echo program, and what each costs it. */
export const rttKind: Kind = {
  columns: [
    { key: "p50", label: "p50, µs", digits: 1, compared: true },
    { key: "p90", label: "p90, µs", digits: 1 },
    { key: "p99", label: "p99, µs", digits: 1, compared: true },
    { key: "cpuUsPerPacket", label: "CPU, µs/packet", digits: 1, compared: true },
    { key: "peakMb", label: "peak, MB", digits: 1 },
  ],
  needs: ["gcc"],
  async measure({ contender, network, programs, seconds }: Setting): Promise<Sample> {
    const { netns, echo } = await openEchoRig([...programs.echo[contender.program], ...contender.options], network);
    const ask = (count: number, gapUs: number): Promise<string> =>
      run([...programs.rtt, ADDRESS_ECHO, ECHO_PORT, String(count), String(gapUs)], { netns }, seconds * 2000 + 10_000);
    // As the relays are warmed up: a program that has been running for a while is what is measured.
    await ask(WARM_UP_COUNT, WARM_UP_GAP_US);

    const count = Math.round((seconds * 1e6) / GAP_US);
    const before = readCpu(echo.pid);
    const times: Sample = JSON.parse(await ask(count, GAP_US));
    const { total } = cpuSecondsSince(echo.pid, before);
    return { ...times, cpuUsPerPacket: (total / count) * 1e6, peakMb: memoryMb(echo.pid).peak };
  },
};
