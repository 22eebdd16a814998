/**
 * bun bench/lan.ts [--rounds N] [--seconds S] [--threads N] [--write]
 *
 * A LAN of two hubs against one of one hub: TCP, small frames, round trips, CPU time, and memory while a hub stands still.
 * Clients 1 and 2 are at the first hub, client 3 at the second; hubs and NATS server are in one network namespace, each
 * client is in another. Root; iperf3, ping and nats-server. --threads sets the GOMAXPROCS of the NATS server: by default it
 * takes all cores. With --write the tables replace a section of bench/results/lan.md.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { NatsServer } from "../test/apps/nats.ts";
import { example, Lan, Running } from "../test/apps/switch-lan.ts";
import { median } from "./median.ts";
import { type CpuReading, cpuSecondsSince, memoryMb, readCpu } from "./proc.ts";
import { tableOf, writeSection } from "./section.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    threads: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const PINGS = 1000;
/** The payload of a frame of 64 octets with its FCS, beside the headers of Ethernet, IP and UDP. */
const SMALL_PAYLOAD = 18;
const FRAME_PAYLOAD = 1448;
const PROCESSES = ["client 1", "hub one", "nats-server", "hub two", "client 2", "client 3"] as const;

interface Rig {
  readonly lan: Lan;
  readonly nats: NatsServer;
  readonly hubTwo: Running;
  /** By the names of `PROCESSES`. */
  readonly pids: readonly number[];
}

async function openRig(): Promise<Rig> {
  if (values.threads !== undefined) process.env["GOMAXPROCS"] = values.threads;
  const lan = await Lan.open(3);
  const nats = await NatsServer.start({ host: "192.0.2.1", netns: lan.hub.path, jetStream: true });
  const backbone = ["--backbone", nats.url, "--lan", "bench"];
  const hubOne = await lan.serve(...backbone, "--hub", "one", "--per-host", "64");
  const own = ["serve", "--listen", "192.0.2.1:7001", "--token-file", lan.tokenFile, ...backbone, "--hub", "two"];
  const hubTwo = new Running(["nsenter", `--net=${lan.hub.path}`, ...example, ...own], {});
  await hubTwo.says("listening on ");
  const join = async (client: number, port: number): Promise<Running> => {
    const address = ["--id", `client${client}`, "--address", `198.51.100.${client}/24`];
    const running = lan.startJoin(client, [`ws://192.0.2.1:${port}`, "--token-file", lan.tokenFile, ...address]);
    await running.says("lan0 is in the LAN");
    return running;
  };
  const clients = [await join(1, 7000), await join(2, 7000), await join(3, 7001)];
  const running = [clients[0], hubOne, nats, hubTwo, clients[1], clients[2]] as { pid: number }[];
  return { lan, nats, hubTwo, pids: running.map(({ pid }) => pid) };
}

interface Transfer {
  /** Gbit/s, or frames a second. */
  readonly rate: number;
  readonly frames: number;
  /** Frames that found no room in a window of hub one. */
  readonly dropped: number;
  /** CPU seconds by process. */
  readonly cpu: readonly number[];
}

async function iperf({ lan, pids }: Rig, to: number, isSmall: boolean): Promise<Transfer> {
  using sink = lan.site(to).start("iperf3", "-s", "-1", "--forceflush");
  await sink.line();
  const kind = isSmall ? ["-u", "-b", "0", "-l", `${SMALL_PAYLOAD}`] : [];
  const droppedBefore = droppedBy(lan);
  const before: CpuReading[] = pids.map(readCpu);
  const output = lan.site(1).run("iperf3", "-c", `198.51.100.${to}`, "-t", `${seconds}`, "-J", ...kind);
  const cpu = pids.map((pid, i) => cpuSecondsSince(pid, before[i] as CpuReading).total);
  const dropped = droppedBy(lan) - droppedBefore;
  const { sum, sum_received, sum_sent } = JSON.parse(output).end;
  if (!isSmall) {
    const { bits_per_second, bytes } = sum_received;
    return { rate: bits_per_second / 1e9, frames: bytes / FRAME_PAYLOAD, dropped, cpu };
  }
  const { packets, lost_packets, seconds: taken } = sum_received?.packets > 0 ? sum_received : (sum ?? sum_sent);
  return { rate: (packets - lost_packets) / taken, frames: packets - lost_packets, dropped, cpu };
}

/** Frames that hub one has dropped for want of room on the backbone. */
function droppedBy(lan: Lan): number {
  const { backbone } = lan.status() as unknown as { backbone: { dropped: { backPressure: number } } };
  return backbone.dropped.backPressure;
}

/** Round trips of pings one after the other, in microseconds, sorted. */
function roundTrips({ lan }: Rig, to: number): number[] {
  const output = lan.site(1).run("ping", "-i", "0.002", "-c", `${PINGS}`, "-w", "30", `198.51.100.${to}`);
  return [...output.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => 1000 * Number(ms)).sort((a, b) => a - b);
}

const at = (sorted: readonly number[], share: number): number => sorted[Math.floor(sorted.length * share)] ?? 0;

