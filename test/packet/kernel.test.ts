/** Packets of ours that a kernel takes: neighbor discovery, echo, errors, a TCP handshake and UDP, with its own programs as the judges. */
import { expect, test } from "bun:test";
import { openTap, openTun } from "../../src/index.ts";
import * as packet from "../../src/packet/index.ts";
import { Namespace } from "../io/offload/support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";

const { EtherType, IcmpType, IcmpUnreachable, Icmpv6Type, IpProtocol, TcpFlag } = packet;
const mac = "02:00:5e:00:53:02";
const ours6 = "2001:db8::2";

/** Answers the solicitations and pings of a host on an Ethernet. */
function answerAsNeighbor(bytes: Uint8Array): Uint8Array | null {
  const frame = packet.parseEthernet(bytes);
  if (frame.etherType !== EtherType.IPv6) return null;
  const { protocol, upperLayer, source } = packet.parseIPv6(frame.payload);
  if (protocol !== IpProtocol.ICMPV6 || !packet.verifyChecksums(bytes, "tap").valid) return null;
  const { type, target, identifier, sequenceNumber, payload } = packet.parseIcmpv6(upperLayer);
  const ends = { source: ours6, destination: source };
  const wrap = (message: Uint8Array): Uint8Array => {
    const packetOf = packet.buildIPv6({ ...ends, nextHeader: IpProtocol.ICMPV6, hopLimit: 255, payload: message });
    return packet.buildEthernet({
      destination: frame.source,
      source: mac,
      etherType: EtherType.IPv6,
      payload: packetOf,
    });
  };
  if (type === Icmpv6Type.NEIGHBOR_SOLICITATION && target === ours6) {
    const options = [{ kind: "targetLinkLayerAddress", mac }] as const;
    return wrap(packet.buildNeighborAdvertisement({ ...ends, target, solicited: true, override: true, options }));
  }
  if (type !== Icmpv6Type.ECHO_REQUEST || identifier === null || sequenceNumber === null) return null;
  return wrap(packet.buildIcmpv6Echo({ ...ends, type: Icmpv6Type.ECHO_REPLY, identifier, sequenceNumber, payload }));
}

/** Answers each IPv4 packet with the error that `choose` gives for it. */
function errorAbout(original: Uint8Array, error: Omit<packet.IcmpErrorFields, "original">): Uint8Array {
  const { source } = packet.parseIPv4(original);
  const payload = packet.buildIcmpError({ ...error, original });
  return packet.buildIPv4({ source: "192.0.2.2", destination: source, protocol: IpProtocol.ICMP, payload });
}

