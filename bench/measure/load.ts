/** What the relay under test is given to do. */
import { listens, ownCpus } from "../proc.ts";
import { Program, run, until } from "../processes.ts";
import { openRelayRig, type RelayRig } from "../rig.ts";
import type { Setting } from "./kind.ts";

const IPERF_PORT = 5201;
const DISCARD_PORT = "9";

/** Opens two namespaces and the relay between them. */
export function openRelay({ contender, network, programs }: Setting): Promise<RelayRig> {
  return openRelayRig([...programs.relay[contender.program], ...contender.options], network);
}

export interface TcpResult {
  bytes: number;
  bitsPerSecond: number;
  retransmits: number;
}

/** One TCP connection from A to B, as fast as it goes, for whole seconds: iperf3 knows no others. */
export async function tcp(rig: RelayRig, seconds: number): Promise<TcpResult> {
  const port = String(IPERF_PORT);
  const server = new Program(["iperf3", "-s", "-1", "-B", rig.address, "-p", port], { netns: rig.b });
  await until("iperf3 server listens", () => listens(rig.b, IPERF_PORT));
  const client = [
    "iperf3",
    "-c",
    rig.address,
    "-p",
    port,
    "-t",
    String(Math.ceil(seconds)),
    "-J",
    "--connect-timeout",
    "3000",
  ];
  const { end } = JSON.parse(await run(client, { netns: rig.a }, seconds * 1000 + 10_000));
  await server.output();
  return {
    bytes: end.sum_received.bytes,
    bitsPerSecond: end.sum_received.bits_per_second,
    retransmits: end.sum_sent.retransmits,
  };
}

export interface FloodResult {
  sent: number;
  arrived: number;
  bytes: number;
  seconds: number;
}

/**
 * UDP from A to B, more than any relay can take: small packets, or super-packets
 * of large ones. The two tools stay on a CPU each. Where the scheduler moves
 * them, a packet costs the relay a fifth more or less, for the kernel frees it on
 * the CPU that it was made on (net/core/skbuff.c skb_attempt_defer_free()).
 */
export async function flood(rig: RelayRig, { programs }: Setting, seconds: number, gso = false): Promise<FloodResult> {
  const command = gso ? [...programs.flood, "--gso"] : programs.flood;
  const where = [rig.address, DISCARD_PORT];
  const [first, last] = ownCpus();
  const count = ["taskset", "-c", first, ...command, "count", ...where, String(seconds + 5)];
  const send = ["taskset", "-c", last, ...command, "send", ...where, String(seconds)];
  const counter = new Program(count, { netns: rig.b });
  await counter.ready();
  const { sent } = JSON.parse(await run(send, { netns: rig.a }, seconds * 1000 + 5000));
  return { sent, ...JSON.parse(await counter.output()) };
}

/** Frames that the relay could not write. It ends by this. */
export async function droppedBy(relay: Program): Promise<number> {
  return JSON.parse(await relay.end()).dropped;
}
