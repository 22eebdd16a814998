import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as packet from "../../src/packet/index.ts";

test("the constants are those of IANA and IEEE", () => {
  expect(packet.EtherType).toEqual({ IPv4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPv6: 0x86dd, SERVICE_VLAN: 0x88a8 });
  expect(packet.IpProtocol).toEqual({
    HOP_BY_HOP: 0,
    ICMP: 1,
    IGMP: 2,
    TCP: 6,
    UDP: 17,
    ROUTING: 43,
    FRAGMENT: 44,
    ESP: 50,
    AH: 51,
    ICMPV6: 58,
    NO_NEXT_HEADER: 59,
    DESTINATION_OPTIONS: 60,
  });
  expect(packet.IcmpType).toEqual({
    ECHO_REPLY: 0,
    DESTINATION_UNREACHABLE: 3,
    REDIRECT: 5,
    ECHO_REQUEST: 8,
    ROUTER_ADVERTISEMENT: 9,
    ROUTER_SOLICITATION: 10,
    TIME_EXCEEDED: 11,
    PARAMETER_PROBLEM: 12,
    TIMESTAMP: 13,
    TIMESTAMP_REPLY: 14,
  });
  expect(packet.Icmpv6Type).toEqual({
    DESTINATION_UNREACHABLE: 1,
    PACKET_TOO_BIG: 2,
    TIME_EXCEEDED: 3,
    PARAMETER_PROBLEM: 4,
    ECHO_REQUEST: 128,
    ECHO_REPLY: 129,
    LISTENER_QUERY: 130,
    LISTENER_REPORT: 131,
    LISTENER_DONE: 132,
    ROUTER_SOLICITATION: 133,
    ROUTER_ADVERTISEMENT: 134,
    NEIGHBOR_SOLICITATION: 135,
    NEIGHBOR_ADVERTISEMENT: 136,
    REDIRECT: 137,
    LISTENER_REPORT_V2: 143,
  });
  expect(packet.ArpOperation).toEqual({ REQUEST: 1, REPLY: 2 });
});

test("bun-tuntap/packet exports this and nothing else", () => {
  expect(Object.keys(packet).sort()).toEqual(
    [
      ...["Arp", "Ethernet", "IPv4", "IPv6", "Udp", "Tcp", "Icmp", "Icmpv6", "IcmpEcho"].flatMap((name) => [
        `parse${name}`,
        `write${name}`,
        `build${name}`,
      ]),
      ...["parseVnetHeader", "writeVnetHeader", "VNET_HEADER_LENGTH"],
      ...["ArpOperation", "EtherType", "IcmpType", "IpProtocol", "PacketError", "TcpFlag", "checksum"],
      ...["pseudoHeaderSum", "IcmpUnreachable", "Icmpv6Type", "Icmpv6Unreachable", "buildIcmpError"],
      ...["buildIcmpv6Echo", "buildIcmpv6Error", "buildNeighborAdvertisement", "buildNeighborSolicitation"],
      ...["buildRouterAdvertisement", "buildRouterSolicitation", "describe", "fillChecksums", "verifyChecksums"],
      ...["updateChecksum", "updateUdpChecksum"],
    ].sort(),
  );
});

test("it needs nothing but JavaScript: no import leaves the folder", async () => {
  const folder = `${import.meta.dir}/../../src/packet`;
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  for (const name of readdirSync(folder)) {
    const source = await Bun.file(`${folder}/${name}`).text();
    for (const { path } of transpiler.scanImports(source)) expect(path).toMatch(/^\.\/[a-z0-9-]+\.ts$/);
    expect(source).not.toMatch(/\b(Bun|process|Buffer|require)\b[.(]/);
  }
});
