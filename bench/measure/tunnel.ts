import { configure } from "../netns.ts";
import { cpuSecondsSince, listens, memoryMb, readCpu } from "../proc.ts";
import { Program, run, until } from "../processes.ts";
import type { Kind, Sample, Setting } from "./kind.ts";
import { openWire } from "./udp.ts";

/** Addresses inside the tunnel. */
const [A, B] = ["198.51.100.1", "198.51.100.2"];
const PORT = "4789";
const IPERF_PORT = 5201;
const SECONDS_MAX = "120";
/** What fits a wire of 1,500 with the headers of IPv6 and UDP. */
const MTU = 1452;

const columns: Kind["columns"] = [
  { key: "gbits", label: "Gbit/s", digits: 2, compared: true },
  { key: "cpuPerGb", label: "CPU of both ends, s/GB", digits: 2, compared: true },
  { key: "userPerGb", label: "user", digits: 2 },
  { key: "systemPerGb", label: "system", digits: 2 },
  { key: "peakMb", label: "peak of both, MB", digits: 1 },
  { key: "retransmits", label: "retransmits", digits: 0 },
  { key: "lostPercent", label: "lost, %", digits: 1 },
];

/** iperf3 through two ends of a tunnel, a process and a namespace each, over veth. */
export const tunnelKind: Kind = { columns, needs: ["gcc", "iperf3"], measure };

async function measure({ contender, programs, seconds, network }: Setting): Promise<Sample> {
  const { a, b } = await openWire();
  const command = [...programs.tunnel[contender.program], ...contender.options, "tunnel0"];
  const ends = [
    new Program([...command, "192.0.2.2", PORT, SECONDS_MAX], { netns: a }),
    new Program([...command, "192.0.2.1", PORT, SECONDS_MAX], { netns: b }),
  ];
  await Promise.all(ends.map((end) => end.ready()));
  await configure(a, [`link set tunnel0 mtu ${MTU} up`, `address add ${A}/24 dev tunnel0`]);
  await configure(b, [`link set tunnel0 mtu ${MTU} up`, `address add ${B}/24 dev tunnel0`]);
  const transfer = async (time: number): Promise<Received> => {
    const server = new Program(["iperf3", "--server", "--one-off", "--forceflush"], { netns: b });
    await until("iperf3 listens", () => listens(b, IPERF_PORT));
    const flows = network.udp
      ? ["--udp", "--bitrate", "0", "--length", "1400"]
      : ["--parallel", `${network.flows ?? 1}`];
    const text = await run(
      ["iperf3", "--client", B, "--time", `${time}`, "--json", ...flows],
      { netns: a },
      (time + 10) * 1000,
    );
    await server.output();
    return received(text);
  };
  await transfer(1);
  const before = ends.map(({ pid }) => readCpu(pid));
  const { bytes, bitsPerSecond, retransmits, lostPercent } = await transfer(seconds);
  const used = ends.map(({ pid }, i) => cpuSecondsSince(pid, before[i] as (typeof before)[number]));
  const perGb = (part: "total" | "user" | "system"): number =>
    used.reduce((sum, { [part]: time }) => sum + time, 0) / (bytes / 1e9);
  return {
    gbits: bitsPerSecond / 1e9,
    cpuPerGb: perGb("total"),
    userPerGb: perGb("user"),
    systemPerGb: perGb("system"),
    peakMb: ends.reduce((sum, { pid }) => sum + memoryMb(pid).peak, 0),
    retransmits,
    lostPercent,
  };
}

interface Received {
  readonly bytes: number;
  readonly bitsPerSecond: number;
  readonly retransmits: number;
  readonly lostPercent: number;
}

function received(text: string): Received {
  const { end, error } = JSON.parse(text);
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  const sum = end.sum_received ?? end.sum;
  const lostPercent = end.sum?.lost_percent ?? 0;
  // Of UDP "sum" has what was sent.
  const share = end.sum_received === undefined || end.sum_received.bytes === 0 ? 1 - lostPercent / 100 : 1;
  const { bytes, bits_per_second } = sum.bytes === 0 ? end.sum : sum;
  return {
    bytes: bytes * share,
    bitsPerSecond: bits_per_second * share,
    retransmits: end.sum_sent?.retransmits ?? 0,
    lostPercent,
  };
}