describeWithTools("a kernel takes", ["ip", "ping", "python3", "nsenter"], () => {
  test("our neighbor advertisements and echo replies: ping -6, and its neighbor table", async () => {
    using there = await Namespace.open();
    using tap = openTap({
      netns: there.path,
      name: "tap0",
      addresses: ["2001:db8::1/64"],
      data: (device, frames) => void device.sendMany(frames.flatMap((frame) => answerAsNeighbor(frame) ?? [])),
    });
    const ping = there.start("ping", "-6", "-q", "-c", "3", "-i", "0.05", "-w", "30", ours6);
    expect(answersIn(await ping.rest())).toBeGreaterThanOrEqual(3);
    const neighbors = JSON.parse(there.run("ip", "-6", "-j", "neigh", "show", "dev", tap.name));
    expect(neighbors).toContainEqual(expect.objectContaining({ dst: ours6, lladdr: mac }));
  });

  test("our router advertisements: the address and the MTU that it takes of them", async () => {
    using there = await Namespace.open();
    using tap = openTap({ netns: there.path, name: "tap0", up: false });
    there.run("sh", "-c", `cd /proc/sys/net/ipv6/conf/${tap.name} && echo 0 >addr_gen_mode && echo 2 >accept_ra`);
    tap.up();
    const ends = { source: "fe80::2", destination: "ff02::1" };
    const advertisement = packet.buildRouterAdvertisement({
      ...ends,
      lifetimeSeconds: 1800,
      options: [
        { kind: "sourceLinkLayerAddress", mac },
        { kind: "mtu", mtu: 1400 },
        {
          ...{ kind: "prefix", prefix: "2001:db8:7::", prefixLength: 64 },
          ...{ onLink: true, autonomous: true, validSeconds: 3600, preferredSeconds: 1800 },
        },
      ],
    });
    const payload = packet.buildIPv6({ ...ends, nextHeader: IpProtocol.ICMPV6, hopLimit: 255, payload: advertisement });
    const frame = { destination: "33:33:00:00:00:01", source: mac, etherType: EtherType.IPv6, payload };
    // Its own address has to be settled first, so that it may be asked more than once.
    const routed = (): string => there.run("ip", "-6", "route", "show", "default");
    const deadline = performance.now() + 5000;
    while (!routed().includes("via fe80::2") && performance.now() < deadline) {
      tap.send(packet.buildEthernet(frame));
      await tap.receive({ signal: AbortSignal.timeout(100) }).catch(() => null);
    }
    expect(routed()).toContain("via fe80::2");
    expect(there.run("ip", "-6", "address", "show", "dev", tap.name)).toMatch(/inet6 2001:db8:7:\S+\/64 .*dynamic/);
    expect(there.run("cat", `/proc/sys/net/ipv6/conf/${tap.name}/mtu`).trim()).toBe("1400");
  });

  test.each([
    { error: { type: IcmpType.TIME_EXCEEDED }, words: "From 192.0.2.2 icmp_seq=1 Time to live exceeded" },
    {
      error: { type: 3, code: IcmpUnreachable.FRAGMENTATION_NEEDED, mtu: 1300 },
      words: "Frag needed and DF set (mtu = 1300)",
    },
    { error: { type: 3, code: IcmpUnreachable.HOST }, words: "From 192.0.2.2 icmp_seq=1 Destination Host Unreachable" },
    { error: { type: IcmpType.PARAMETER_PROBLEM, pointer: 5 }, words: "Parameter problem: pointer = 5" },
    {
      error: { type: IcmpType.REDIRECT, code: 1, gateway: "192.0.2.7" },
      words: "Redirect Host(New nexthop: 192.0.2.7)",
    },
  ])("our errors, which ping tells: $words", async ({ error, words }) => {
    using there = await Namespace.open();
    using _tun = openTun({
      netns: there.path,
      addresses: ["192.0.2.1/24"],
      routes: ["198.51.100.0/24"],
      data: (device, packets) => void device.sendMany(packets.map((bytes) => errorAbout(bytes, error))),
    });
    const script = "ping -c 1 -W 1 -M do -s 1400 198.51.100.9; true";
    expect(await there.start("sh", "-c", script).rest()).toContain(words);
  });

  test.each([
    ["192.0.2.1", "192.0.2.2"],
    ["2001:db8::1", "2001:db8::2"],
  ])("our TCP segments and UDP datagrams: %s talks to %s", async (source, destination) => {
    using there = await Namespace.open();
    const seen: string[] = [];
    using _tun = openTun({
      netns: there.path,
      addresses: [{ address: source, peer: destination }],
      data: (device, packets) => {
        for (const bytes of packets) {
          seen.push(packet.describe(bytes, "tun"));
          const answer = answerAsHost(bytes);
          if (answer !== null) device.send(answer);
        }
      },
    });
    const script = `
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family); s.settimeout(5); s.connect((sys.argv[1], 4444))
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)); s.sendall(b"hello"); print(s.recv(99)); s.close()
s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b"hello", (sys.argv[1], 33434)); print(s.recv(99))
`;
    const python = there.start("python3", "-c", script, destination);
    // The segment size that it may send is the one that we gave.
    expect(await python.rest()).toBe("1000\nb'HELLO'\nb'HELLO'\n");
    expect(seen.join("\n")).toMatch(/Flags \[S.*\].*mss/);
  });
});

import { answersIn } from "../support/system.ts";

/** A host that echoes in capitals: over TCP to whoever connects, over UDP to whoever sends. */
function answerAsHost(bytes: Uint8Array): Uint8Array | null {
  const isIPv6 = bytes[0]! >> 4 === 6;
  const view = isIPv6 ? packet.parseIPv6(bytes) : packet.parseIPv4(bytes);
  if (!packet.verifyChecksums(bytes, "tun").valid) return null;
  const ends = { source: view.destination, destination: view.source };
  const payload = answerTo(view.protocol, "upperLayer" in view ? view.upperLayer : view.payload, ends);
  if (payload === null) return null;
  const { protocol } = view;
  return isIPv6
    ? packet.buildIPv6({ ...ends, nextHeader: protocol, payload })
    : packet.buildIPv4({ ...ends, protocol, payload });
}

function capitals(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).toUpperCase());
}

function answerTo(protocol: number, bytes: Uint8Array, ends: packet.IpEnds): Uint8Array | null {
  if (protocol === IpProtocol.UDP) {
    const { sourcePort, destinationPort, payload } = packet.parseUdp(bytes);
    const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
    return packet.buildUdp({ ...ends, ...ports, payload: capitals(payload) });
  }
  if (protocol !== IpProtocol.TCP) return null;
  const { sourcePort, destinationPort, sequence, acknowledgment, flags, payload } = packet.parseTcp(bytes);
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
  const control = (flags & (TcpFlag.SYN | TcpFlag.FIN)) === 0 ? 0 : 1;
  const next = { acknowledgment: (sequence + payload.length + control) % 2 ** 32 };
  if ((flags & TcpFlag.SYN) !== 0) {
    const options: packet.TcpOption[] = [{ kind: "mss", mss: 1000 }];
    return packet.buildTcp({ ...ends, ...ports, ...next, sequence: 7, flags: TcpFlag.SYN | TcpFlag.ACK, options });
  }
  if (payload.length === 0 && control === 0) return null;
  const answer = { sequence: acknowledgment, flags: TcpFlag.ACK | (control === 0 ? TcpFlag.PSH : TcpFlag.FIN) };
  return packet.buildTcp({ ...ends, ...ports, ...next, ...answer, payload: capitals(payload) });
}
