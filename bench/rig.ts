/**
 * The network around the program under test:
 *
 *      namespace A            a fresh namespace            namespace B
 *   benchA 192.0.2.1/24 <---- fds ---- relay ---- fds ----> benchB 198.51.100.1/24
 *          2001:db8:a::1/64                                        2001:db8:b::1/64
 *
 * The relay opens both interfaces in a namespace of its own; they are moved from
 * there, and its fds keep working.
 */
import { configure, moveLink, openNamespace } from "./netns.ts";
import { Program } from "./processes.ts";

/** The program under test ends of itself then, whatever becomes of the run. */
const SECONDS_MAX = 300;

/** What the network is like where it is not a TUN with IPv4 and the kernel's defaults. */
export interface Network {
  tap?: boolean;
  ipv6?: boolean;
  /** Bytes of a TCP segment that both ends offer, on their routes. */
  advmss?: number;
  txQueueLength?: number;
  /** Interfaces beside the busy one; of the echo program alone. */
  idleDevices?: number;
  /** Bytes of a datagram. */
  size?: number;
  /** Ports that datagrams are sent to in turn. */
  peers?: number;
  /** Datagrams to each of these in turn. */
  run?: number;
  /** Times that each of these has its turn in one call. */
  turns?: number;
  /** TCP connections at once. */
  flows?: number;
  /** UDP in place of TCP. */
  udp?: boolean;
}

export interface RelayRig {
  a: number;
  b: number;
  /** The address in namespace B. */
  address: string;
  relay: Program;
}

/** Nobody's: what is sent there goes into the TUN and meets the echo program. */
export const ADDRESS_ECHO = "192.0.2.2";

const ipv4 = { a: "192.0.2.1", b: "198.51.100.1", netA: "192.0.2.0/24", netB: "198.51.100.0/24", length: 24 };
const ipv6 = { a: "2001:db8:a::1", b: "2001:db8:b::1", netA: "2001:db8:a::/64", netB: "2001:db8:b::/64", length: 64 };

export async function openRelayRig(command: readonly string[], network: Network): Promise<RelayRig> {
  const isIPv6 = network.ipv6 === true;
  const [a, b] = await Promise.all([openNamespace(isIPv6), openNamespace(isIPv6)]);
  const kind = network.tap ? ["--tap"] : [];
  const relay = new Program([...command, ...kind, "benchA", "benchB", String(SECONDS_MAX)], { netns: "fresh" });
  await relay.ready();
  await Promise.all([moveLink("benchA", relay.pid, a), moveLink("benchB", relay.pid, b)]);
  // Both are up before either has anything to say, which the relay could not write to the other.
  await Promise.all([configure(a, [bringUp("benchA", network)]), configure(b, [bringUp("benchB", network)])]);
  const addresses = isIPv6 ? ipv6 : ipv4;
  const advmss = network.advmss === undefined ? "" : ` advmss ${network.advmss}`;
  const nodad = isIPv6 ? " nodad" : "";
  await configure(a, [
    `address add ${addresses.a}/${addresses.length} dev benchA${nodad}`,
    `route add ${addresses.netB} dev benchA${advmss}`,
  ]);
  await configure(b, [
    `address add ${addresses.b}/${addresses.length} dev benchB${nodad}`,
    `route add ${addresses.netA} dev benchB${advmss}`,
  ]);
  return { a, b, address: addresses.b, relay };
}

export interface EchoRig {
  netns: number;
  echo: Program;
}

/** One namespace, one program that sends everything back, its TUN and idle ones beside it. */
export async function openEchoRig(command: readonly string[], network: Network): Promise<EchoRig> {
  const netns = await openNamespace(false);
  const idle = network.idleDevices ?? 0;
  const echo = new Program([...command, "--idle", String(idle), "benchE", String(SECONDS_MAX)], { netns });
  await echo.ready();
  const idleNames = Array.from({ length: idle }, (_, i) => `idle${i}`);
  await configure(netns, [
    ...["benchE", ...idleNames].map((name) => bringUp(name, network)),
    "address add 192.0.2.1/24 dev benchE",
  ]);
  return { netns, echo };
}

/** The kernel's defaults, whatever the program under test thinks of them. */
function bringUp(name: string, { tap, txQueueLength = tap ? 1000 : 500 }: Network): string {
  return `link set ${name} mtu 1500 txqueuelen ${txQueueLength} up`;
}