/** Memory of hub one and the NATS server before and while hub two stands still under a flood of broadcasts; then pings. */
async function stalled(rig: Rig): Promise<string[][]> {
  const { lan, nats, hubTwo, pids } = rig;
  const watched = [pids[1] as number, pids[2] as number];
  const before = watched.map((pid) => memoryMb(pid).now);
  const broadcasts = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for i in range(100000):
    s.sendto(i.to_bytes(4, "big") + bytes(1396), ("198.51.100.255", 9))
`;
  hubTwo.signal("SIGSTOP");
  const peaks = [0, 0];
  for (let round = 0; round < 5; round++) {
    lan.site(1).run("python3", "-c", broadcasts);
    watched.forEach((pid, i) => {
      peaks[i] = Math.max(peaks[i] as number, memoryMb(pid).now);
    });
  }
  hubTwo.signal("SIGCONT");
  const since = performance.now();
  let back = Number.NaN;
  while (Number.isNaN(back) && performance.now() - since < 30_000) {
    const { exitCode } = Bun.spawnSync(
      ["nsenter", `--net=${lan.site(1).path}`, "ping", "-c", "1", "-W", "1", "198.51.100.3"],
      { stdout: "ignore" },
    );
    if (exitCode === 0) back = performance.now() - since;
  }
  const isSlow = nats.log.includes("Slow Consumer");
  const mb = (value: number | undefined): string => (value ?? 0).toFixed(0);
  return [
    ["hub one, RSS", `${mb(before[0])} MB`, `${mb(peaks[0])} MB`],
    ["nats-server, RSS", `${mb(before[1])} MB`, `${mb(peaks[1])} MB${isSlow ? ", slow consumer cut" : ""}`],
    ["hub two reached again after SIGCONT", "", `${(back / 1000).toFixed(1)} s`],
  ];
}

interface Sample {
  readonly tcp: Transfer;
  readonly small: Transfer;
  readonly trips: readonly number[];
}

const rig = await openRig();
const samples: Record<"one" | "two", Sample[]> = { one: [], two: [] };
let memory: string[][];
try {
  // A first transfer each, which compiles what runs often.
  for (const to of [2, 3]) await iperf(rig, to, false);
  for (let round = 0; round < rounds; round++) {
    for (const [name, to] of [["one", 2] as const, ["two", 3] as const]) {
      const tcp = await iperf(rig, to, false);
      const small = await iperf(rig, to, true);
      samples[name].push({ tcp, small, trips: roundTrips(rig, to) });
      console.error(
        `round ${round + 1}, ${name}: ${tcp.rate.toFixed(2)} Gbit/s, ${small.rate.toFixed(0)} frames/s, ${tcp.dropped} + ${small.dropped} dropped`,
      );
    }
  }
  memory = await stalled(rig);
} finally {
  rig.hubTwo.signal("SIGKILL");
  await rig.nats[Symbol.asyncDispose]();
  const left = await rig.lan.end();
  if (left.length > 0) console.error(`left: ${left}`);
}

const of = (name: "one" | "two", look: (sample: Sample) => number): number => median(samples[name].map(look));
const row = (text: string, look: (sample: Sample) => number, digits: number): string[] => {
  const [one, two] = [of("one", look), of("two", look)];
  const ratios = samples.two.map((sample, i) => look(sample) / look(samples.one[i] as Sample));
  return [text, one.toFixed(digits), two.toFixed(digits), one === 0 ? "" : median(ratios).toFixed(2)];
};
/** CPU time a frame of what stands between the clients. */
const between = ({ cpu, frames }: Transfer): number =>
  (1e9 * ((cpu[1] as number) + (cpu[2] as number) + (cpu[3] as number))) / frames;
const everything = ({ cpu, frames }: Transfer): number => (1e9 * cpu.reduce((sum, each) => sum + each, 0)) / frames;
const speeds = tableOf(
  ["", "one hub", "two hubs", "ratio"],
  [
    row("TCP, Gbit/s", ({ tcp }) => tcp.rate, 2),
    row("64-byte frames a second", ({ small }) => small.rate, 0),
    row("TCP: frames dropped by windows, of a million", ({ tcp }) => (1e6 * tcp.dropped) / tcp.frames, 0),
    row("round trip p50, µs", ({ trips }) => at(trips, 0.5), 0),
    row("round trip p99, µs", ({ trips }) => at(trips, 0.99), 0),
    row("TCP: CPU ns a frame, hubs and NATS", ({ tcp }) => between(tcp), 0),
    row("TCP: CPU ns a frame, with the clients", ({ tcp }) => everything(tcp), 0),
    row("64 bytes: CPU ns a frame, hubs and NATS", ({ small }) => between(small), 0),
    row("64 bytes: CPU ns a frame, with the clients", ({ small }) => everything(small), 0),
  ],
);
const shares = tableOf(
  ["CPU ns a TCP frame", ...PROCESSES],
  (["one", "two"] as const).map((name) => [
    `${name} hub${name === "one" ? "" : "s"}`,
    ...PROCESSES.map((_, i) => of(name, ({ tcp }) => (1e9 * (tcp.cpu[i] as number)) / tcp.frames).toFixed(0)),
  ]),
);
const memories = tableOf(["500,000 broadcasts of 1,400 bytes, hub two stopped", "before", "most"], memory);
const text = `\`bun bench/lan.ts${values.threads === undefined ? "" : ` --threads ${values.threads}`} --write\`, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, medians of ${rounds} rounds of ${seconds} s, turn by turn.\n\n${speeds}\n\n${shares}\n\n${memories}`;
console.log(text);
if (values.write) {
  const heading = values.threads === undefined ? "Speed" : `Speed, nats-server with ${values.threads} thread`;
  writeSection(new URL("results/lan.md", import.meta.url), "A LAN of several hubs", heading, text);
}
