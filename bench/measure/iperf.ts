import { cpuSecondsSince, listens, memoryMb, readCpu, sentSegments } from "../proc.ts";
import { Program, run, until } from "../processes.ts";
import type { Network } from "../rig.ts";
import { countCalls } from "./calls.ts";
import type { Kind, Sample } from "./kind.ts";

const IPERF_PORT = 5201;
/** What UDP inside a tunnel carries. */
const DATAGRAM_BYTES = 1400;

/** The columns of {@link transfer}. */
export const transferColumns: Kind["columns"] = [
  { key: "gbits", label: "Gbit/s", digits: 2, compared: true },
  { key: "cpuPerGb", label: "CPU of both ends, s/GB", digits: 2, compared: true },
  { key: "userPerGb", label: "user", digits: 2 },
  { key: "systemPerGb", label: "system", digits: 2 },
  { key: "callsPerPacket", label: "system calls/packet", digits: 3 },
  { key: "peakMb", label: "peak of both, MB", digits: 1 },
  { key: "retransmits", label: "retransmits", digits: 0 },
  { key: "lostPercent", label: "lost, %", digits: 1 },
];

/** Two namespaces, and the programs between them. */
export interface TransferOptions {
  readonly a: number;
  readonly b: number;
  /** The address in `b`. */
  readonly address: string;
  readonly seconds: number;
  readonly network: Network;
  /** The ends of the tunnel, whose CPU time and memory count. */
  readonly pids: readonly number[];
  /** Seconds of traffic before anything is counted. */
  readonly warmSeconds: number;
  /** The program that counts system calls. */
  readonly calls: readonly string[];
}

/** Measures iperf3 from `a` to `b`, once the programs are warm. */
export async function transfer(options: TransferOptions): Promise<Sample> {
  const { pids, seconds } = options;
  await sendFor(options.warmSeconds, options);
  const before = pids.map(readCpu);
  const { bytes, bitsPerSecond, retransmits, lostPercent } = await sendFor(seconds, options);
  const used = pids.map((pid, i) => cpuSecondsSince(pid, before[i] as (typeof before)[number]));
  const perGb = (part: "total" | "user" | "system"): number =>
    used.reduce((sum, { [part]: time }) => sum + time, 0) / (bytes / 1e9);
  return {
    gbits: bitsPerSecond / 1e9,
    cpuPerGb: perGb("total"),
    userPerGb: perGb("user"),
    systemPerGb: perGb("system"),
    peakMb: pids.reduce((sum, pid) => sum + memoryMb(pid).peak, 0),
    retransmits,
    lostPercent,
    ...(await callsPerPacket(options)),
  };
}

/** Counts the system calls of both ends, in a transfer of its own: counting costs each call a little. */
async function callsPerPacket(options: TransferOptions): Promise<Sample> {
  const { a, b, network } = options;
  let packets = -sentSegments(a) - sentSegments(b);
  const calls = await countCalls(options.calls, options.pids, async () => {
    const { bytes } = await sendFor(1, options);
    packets = network.udp ? bytes / DATAGRAM_BYTES : packets + sentSegments(a) + sentSegments(b);
  });
  return calls === undefined ? {} : { callsPerPacket: calls / packets };
}

async function sendFor(seconds: number, { a, b, address, network }: TransferOptions): Promise<Received> {
  const server = new Program(["iperf3", "--server", "--one-off", "--forceflush"], { netns: b });
  await until("iperf3 listens", () => listens(b, IPERF_PORT));
  const flows = network.udp
    ? ["--udp", "--bitrate", "0", "--length", `${DATAGRAM_BYTES}`]
    : ["--parallel", `${network.flows ?? 1}`];
  const text = await run(
    ["iperf3", "--client", address, "--time", `${Math.ceil(seconds)}`, "--json", ...flows],
    { netns: a },
    (seconds + 30) * 1000,
  );
  await server.output();
  return received(text);
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
  // With UDP, "sum" has what was sent.
  const share = end.sum_received === undefined || end.sum_received.bytes === 0 ? 1 - lostPercent / 100 : 1;
  const { bytes, bits_per_second } = sum.bytes === 0 ? end.sum : sum;
  return {
    bytes: bytes * share,
    bitsPerSecond: bits_per_second * share,
    retransmits: end.sum_sent?.retransmits ?? 0,
    lostPercent,
  };
}
