import { configure, openNamespace } from "../netns.ts";
import { Program } from "../processes.ts";
import { countCalls } from "./calls.ts";
import type { Kind, Sample, Setting } from "./kind.ts";

const PORT = 7000;
const [A, B] = ["192.0.2.1", "192.0.2.2"];
/** The programs warm up for 2 s before they count. */
const WARM_SECONDS = 2;

/** Two namespaces with a veth pair between them: `wire0` in both. */
export async function openWire(): Promise<{ a: number; b: number }> {
  const [a, b] = await Promise.all([openNamespace(false), openNamespace(false)]);
  await configure(a, [`link add wire0 type veth peer name wire0 netns ${b}`]);
  await configure(a, [`address add ${A}/24 dev wire0`, "link set wire0 up"]);
  await configure(b, [`address add ${B}/24 dev wire0`, "link set wire0 up"]);
  return { a, b };
}

const columns: Kind["columns"] = [
  { key: "datagramsPerSecond", label: "datagrams/s", digits: 0, compared: true },
  { key: "cpuNsPerDatagram", label: "CPU, ns/datagram", digits: 0, compared: true },
  { key: "callsPerDatagram", label: "system calls/datagram", digits: 3 },
  { key: "peakMb", label: "peak, MB", digits: 1 },
];

/** Sends as fast as it can to a receiver in C that has datagrams merged. */
export const udpSendKind: Kind = { columns, needs: ["gcc"], measure: (setting) => measure(setting, "send") };

/** Receives what a sender in C sends: in runs to one port, or from one to many ports in turn. */
export const udpReceiveKind: Kind = { columns, needs: ["gcc"], measure: (setting) => measure(setting, "receive") };

type Mode = "send" | "receive";

async function measure(setting: Setting, mode: Mode): Promise<Sample> {
  const { datagrams, seconds, cpuSeconds, peakMb, calls } = await resultOf(await start(setting, mode), setting);
  return {
    datagramsPerSecond: datagrams / seconds,
    cpuNsPerDatagram: (cpuSeconds / datagrams) * 1e9,
    callsPerDatagram: calls === null ? await countFromOutside(setting, mode) : calls / datagrams,
    peakMb,
  };
}

/** Bun.udpSocket does not tell how often it calls: its calls are counted in a run of their own. NaN if they cannot be. */
async function countFromOutside(setting: Setting, mode: Mode): Promise<number> {
  const own = await start(setting, mode, "--cold");
  let datagrams = 0;
  const calls = await countCalls(setting.programs.calls, [own.pid], async () => {
    ({ datagrams } = await resultOf(own, setting));
  });
  return (calls ?? Number.NaN) / datagrams;
}

/** Starts the program that is measured, and the other side, which goes on for longer. */
async function start(
  { contender, programs, seconds, network }: Setting,
  mode: Mode,
  ...more: string[]
): Promise<Program> {
  const { size = 1452, peers = 1, run = 1, turns = 1 } = network;
  const { a, b } = await openWire();
  const own = [...programs.udp[contender.program], mode, ...contender.options, ...more];
  const inC = programs.udp.c;
  const receiver = mode === "receive" ? own : [...inC, "receive", "--gro"];
  const sender = [...(mode === "send" ? own : [...inC, "send", "--gso"]), "--run", `${run}`, "--turns", `${turns}`];
  const [receiving, sending] = mode === "receive" ? [seconds, seconds + 2] : [seconds + 10, seconds];
  const numbers = (...values: number[]): string[] => values.map(String);
  const receive = new Program([...receiver, ...numbers(PORT, peers, receiving, seconds + 15)], { netns: b });
  await receive.ready();
  const send = new Program([...sender, B, ...numbers(PORT, size, peers, sending)], { netns: a });
  return mode === "send" ? send : receive;
}

interface Result {
  readonly datagrams: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly calls: number | null;
}

async function resultOf(program: Program, { seconds }: Setting): Promise<Result> {
  const output = await program.output((seconds + WARM_SECONDS + 10) * 1000);
  return JSON.parse(output.slice(output.indexOf("{")));
}
