/** One measurement of each kind: builds its rig, measures, and says what it saw. */
import { cpuSeconds, cpuSecondsSince, listens, receivedPackets } from "./proc.ts";
import { Program, run, until } from "./processes.ts";
import { ADDRESS_B, ADDRESS_ECHO, openEchoRig, openRelayRig, type RelayRig } from "./rig.ts";

/** Numbers by the keys that bench/report.ts knows. */
export type Sample = Record<string, number>;

/** Command lines: the two programs under test, and the tools that measure them. */
export interface Contender {
  relay: string[];
  echo: string[];
}
export interface Tools {
  flood: string;
  rtt: string;
}

const IPERF_PORT = 5201;
const DISCARD_PORT = "9";
const ECHO_PORT = "7";
const RTT_GAP_US = 2000;
const WARM_UP_SECONDS = 0.5;
const RTT_WARM_UP_COUNT = 3000;
const RTT_WARM_UP_GAP_US = 100;

/** TCP through the relay, as iperf3 sees it, and what it costs the relay. */
export async function measureThroughput(contender: Contender, tools: Tools, seconds: number): Promise<Sample> {
  const rig = await openRelayRig(contender.relay);
  await flood(rig, tools, WARM_UP_SECONDS);
  const port = String(IPERF_PORT);
  const server = new Program(["iperf3", "-s", "-1", "-4", "-B", ADDRESS_B, "-p", port], { netns: rig.b });
  await until("iperf3 server listens", () => listens(rig.b, IPERF_PORT));

  const before = cpuSeconds(rig.relay.pid);
  const client = ["iperf3", "-c", ADDRESS_B, "-p", port, "-t", String(seconds), "-J", "--connect-timeout", "3000"];
  const report = JSON.parse(await run(client, { netns: rig.a }, seconds * 1000 + 10_000));
  const { user, system } = cpuSecondsSince(rig.relay.pid, before);
  await server.output();

  const gigabytes = report.end.sum_received.bytes / 1e9;
  return {
    gbits: report.end.sum_received.bits_per_second / 1e9,
    cpuPerGb: (user + system) / gigabytes,
    userPerGb: user / gigabytes,
    systemPerGb: system / gigabytes,
    dropped: await droppedBy(rig.relay),
  };
}

/** Small packets, more than the relay can take, and what each one that it takes costs it. */
export async function measureFlood(contender: Contender, tools: Tools, seconds: number): Promise<Sample> {
  const rig = await openRelayRig(contender.relay);
  await flood(rig, tools, WARM_UP_SECONDS);

  const cpuBefore = cpuSeconds(rig.relay.pid);
  const packetsBefore = receivedPackets(rig.b, "benchB");
  const { sent, arrived, packetsPerSecond } = await flood(rig, tools, seconds);
  const { user, system } = cpuSecondsSince(rig.relay.pid, cpuBefore);
  const relayed = receivedPackets(rig.b, "benchB") - packetsBefore;

  return {
    packetsPerSecond,
    lostPercent: (1 - arrived / sent) * 100,
    cpuNsPerPacket: ((user + system) / relayed) * 1e9,
    dropped: await droppedBy(rig.relay),
    // The relay has delivered these and the counting program's socket had no room: the rig's fault.
    uncounted: relayed - arrived,
  };
}

/** Round-trip times through an otherwise idle echo program. */
export async function measureRtt(contender: Contender, tools: Tools, seconds: number): Promise<Sample> {
  const netns = await openEchoRig(contender.echo);
  const ask = (count: number, gapUs: number): Promise<string> =>
    run([tools.rtt, ADDRESS_ECHO, ECHO_PORT, String(count), String(gapUs)], { netns }, seconds * 2000 + 10_000);
  // As the relays are warmed up: a program that has been running for a while is what is measured.
  await ask(RTT_WARM_UP_COUNT, RTT_WARM_UP_GAP_US);
  return JSON.parse(await ask(Math.round((seconds * 1e6) / RTT_GAP_US), RTT_GAP_US));
}

/** A fresh process that imports this library and opens a device. */
export async function measureStartup(): Promise<Sample> {
  return JSON.parse(await run([process.execPath, `${import.meta.dir}/startup.ts`], { netns: "fresh" }));
}

interface FloodResult {
  sent: number;
  arrived: number;
  packetsPerSecond: number;
}

async function flood(rig: RelayRig, tools: Tools, seconds: number): Promise<FloodResult> {
  const counter = new Program([tools.flood, "count", DISCARD_PORT, String(seconds + 5)], { netns: rig.b });
  await counter.ready();
  const send = [tools.flood, "send", ADDRESS_B, DISCARD_PORT, String(seconds)];
  const { sent } = JSON.parse(await run(send, { netns: rig.a }, seconds * 1000 + 5000));
  const { arrived, seconds: took } = JSON.parse(await counter.output());
  return { sent, arrived, packetsPerSecond: arrived / took };
}

async function droppedBy(relay: Program): Promise<number> {
  return JSON.parse(await relay.end()).dropped;
}
