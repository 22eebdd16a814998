/** What is measured: each case with its network, and who takes part. */
import type { Case } from "./case.ts";
import type { Contender } from "./contender.ts";
import { crossingsKind } from "./measure/crossings.ts";
import { smallPacketsKind, superPacketsKind } from "./measure/flood.ts";
import { flowsKind } from "./measure/flows.ts";
import { memoryKind } from "./measure/memory.ts";
import { rttKind } from "./measure/rtt.ts";
import { startupKind } from "./measure/startup.ts";
import { tcpKind } from "./measure/tcp.ts";
import { tunnelKind } from "./measure/tunnel.ts";
import { udpReceiveKind, udpSendKind } from "./measure/udp.ts";
import { wireguardKind } from "./measure/wireguard.ts";

const c = (name: string, ...options: string[]): Contender => ({ name, program: "c", options });
const ours = (name: string, against: Contender | undefined, ...options: string[]): Contender => ({
  name,
  program: "ours",
  options,
  ...(against && { against }),
});

const poll: Contender = c("C, poll");
const threads = c("C, two threads", "--threads");
const through: Contender = c("C, headers passed through", "--vnet");
const throughThreads = c("C, headers passed through, two threads", "--vnet", "--threads");

// As C does, ours reads into the same buffer again and again, unless frames are to be kept.
export const plain: Contender = ours("ours", poll);
export const plainKept: Contender = ours("ours, frames kept", poll, "--keep");
export const offload: Contender = ours("ours, offload", through, "--offload");
export const offloadKept: Contender = ours("ours, offload, frames kept", through, "--offload", "--keep");
export const raw: Contender = ours("ours, raw", through, "--raw");
export const rawKept: Contender = ours("ours, raw, frames kept", through, "--raw", "--keep");
const oneFlow: Contender = ours("1 flow", undefined, "--flows=1");
const moreFlows = [2, 8, 32, 256].map((count) => ours(`${count} flows`, oneFlow, `--flows=${count}`));
export const start: Contender = ours("ours", undefined);

const inOneThread = [poll, plain, through, offload, raw];
const keeping = [plainKept, offloadKept, rawKept];
const withHeaders = [through, throughThreads, offload, offloadKept, raw, rawKept];

const gso = c("C, UDP_SEGMENT and UDP_GRO", "--gso", "--gro");
const bunSocket = ours("Bun.udpSocket", gso, "--bun");
export const oursToMany: Contender = ours("ours, sendMany to all", bunSocket);
const oursToEach = ours("ours, send to each", bunSocket, "--each");
export const oursUdp: Contender = ours("ours", gso);
const udpContenders = [gso, c("C, one datagram a call"), oursUdp, ours("ours, one by one", gso, "--single"), bunSocket];
export const tunnelBound: Contender = c("C, super-packets passed on");
const tunnelInC: Contender = { ...c("C, each packet a datagram", "--packets"), against: tunnelBound };
export const oursTunnel: Contender = ours("ours", tunnelInC);
const tunnels = [tunnelBound, tunnelInC, oursTunnel];
const sealedInC = c("C, super-packets sealed in pieces");
const wireguardGo: Contender = { ...ours("wireguard-go", sealedInC), command: ["wireguard-go"] };
export const oursWireguard: Contender = ours("ours, libcrypto", sealedInC, "--cipher=libcrypto");
const wireguards = [
  sealedInC,
  oursWireguard,
  ours("ours, libsodium", oursWireguard, "--cipher=libsodium"),
  wireguardGo,
];

const sizes = [64, 512, 1452] as const;

/** Datagrams of each size to and from one peer, and 64 in turn. */
const udpCases: readonly Case[] = sizes.flatMap((size): Case[] => [
  {
    name: `udp-send-${size}`,
    title: `UDP, datagrams of ${size} bytes sent to one peer`,
    kind: udpSendKind,
    network: { size },
    contenders: udpContenders,
    slow: size === 512,
  },
  {
    name: `udp-receive-${size}`,
    title: `UDP, datagrams of ${size} bytes received from one peer`,
    kind: udpReceiveKind,
    network: { size },
    contenders: udpContenders,
    slow: size === 512,
  },
  {
    name: `udp-send-peers-${size}`,
    title: `UDP, datagrams of ${size} bytes sent to 64 peers, one to each in a call`,
    kind: udpSendKind,
    network: { size, peers: 64 },
    contenders: [gso, bunSocket, oursToMany, oursToEach],
    slow: size !== 1452,
  },
  {
    name: `udp-send-turns-${size}`,
    title: `UDP, datagrams of ${size} bytes sent to 64 peers in turn, 256 in a call`,
    kind: udpSendKind,
    network: { size, peers: 64, turns: 4 },
    contenders: [gso, bunSocket, oursToMany],
    slow: size !== 1452,
  },
  {
    name: `udp-send-hub-${size}`,
    title: `UDP, datagrams of ${size} bytes sent to 64 peers, 8 to each in turn`,
    kind: udpSendKind,
    network: { size, peers: 64, run: 8 },
    contenders: [gso, oursUdp, bunSocket],
    slow: true,
  },
  {
    name: `udp-receive-peers-${size}`,
    title: `UDP, datagrams of ${size} bytes received on 64 ports in turn`,
    kind: udpReceiveKind,
    network: { size, peers: 64 },
    contenders: [gso, oursUdp, bunSocket],
    slow: true,
  },
]);

/** A contender with idle devices beside the busy one. */
function beside(idleDevices: number, contender: Contender): Contender {
  const { program, options } = contender;
  const name = `${contender.name}, ${idleDevices + 1} devices`;
  return { name, program, options, network: { idleDevices }, against: contender };
}

