import { cpuSecondsSince, memoryMb, readCpu, receivedPackets, sentSegments } from "../proc.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { droppedBy, openRelay, tcp } from "./load.ts";
import { warmSecondsOf } from "./warm.ts";

/** TCP through the relay, as iperf3 sees it, and what it costs the relay. */
export const tcpKind: Kind = {
  columns: [
    { key: "gbits", label: "Gbit/s", digits: 2, compared: true },
    { key: "packetsPerSecond", label: "packets/s", digits: 0 },
    { key: "cpuPerGb", label: "CPU, s/GB", digits: 2, compared: true },
    { key: "userPerGb", label: "user", digits: 2 },
    { key: "systemPerGb", label: "system", digits: 2 },
    { key: "cpuNsPerFrame", label: "CPU, ns/frame", digits: 0 },
    { key: "peakMb", label: "peak, MB", digits: 1 },
    { key: "retransmits", label: "retransmits", digits: 0 },
  ],
  needs: ["gcc", "iperf3"],
  async measure(setting: Setting): Promise<Sample> {
    const rig = await openRelay(setting);
    await tcp(rig, warmSecondsOf(setting));
    // Segments and acknowledgements, and the frames that they come in.
    const segments = (): number => sentSegments(rig.a) + sentSegments(rig.b);
    const frames = (): number => receivedPackets(rig.a, "benchA") + receivedPackets(rig.b, "benchB");

    const [cpuBefore, segmentsBefore, framesBefore] = [readCpu(rig.relay.pid), segments(), frames()];
    const { bytes, bitsPerSecond, retransmits } = await tcp(rig, setting.seconds);
    const { total, user, system } = cpuSecondsSince(rig.relay.pid, cpuBefore);
    const seconds = (bytes * 8) / bitsPerSecond;
    const gigabytes = bytes / 1e9;
    return {
      gbits: bitsPerSecond / 1e9,
      packetsPerSecond: (segments() - segmentsBefore) / seconds,
      cpuPerGb: total / gigabytes,
      userPerGb: user / gigabytes,
      systemPerGb: system / gigabytes,
      cpuNsPerFrame: (total / (frames() - framesBefore)) * 1e9,
      peakMb: memoryMb(rig.relay.pid).peak,
      retransmits,
      dropped: await droppedBy(rig.relay),
    };
  },
};
