/** The rows of the first table: what somebody wants to know who chooses a library, and what we want to reach. */
import type { CaseName } from "./case.ts";
import {
  offload,
  offloadKept,
  oursToMany,
  oursTunnel,
  oursUdp,
  oursWireguard,
  plain,
  plainKept,
  raw,
  rawKept,
  start,
  tunnelBound,
} from "./cases.ts";
import type { Contender } from "./contender.ts";

export type Limit = { readonly most: number } | { readonly least: number };

export interface Headline {
  /** What it stands under; the rows of one section are neighbours. */
  readonly section: string;
  readonly of: CaseName;
  readonly contender: Contender;
  readonly key: string;
  readonly label: string;
  readonly digits: number;
  /** The target of the ratio, or of the value itself where there is no C. */
  readonly limit?: Limit;
}

type Row = Pick<Headline, "key" | "label" | "digits" | "limit">;

function section(title: string, of: CaseName, contender: Contender, rows: readonly Row[]): Headline[] {
  return rows.map((row) => ({ section: title, of, contender, ...row }));
}

/** `gbits` and `cpu` are the targets. */
function throughput(what: string, [gbits, cpu]: readonly [gbits: number, cpu?: number]): Row[] {
  return [
    { key: "gbits", label: `${what}, Gbit/s`, digits: 2, limit: { least: gbits } },
    { key: "cpuPerGb", label: `${what}: CPU, s/GB`, digits: 2, ...(cpu !== undefined && { limit: { most: cpu } }) },
  ];
}

const userAndSystem: readonly Row[] = [
  { key: "userPerGb", label: "of it user, s/GB", digits: 2 },
  { key: "systemPerGb", label: "of it system, s/GB", digits: 2 },
];

function packets(what: string): Row[] {
  return [
    { key: "packetsPerSecond", label: `${what} that arrive, /s`, digits: 0, limit: { least: 0.95 } },
    { key: "lostPercent", label: "lost of those sent, %", digits: 1 },
    { key: "cpuNsPerPacket", label: `${what}: CPU, ns/packet`, digits: 0, limit: { most: 1.15 } },
  ];
}

/** `least` is the target of the rate. */
function datagrams(what: string, least: number): Row[] {
  return [
    { key: "datagramsPerSecond", label: `${what}, /s`, digits: 0, limit: { least } },
    { key: "cpuNsPerDatagram", label: "CPU, ns/datagram", digits: 0 },
  ];
}

const plainTargets = [1, 1.15] as const;
const offloadTargets = [0.95, 1.25] as const;
/** Of segments of 400 bytes, and of frames that can be kept. */
const dearTargets = [0.9, 1.5] as const;
/** Splitting and merging take a pass over the memory each, and C makes none. */
const datagramTargets = [0.7] as const;
const rawTargets = [0.95, 1.15] as const;
const [tcp, tcpKept] = ["TCP", "TCP, frames kept"];
const [small, smallKept] = ["TCP in segments of 400 bytes", "TCP in segments of 400 bytes, frames kept"];
const [udp, udpKept] = ["UDP with GSO", "UDP with GSO, frames kept"];

/** The tunnel beside a program that reads no packets. */
const besideBound: Contender = { ...oursTunnel, against: tunnelBound };

export const headlines: readonly Headline[] = [
  ...section("plain", "tcp-tun-ipv4", plain, [...throughput(tcp, plainTargets), ...userAndSystem]),
  ...section("plain", "tcp-tun-ipv4", plainKept, throughput(tcpKept, plainTargets)),
  ...section("offload", "tcp-tun-ipv4", offload, [...throughput(tcp, offloadTargets), ...userAndSystem]),
  ...section("offload", "tcp-tun-ipv4", offloadKept, throughput(tcpKept, dearTargets)),
  ...section("offload", "tcp-advmss", offload, throughput(small, dearTargets)),
  ...section("offload", "tcp-advmss", offloadKept, throughput(smallKept, dearTargets)),
  ...section("offload", "gso", offload, throughput(udp, datagramTargets)),
  ...section("offload", "gso", offloadKept, throughput(udpKept, datagramTargets)),
  ...section("raw", "tcp-tun-ipv4", raw, [...throughput(tcp, rawTargets), ...userAndSystem]),
  ...section("raw", "tcp-tun-ipv4", rawKept, throughput(tcpKept, rawTargets)),
  ...section("raw", "tcp-advmss", raw, throughput(small, rawTargets)),
  ...section("raw", "tcp-advmss", rawKept, throughput(smallKept, rawTargets)),
  ...section("raw", "gso", raw, throughput(udp, rawTargets)),
  ...section("raw", "gso", rawKept, throughput(udpKept, rawTargets)),
  ...section("flood", "flood", plain, packets("64-byte packets")),
  ...section("flood", "flood", plainKept, packets("64-byte packets, frames kept")),
  ...section("rtt", "rtt", plain, [
    { key: "p50", label: "idle echo RTT p50, µs", digits: 1, limit: { most: 1.6 } },
    { key: "p90", label: "p90, µs", digits: 1 },
    { key: "p99", label: "p99, µs", digits: 1 },
  ]),
  ...section("memory", "memory", plain, [
    { key: "packets", label: "packets in one flood", digits: 0 },
    { key: "growthMb", label: "growth meanwhile, MB", digits: 1, limit: { most: 1 } },
    { key: "collectionsPerMillion", label: "collections a million packets", digits: 2, limit: { most: 0 } },
  ]),
  ...section("UDP", "udp-send-1452", oursUdp, datagrams("datagrams of 1,452 bytes sent", 0.9)),
  ...section("UDP", "udp-receive-1452", oursUdp, datagrams("datagrams of 1,452 bytes received", 0.85)),
  ...section(
    "UDP",
    "udp-send-turns-1452",
    oursToMany,
    datagrams("to 64 peers in turn, 256 in a call, beside Bun.udpSocket", 2),
  ),
  ...section(
    "UDP",
    "udp-send-peers-1452",
    oursToMany,
    datagrams("one to each of 64 peers in a call, beside Bun.udpSocket", 2),
  ),
  ...section("tunnel", "tunnel-tcp", oursTunnel, throughput("one TCP connection", [0.85, 1.3])),
  ...section("tunnel", "tunnel-tcp-8", oursTunnel, throughput("eight TCP connections", [0.85, 1.3])),
  ...section(
    "tunnel",
    "tunnel-tcp",
    besideBound,
    throughput("one connection, beside super-packets passed on", [0.85, 1.3]),
  ),
  ...section("tunnel", "tunnel-tcp-8", besideBound, throughput("eight, beside super-packets passed on", [0.85, 1.3])),
  ...section("WireGuard", "wireguard-1", oursWireguard, throughput("one TCP connection", [0.85, 1.25])),
  ...section("WireGuard", "wireguard-8", oursWireguard, throughput("eight TCP connections", [0.85, 1.25])),
  ...section("startup", "startup", start, [
    { key: "import", label: "import, ms", digits: 1, limit: { most: 5 } },
    { key: "open", label: "first open after it, ms", digits: 1, limit: { most: 15 } },
  ]),
];