/** A contender with another length of the kernel's queues. */
function inQueueOf(txQueueLength: number, contender: Contender): Contender {
  return { ...contender, name: `${contender.name}, txqueuelen ${txQueueLength}`, network: { txQueueLength } };
}

const napi = c("C, poll, IFF_NAPI", "--napi");
const throughNapi = c("C, headers passed through, IFF_NAPI", "--vnet", "--napi");

export const cases: readonly Case[] = [
  {
    name: "tcp-tun-ipv4",
    title: "TCP, TUN, IPv4",
    kind: tcpKind,
    network: {},
    contenders: [threads, throughThreads, ...inOneThread, ...keeping],
  },
  {
    name: "tcp-tun-ipv6",
    title: "TCP, TUN, IPv6",
    kind: tcpKind,
    network: { ipv6: true },
    contenders: inOneThread,
    slow: true,
  },
  {
    name: "tcp-tap-ipv4",
    title: "TCP, TAP, IPv4",
    kind: tcpKind,
    network: { tap: true },
    contenders: inOneThread,
    slow: true,
  },
  {
    name: "tcp-tap-ipv6",
    title: "TCP, TAP, IPv6",
    kind: tcpKind,
    network: { tap: true, ipv6: true },
    contenders: inOneThread,
  },
  {
    name: "tcp-advmss",
    title: "TCP in segments of 400 bytes, TUN, IPv4",
    kind: tcpKind,
    network: { advmss: 400 },
    contenders: withHeaders,
  },
  {
    name: "flood",
    title: "UDP flood of 64-byte packets, TUN, IPv4",
    kind: smallPacketsKind,
    network: {},
    contenders: [threads, ...inOneThread, ...keeping],
  },
  {
    name: "flood-tap-ipv6",
    title: "UDP flood of 64-byte packets, TAP, IPv6",
    kind: smallPacketsKind,
    network: { tap: true, ipv6: true },
    contenders: inOneThread,
    slow: true,
  },
  {
    name: "gso",
    title: "UDP with GSO, TUN, IPv4",
    kind: superPacketsKind,
    network: {},
    contenders: [poll, plain, ...withHeaders],
  },
  {
    name: "gso-tap-ipv6",
    title: "UDP with GSO, TAP, IPv6",
    kind: superPacketsKind,
    network: { tap: true, ipv6: true },
    contenders: inOneThread,
    slow: true,
  },
  {
    name: "rtt",
    title: "Idle round trip, a packet each 2 ms",
    kind: rttKind,
    network: {},
    contenders: inOneThread,
  },
  {
    name: "devices",
    title: "The same with more devices, all but one idle",
    kind: rttKind,
    network: {},
    contenders: [poll, beside(7, poll), beside(63, poll), plain, beside(7, plain), beside(63, plain)],
    slow: true,
  },
  {
    name: "crossings",
    title: "What a packet takes",
    kind: crossingsKind,
    network: {},
    contenders: [...inOneThread, plainKept],
    once: true,
    slow: true,
  },
  {
    name: "memory",
    title: "Memory in a long flood of 64-byte packets",
    kind: memoryKind,
    network: {},
    contenders: [plain, offload, raw, plainKept],
    once: true,
  },
  ...udpCases,
  {
    name: "tunnel-tcp",
    title: "A tunnel: TUN to UDP to TUN over veth, one TCP connection",
    kind: tunnelKind,
    network: {},
    contenders: [...tunnels, ours("ours, frames kept", tunnelInC, "--keep")],
  },
  {
    name: "tunnel-tcp-8",
    title: "The tunnel with eight TCP connections",
    kind: tunnelKind,
    network: { flows: 8 },
    contenders: tunnels,
  },
  {
    name: "tunnel-udp",
    title: "The tunnel with UDP inside, in datagrams of 1,400 bytes",
    kind: tunnelKind,
    network: { udp: true },
    contenders: tunnels,
    slow: true,
  },
  {
    name: "wireguard-1",
    title: "The WireGuard protocol over veth, one TCP connection",
    kind: wireguardKind,
    network: {},
    contenders: wireguards,
    slow: true,
  },
  {
    name: "wireguard-8",
    title: "The WireGuard protocol with eight TCP connections",
    kind: wireguardKind,
    network: { flows: 8 },
    contenders: wireguards,
    slow: true,
  },
  {
    name: "watched",
    title: "UDP flood of 64-byte packets, with something that looks at them",
    kind: smallPacketsKind,
    network: {},
    contenders: [
      plain,
      ours("ours, captured", plain, "--watch=capture"),
      ours("ours, on a page of apps/monitor", plain, "--watch=monitor"),
    ],
    slow: true,
  },
  {
    name: "flows",
    title: "Interleaved flows in one sendMany with offload, segments of 1,448 bytes",
    kind: flowsKind,
    network: {},
    contenders: [oneFlow, ...moreFlows],
  },
  { name: "startup", title: "Start", kind: startupKind, network: {}, contenders: [start] },
  {
    name: "trial-tcp",
    title: "Trials, TCP, TUN, IPv4",
    kind: tcpKind,
    network: {},
    contenders: [
      ...[poll, napi, inQueueOf(2000, poll)],
      ...[plain, inQueueOf(2000, plain), plainKept],
      ...[through, throughNapi, inQueueOf(2000, through)],
      ...[offload, inQueueOf(2000, offload), offloadKept],
      ...[raw, inQueueOf(2000, raw), rawKept],
    ],
    trial: true,
  },
];
