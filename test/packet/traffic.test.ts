/** What a Linux 6.18 kernel sent (golden/traffic.json): read, built anew, summed, and held against tshark. */
import { describe, expect, test } from "bun:test";
import * as packet from "../../src/packet/index.ts";
import { describeWithTools } from "../support/privilege.ts";
import { dissect } from "./dissect.ts";
import { frames } from "./golden/traffic.ts";
import { type Layers, layersOf, rebuilt } from "./layers.ts";
import { made, tagged } from "./made.ts";
import { readAll, surround } from "./support.ts";

const hexadecimal = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, "0")}`;
const flag = (value: boolean): string => (value ? "1" : "0");
type Column = (layers: Layers) => string | number | null | undefined;

const tcpOption = <K extends packet.TcpOption["kind"]>(layers: Layers, kind: K) =>
  layers.tcp?.options.find((option): option is Extract<packet.TcpOption, { kind: K }> => option.kind === kind);
const ndOption = <K extends packet.NdOption["kind"]>(layers: Layers, kind: K) =>
  layers.icmpv6?.options.find((option): option is Extract<packet.NdOption, { kind: K }> => option.kind === kind);

/** What tshark calls it, and what we do. */
const columns: Record<string, Column> = {
  "eth.src": ({ ethernet }) => ethernet.source,
  "eth.dst": ({ ethernet }) => ethernet.destination,
  "arp.opcode": ({ arp }) => arp?.operation,
  "arp.src.proto_ipv4": ({ arp }) => arp?.senderIPv4,
  "arp.src.hw_mac": ({ arp }) => arp?.senderMac,
  "arp.dst.proto_ipv4": ({ arp }) => arp?.targetIPv4,
  "arp.dst.hw_mac": ({ arp }) => arp?.targetMac,
  "ip.src": ({ ipv4 }) => ipv4?.source,
  "ip.dst": ({ ipv4 }) => ipv4?.destination,
  "ip.id": ({ ipv4 }) => ipv4 && hexadecimal(ipv4.identification, 4),
  "ip.ttl": ({ ipv4 }) => ipv4?.ttl,
  "ip.len": ({ ipv4 }) => ipv4?.totalLength,
  "ip.hdr_len": ({ ipv4 }) => ipv4?.headerLength,
  "ip.proto": ({ ipv4 }) => ipv4?.protocol,
  "ip.dsfield.dscp": ({ ipv4 }) => ipv4?.dscp,
  "ip.dsfield.ecn": ({ ipv4 }) => ipv4?.ecn,
  "ip.flags.mf": ({ ipv4 }) => ipv4 && flag(ipv4.moreFragments),
  "ip.flags.df": ({ ipv4 }) => ipv4 && flag(ipv4.dontFragment),
  // In units of 8 bytes.
  "ip.frag_offset": ({ ipv4 }) => ipv4 && ipv4.fragmentOffset / 8,
  "ip.checksum": ({ ipv4 }) => ipv4 && hexadecimal(ipv4.headerChecksum, 4),
  "ipv6.src": ({ ipv6 }) => ipv6?.source,
  "ipv6.dst": ({ ipv6 }) => ipv6?.destination,
  "ipv6.plen": ({ ipv6 }) => ipv6?.payloadLength,
  "ipv6.hlim": ({ ipv6 }) => ipv6?.hopLimit,
  "ipv6.nxt": ({ ipv6 }) => ipv6?.nextHeader,
  "ipv6.tclass": ({ ipv6 }) => ipv6 && hexadecimal(ipv6.trafficClass, 8),
  "ipv6.flow": ({ ipv6 }) => ipv6 && hexadecimal(ipv6.flowLabel, 6),
  "ipv6.fraghdr.ident": ({ ipv6 }) => ipv6?.fragment && hexadecimal(ipv6.fragment.identification, 8),
  "ipv6.fraghdr.more": ({ ipv6 }) => ipv6?.fragment && flag(ipv6.fragment.moreFragments),
  "ipv6.fraghdr.offset": ({ ipv6 }) => ipv6?.fragment && ipv6.fragment.offset / 8,
  "udp.srcport": ({ udp }) => udp?.sourcePort,
  "udp.dstport": ({ udp }) => udp?.destinationPort,
  "udp.length": ({ udp }) => udp?.length,
  "udp.checksum": ({ udp }) => udp && hexadecimal(udp.checksum, 4),
  "tcp.srcport": ({ tcp }) => tcp?.sourcePort,
  "tcp.dstport": ({ tcp }) => tcp?.destinationPort,
  "tcp.seq_raw": ({ tcp }) => tcp?.sequence,
  "tcp.ack_raw": ({ tcp }) => tcp?.acknowledgment,
  "tcp.flags": ({ tcp }) => tcp && hexadecimal(tcp.flags, 4),
  "tcp.window_size_value": ({ tcp }) => tcp?.window,
  "tcp.urgent_pointer": ({ tcp }) => tcp?.urgentPointer,
  "tcp.hdr_len": ({ tcp }) => tcp?.headerLength,
  "tcp.len": ({ tcp }) => tcp?.payload.length,
  "tcp.options.mss_val": (layers) => tcpOption(layers, "mss")?.mss,
  "tcp.options.wscale.shift": (layers) => tcpOption(layers, "windowScale")?.shift,
  "tcp.options.timestamp.tsval": (layers) => tcpOption(layers, "timestamps")?.value,
  "tcp.options.timestamp.tsecr": (layers) => tcpOption(layers, "timestamps")?.echoReply,
  "tcp.options.sack_le": (layers) => tcpOption(layers, "sack")?.blocks[0]?.start,
  "tcp.options.sack_re": (layers) => tcpOption(layers, "sack")?.blocks[0]?.end,
  "icmp.type": ({ icmp }) => icmp?.type,
  "icmp.code": ({ icmp }) => icmp?.code,
  "icmp.checksum": ({ icmp }) => icmp && hexadecimal(icmp.checksum, 4),
  "icmp.mtu": ({ icmp }) => icmp?.mtu,
  "icmp.redir_gw": ({ icmp }) => icmp?.gateway,
  "icmpv6.type": ({ icmpv6 }) => icmpv6?.type,
  "icmpv6.code": ({ icmpv6 }) => icmpv6?.code,
  "icmpv6.checksum": ({ icmpv6 }) => icmpv6 && hexadecimal(icmpv6.checksum, 4),
  "icmpv6.echo.identifier": ({ icmpv6 }) =>
    icmpv6?.identifier !== null ? icmpv6 && hexadecimal(icmpv6.identifier ?? 0, 4) : null,
  "icmpv6.echo.sequence_number": ({ icmpv6 }) => icmpv6?.sequenceNumber,
  "icmpv6.mtu": ({ icmpv6 }) => icmpv6?.mtu,
  "icmpv6.pointer": ({ icmpv6 }) => icmpv6?.pointer,
  "icmpv6.nd.ns.target_address": ({ icmpv6 }) => (icmpv6?.type === 135 ? icmpv6.target : null),
  "icmpv6.nd.na.target_address": ({ icmpv6 }) => (icmpv6?.type === 136 ? icmpv6.target : null),
  "icmpv6.nd.na.flag.r": ({ icmpv6 }) => (icmpv6?.type === 136 ? flag(icmpv6.router) : null),
  "icmpv6.nd.na.flag.s": ({ icmpv6 }) => (icmpv6?.type === 136 ? flag(icmpv6.solicited) : null),
  "icmpv6.nd.na.flag.o": ({ icmpv6 }) => (icmpv6?.type === 136 ? flag(icmpv6.override) : null),
  "icmpv6.nd.ra.cur_hop_limit": ({ icmpv6 }) => icmpv6?.routerAdvertisement?.hopLimit,
  "icmpv6.nd.ra.router_lifetime": ({ icmpv6 }) => icmpv6?.routerAdvertisement?.lifetimeSeconds,
  "icmpv6.nd.ra.reachable_time": ({ icmpv6 }) => icmpv6?.routerAdvertisement?.reachableMs,
  "icmpv6.nd.ra.retrans_timer": ({ icmpv6 }) => icmpv6?.routerAdvertisement?.retransmitMs,
  "icmpv6.opt.linkaddr": ({ icmpv6 }) => icmpv6?.linkLayerAddress,
  "icmpv6.opt.mtu": (layers) => ndOption(layers, "mtu")?.mtu,
  "icmpv6.opt.prefix": (layers) => ndOption(layers, "prefix")?.prefix,
  "icmpv6.opt.prefix.length": (layers) => ndOption(layers, "prefix")?.prefixLength,
  "icmpv6.opt.prefix.valid_lifetime": (layers) => ndOption(layers, "prefix")?.validSeconds,
  "icmpv6.opt.prefix.preferred_lifetime": (layers) => ndOption(layers, "prefix")?.preferredSeconds,
  "icmpv6.opt.rdnss": (layers) => ndOption(layers, "dnsServers")?.servers[0],
  "icmpv6.opt.rdnss.lifetime": (layers) => ndOption(layers, "dnsServers")?.lifetimeSeconds,
};

function ours(layers: Layers): Record<string, string> {
  return Object.fromEntries(Object.entries(columns).map(([name, read]) => [name, `${read(layers) ?? ""}`]));
}

/** In a packet that an error quotes, and in a first fragment, tshark finds fields too: those are compared that we have. */
function theirs(layers: Layers, row: readonly string[], mine: Record<string, string>): Record<string, string> {
  const { icmp, icmpv6, ipv4, ipv6 } = layers;
  const more = icmp?.isError || icmpv6?.isError || ipv4?.moreFragments || ipv6?.fragment?.moreFragments;
  const fields = Object.keys(columns).map((name, i) => [name, more && mine[name] === "" ? "" : row[i]]);
  return Object.fromEntries(fields);
}

describeWithTools("with tshark as the reference", ["tshark"], () => {
  test.each([
    ["what a kernel sent", frames],
    ["what we have built", [...made, ...tagged]],
  ])("every field of %s reads the same", async (_, all) => {
    const rows = await dissect(all, [...Object.keys(columns), "_ws.malformed"]);
    expect(rows).toHaveLength(all.length);
    for (const [i, frame] of all.entries()) {
      const layers = layersOf(frame);
      const mine = ours(layers);
      expect(mine).toEqual(theirs(layers, rows[i]!, mine));
    }
  });

  test("no checksum of what we have built is bad, and a kernel's are as we say", async () => {
    const names = ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"];
    for (const all of [frames, made]) {
      const rows = await dissect(all, [...names, "icmp.checksum.status", "icmpv6.checksum.status"]);
      // 0 is bad; an error's quoted datagram is cut off, of which tshark tells nothing.
      for (const row of rows) expect(row).not.toContain("0");
      expect(rows.flat().filter((status) => status === "1").length).toBeGreaterThan(all.length);
    }
  });
});

describe("what a kernel sent", () => {
  test("is built anew byte for byte of what the parsers tell", () => {
    for (const frame of frames) expect(rebuilt(frame)).toEqual(frame);
  });

  test("and so is what we have built, but for a checksum that covers what a routing header holds", () => {
    const all = [...made, ...tagged].filter((frame) => layersOf(frame).ipv6?.nextHeader !== packet.IpProtocol.ROUTING);
    expect(all).toHaveLength(made.length + tagged.length - 3);
    for (const frame of all) expect([...rebuilt(frame)]).toEqual([...frame]);
    for (const frame of [...made, ...tagged]) expect(packet.verifyChecksums(frame, "tap").valid).toBe(true);
  });

  test("has right checksums, and fillChecksums() computes the same", () => {
    let filled = 0;
    for (const frame of frames) {
      const { ipHeader, upperLayer, valid } = packet.verifyChecksums(frame, "tap");
      expect(valid).toBe(true);
      expect(packet.verifyChecksums(frame)).toEqual({ ipHeader, upperLayer, valid });
      const { ethernet, ipv4, ipv6, tcp, udp, icmp, icmpv6 } = layersOf(frame);
      expect(ipHeader).toBe(ipv4 === undefined ? null : true);
      const hasOne = (udp?.checksum ?? 0) > 0 || tcp || icmp || icmpv6;
      expect(upperLayer).toBe(hasOne ? true : null);
      if (ipv4 === undefined && ipv6 === undefined) continue;

      const around = surround(ethernet.payload, 0xa5);
      const bytes = around.subarray();
      if (ipv4 !== undefined) bytes.set([0xde, 0xad], 10);
      const at = ethernet.payload.length - (ipv4?.payload ?? ipv6!.upperLayer).length;
      const offset = tcp ? 16 : udp ? 6 : 2;
      if (hasOne) bytes.set([0xbe, 0xef], at + offset);
      packet.fillChecksums(bytes);
      if (hasOne || !udp) {
        expect(bytes).toEqual(ethernet.payload);
        filled++;
      }
      const margins = [...new Uint8Array(around.buffer)].filter((_, i) => i < 67 || i >= 67 + bytes.length);
      expect(new Set(margins)).toEqual(new Set([0xa5]));
    }
    expect(filled).toBeGreaterThan(80);
  });

  test("shows a change of any covered bit as a wrong checksum", () => {
    for (const frame of frames.filter(({ length }) => length < 200)) {
      const { ethernet } = layersOf(frame);
      const { ipHeader, upperLayer } = packet.verifyChecksums(frame, "tap");
      const packetBytes = ethernet.payload;
      if (ipHeader !== null) {
        const bytes = packetBytes.slice();
        bytes[8] = bytes[8]! ^ 0x01;
        expect(packet.verifyChecksums(bytes, "tun")).toMatchObject({ ipHeader: false, upperLayer, valid: false });
      }
      if (upperLayer === null) continue;
      const bytes = packetBytes.slice();
      bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 0x80;
      expect(packet.verifyChecksums(bytes, "tun")).toEqual({ ipHeader, upperLayer: false, valid: false });
    }
  });

  test("quotes in its errors the packets that we have seen go", () => {
    const sent = frames.map((frame) => layersOf(frame).ethernet.payload.toHex());
    const quoted = frames.flatMap((frame) => {
      const { icmp, icmpv6 } = layersOf(frame);
      return icmp?.original ?? icmpv6?.original ?? [];
    });
    expect(quoted.length).toBeGreaterThan(10);
    for (const original of quoted) {
      const parse = original[0]! >> 4 === 4 ? packet.parseIPv4 : packet.parseIPv6;
      const view = parse(original, { truncated: true });
      expect(view.source).toBe(view.version === 4 ? "192.0.2.1" : "2001:db8::1");
      readAll(view, original);
      // Behind the TTL and checksum of IPv4, or the hop limit, which change on the way.
      const rest = original.subarray(view.version === 4 ? 12 : 8).toHex();
      expect(sent.some((hex) => hex.includes(rest)) || original.length > 1000).toBe(true);
    }
  });

  test("tells the MTU, the hop and the port that it was about", () => {
    const messages = frames.map(layersOf).flatMap(({ icmp, icmpv6 }) => icmp ?? icmpv6 ?? []);
    expect(messages.map(({ mtu }) => mtu).filter((mtu) => mtu !== null)).toEqual([1300, 1300]);
    const ports = messages.flatMap(({ type, code, original }) => {
      if (original === null || !((type === 3 && code === 3) || (type === 1 && code === 4))) return [];
      const truncated = { truncated: true };
      const datagram =
        type === 3 ? packet.parseIPv4(original, truncated).payload : packet.parseIPv6(original, truncated).upperLayer;
      // The last is the error about a fragment.
      return packet.parseUdp(datagram, truncated).destinationPort;
    });
    expect(new Set(ports)).toEqual(new Set([33434]));
    expect(ports.length).toBeGreaterThan(5);
  });
});
