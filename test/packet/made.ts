/** Frames of what the captured traffic has not: the rarer types and codes, options and extension headers, made with our own builders. */
import * as packet from "../../src/packet/index.ts";

const { EtherType, IpProtocol } = packet;
const ends = { source: "192.0.2.1", destination: "192.0.2.2" };
const ends6 = { source: "2001:db8::1", destination: "2001:db8::2" };
const ports = { sourcePort: 4321, destinationPort: 33434 };
const elsewhere = { source: "192.0.2.2", destination: "198.51.100.9" };
const elsewhere6 = { source: "2001:db8::2", destination: "2001:db8:9::9" };
const text = new TextEncoder().encode("abc");

function ethernet(etherType: number, payload: Uint8Array, vlanTags: packet.VlanTag[] = []): Uint8Array {
  const hosts = { destination: "02:00:5e:00:53:02", source: "02:00:5e:00:53:01" };
  return packet.buildEthernet({ ...hosts, etherType, payload, vlanTags });
}

export function ipv4(protocol: number, payload: Uint8Array, fields: Partial<packet.IPv4Fields> = {}): Uint8Array {
  return ethernet(EtherType.IPv4, packet.buildIPv4({ ...ends, protocol, payload, ...fields }));
}

export function ipv6(nextHeader: number, payload: Uint8Array, fields: Partial<packet.IPv6Fields> = {}): Uint8Array {
  return ethernet(EtherType.IPv6, packet.buildIPv6({ ...ends6, nextHeader, payload, ...fields }));
}

export function tcp(options: packet.TcpOption[], fields: Partial<packet.TcpFields> = {}): Uint8Array {
  const segment = { ...ends, sourcePort: 4321, destinationPort: 4444, sequence: 1, acknowledgment: 7, flags: 0x10 };
  return ipv4(IpProtocol.TCP, packet.buildTcp({ ...segment, options, ...fields }));
}

export function icmpv6(type: number, ...body: number[]): Uint8Array {
  return ipv6(IpProtocol.ICMPV6, packet.buildIcmpv6({ ...ends6, type, body: Uint8Array.from(body) }));
}

const udp = packet.buildUdp({ ...ends, ...ports, payload: text });
const udp6 = packet.buildUdp({ ...ends6, ...ports, payload: text });
const syn = packet.buildTcp({ ...elsewhere, ...ports, sequence: 1, flags: packet.TcpFlag.SYN });
const syn6 = packet.buildTcp({ ...elsewhere6, ...ports, sequence: 1, flags: packet.TcpFlag.SYN });
const aboutUdp = packet.buildIPv4({
  ...elsewhere,
  protocol: IpProtocol.UDP,
  payload: packet.buildUdp({ ...elsewhere, ...ports, payload: text }),
});
const aboutTcp = packet.buildIPv4({ ...elsewhere, protocol: IpProtocol.TCP, payload: syn });
const aboutOther = packet.buildIPv4({ ...elsewhere, protocol: 132, payload: new Uint8Array(12) });
const aboutUdp6 = packet.buildIPv6({
  ...elsewhere6,
  nextHeader: IpProtocol.UDP,
  payload: packet.buildUdp({ ...elsewhere6, ...ports, payload: text }),
});
const aboutTcp6 = packet.buildIPv6({ ...elsewhere6, nextHeader: IpProtocol.TCP, payload: syn6 });
const range = (end: number) => Array.from({ length: end }, (_, i) => i);
const host6 = (last: number) => [0x20, 0x01, 0x0d, 0xb8, ...new Array<number>(11).fill(0), last];

function error(type: number, code: number, fields: Partial<packet.IcmpErrorFields> = {}): Uint8Array {
  return ipv4(IpProtocol.ICMP, packet.buildIcmpError({ type, code, original: aboutUdp, ...fields }));
}

function error6(type: number, code: number, fields: Partial<packet.Icmpv6ErrorFields> = {}): Uint8Array {
  return ipv6(IpProtocol.ICMPV6, packet.buildIcmpv6Error({ ...ends6, type, code, original: aboutUdp6, ...fields }));
}

const icmp = [
  ...range(18).map((code) => error(3, code, { mtu: code === 4 ? 1300 : 0 })),
  error(3, 4),
  error(3, 3, { original: aboutTcp }),
  error(3, 3, { original: aboutOther }),
  ...range(5).flatMap((code) => [
    error(5, code, { gateway: "192.0.2.7" }),
    error(11, code),
    error(12, code, { pointer: 9 }),
  ]),
  ...[4, 10, 13, 15, 16, 17, 30, 42, 200].map((type) =>
    ipv4(IpProtocol.ICMP, packet.buildIcmp({ type, body: new Uint8Array(16) })),
  ),
];

