import { cpuSecondsSince, memoryMb, overflownDatagrams, readCpu } from "../proc.ts";
import type { Column, Kind, Sample, Setting } from "./kind.ts";
import { droppedBy, flood, openRelay } from "./load.ts";
import { warmSecondsOf } from "./warm.ts";

const packets: Column = { key: "packetsPerSecond", label: "packets/s that arrive", digits: 0, compared: true };
const lost: Column = { key: "lostPercent", label: "lost, %", digits: 1 };
const peak: Column = { key: "peakMb", label: "peak, MB", digits: 1 };

/** Packets of 64 bytes, more than the relay can take, and what each one that it takes costs it. */
export const smallPacketsKind: Kind = {
  columns: [
    packets,
    lost,
    { key: "cpuNsPerPacket", label: "CPU, ns/packet", digits: 0, compared: true },
    { key: "userNsPerPacket", label: "user", digits: 0 },
    { key: "systemNsPerPacket", label: "system", digits: 0 },
    peak,
  ],
  needs: ["gcc"],
  measure: (setting) => measure(setting, false),
};

/** Super-packets of UDP (UDP_SEGMENT): what a QUIC server sends. */
export const superPacketsKind: Kind = {
  columns: [
    { key: "gbits", label: "Gbit/s that arrive", digits: 2, compared: true },
    { ...packets, compared: false },
    lost,
    { key: "cpuPerGb", label: "CPU, s/GB", digits: 2, compared: true },
    { key: "userPerGb", label: "user", digits: 2 },
    { key: "systemPerGb", label: "system", digits: 2 },
    peak,
  ],
  needs: ["gcc"],
  measure: (setting) => measure(setting, true),
};

async function measure(setting: Setting, gso: boolean): Promise<Sample> {
  const rig = await openRelay(setting);
  await flood(rig, setting, warmSecondsOf(setting), gso);
  const before = readCpu(rig.relay.pid);
  const { sent, arrived, bytes, seconds } = await flood(rig, setting, setting.seconds, gso);
  const { total, user, system } = cpuSecondsSince(rig.relay.pid, before);
  const [nsPerSecond, gigabytes] = [1e9, bytes / 1e9];
  return {
    packetsPerSecond: arrived / seconds,
    gbits: (gigabytes * 8) / seconds,
    lostPercent: (1 - arrived / sent) * 100,
    cpuNsPerPacket: (total / arrived) * nsPerSecond,
    userNsPerPacket: (user / arrived) * nsPerSecond,
    systemNsPerPacket: (system / arrived) * nsPerSecond,
    cpuPerGb: total / gigabytes,
    userPerGb: user / gigabytes,
    systemPerGb: system / gigabytes,
    peakMb: memoryMb(rig.relay.pid).peak,
    dropped: await droppedBy(rig.relay),
    // The relay has delivered these and the counting program's socket had no room: the rig's fault.
    uncounted: overflownDatagrams(rig.b),
  };
}