const mac = "02:00:5e:00:53:01";
const neighbors: Uint8Array[] = [
  packet.buildRouterSolicitation({ ...ends6, options: [{ kind: "sourceLinkLayerAddress", mac }] }),
  packet.buildRouterAdvertisement({
    ...ends6,
    hopLimit: 63,
    managed: true,
    lifetimeSeconds: 1800,
    reachableMs: 30_000,
    retransmitMs: 1000,
    options: [
      { kind: "sourceLinkLayerAddress", mac },
      { kind: "mtu", mtu: 1492 },
      {
        kind: "prefix",
        prefix: "2001:db8:7::",
        prefixLength: 64,
        onLink: true,
        autonomous: false,
        validSeconds: 86_400,
        preferredSeconds: 14_400,
      },
      { kind: "dnsServers", lifetimeSeconds: 600, servers: ["2001:db8::53", "2001:db8::54"] },
    ],
  }),
  packet.buildNeighborSolicitation({
    ...ends6,
    target: "2001:db8::2",
    options: [{ kind: "sourceLinkLayerAddress", mac }],
  }),
  packet.buildNeighborAdvertisement({
    ...ends6,
    target: "2001:db8::1",
    router: true,
    override: true,
    options: [{ kind: "targetLinkLayerAddress", mac }],
  }),
  packet.buildNeighborAdvertisement({ ...ends6, target: "2001:db8::1", solicited: true }),
].map((payload) => ipv6(IpProtocol.ICMPV6, payload, { hopLimit: 255 }));

const icmp6 = [
  ...[0, 2, 3, 4].map((code) => error6(1, code)),
  error6(1, 4, { original: aboutTcp6 }),
  error6(2, 0, { mtu: 1300 }),
  ...range(5).map((code) => error6(3, code)),
  ...range(6).map((code) => error6(4, code, { pointer: 6 })),
  ...neighbors,
  icmpv6(130, 0, 100, 0, 0, ...host6(2), 0, 0, 0, 0),
  icmpv6(137, 0, 0, 0, 0, ...host6(2), ...host6(9)),
  icmpv6(143, 0, 0, 0, 2),
  icmpv6(100, 0, 0, 0, 0),
];

const segments = [
  ...[0, 0x3f, 0xc2, 0xff].map((flags) => tcp([], { flags, payload: text, urgentPointer: 3, sequence: 0xffff_fffe })),
  tcp([{ kind: "sack", blocks: [{ start: 3, end: 0xffff_ffff }] }]),
  tcp([{ kind: "nop" }, { kind: "nop" }, { kind: "sack", blocks: [1, 5].map((start) => ({ start, end: start + 2 })) }]),
  tcp([{ kind: "mss", mss: 1460 }, { kind: "sackPermitted" }, { kind: "windowScale", shift: 7 }, { kind: "nop" }]),
  tcp([{ kind: "mss", mss: 1460 }, { kind: "end" }]),
  tcp([
    { kind: "timestamps", value: 0xffff_ffff, echoReply: 5 },
    { kind: "windowScale", shift: 14 },
  ]),
  tcp([{ kind: "unknown", number: 200, data: text }]),
  tcp([{ kind: "unknown", number: 99, data: new Uint8Array(0) }]),
];

/** RFC 8200 section 8.1: its checksum covers the last destination, which is in the routing header. */
const routed = packet.buildUdp({ source: "2001:db8::1", destination: "2001:db8::9", ...ports, payload: text });

/** Routing headers of types 0, 2 and 4, an AH, an atomic fragment, nothing at all; fragments of IPv4. */
const chains = [
  ...[0, 2, 4].map((type) => ipv6(43, Uint8Array.from([17, 2, type, 1, 0, 0, 0, 0, ...host6(9), ...routed]))),
  ipv6(51, Uint8Array.from([17, 4, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, ...range(12), ...udp6])),
  ipv6(44, Uint8Array.from([17, 0, 0, 0, 0, 0, 0, 9, ...udp6])),
  ipv6(0, Uint8Array.of(59, 0, 1, 4, 0, 0, 0, 0)),
  ipv6(253, new Uint8Array(24)),
  ipv4(255, new Uint8Array(24)),
  ipv4(IpProtocol.UDP, udp.subarray(0, 8), { moreFragments: true }),
  ipv4(IpProtocol.TCP, new Uint8Array(9), { fragmentOffset: 8 }),
];

const igmp = [
  ...[0, 100].map((delay) => [0x11, delay, 0, 0, 0, 0, 0, 0]),
  [0x11, 100, 0, 0, 233, 252, 0, 1],
  [0x11, 100, 0, 0, 233, 252, 0, 1, 0, 0, 0, 0],
  ...[0x12, 0x16, 0x17].map((type) => [type, 0, 0, 0, 233, 252, 0, 1]),
].map((bytes) => ipv4(IpProtocol.IGMP, Uint8Array.from(bytes)));

const arp = ["00:00:00:00:00:00", "02:00:5e:00:53:09"].flatMap((targetMac) =>
  ["192.0.2.1", "192.0.2.2"].flatMap((targetIPv4) =>
    [1, 2].map((operation) => {
      const sender = { senderMac: mac, senderIPv4: "192.0.2.1" };
      return ethernet(EtherType.ARP, packet.buildArp({ ...sender, operation, targetMac, targetIPv4 }));
    }),
  ),
);

/** What tcpdump words as we do, to the letter. */
export const made: readonly Uint8Array[] = [...icmp, ...icmp6, ...segments, ...chains, ...igmp, ...arp];

/** The same echo request with one tag and with two. */
export const tagged: readonly Uint8Array[] = [
  [{ vid: 5, pcp: 3 }],
  [{ vid: 100, tpid: EtherType.SERVICE_VLAN, dei: true }, { vid: 42 }],
].map((tags) => {
  const payload = packet.buildIcmpEcho({ type: 8, identifier: 1, sequenceNumber: 1, payload: new Uint8Array(56) });
  return ethernet(EtherType.IPv4, packet.buildIPv4({ ...ends, protocol: IpProtocol.ICMP, payload }), tags);
});

export const unknownType: Uint8Array = ethernet(0x88b5, text);
