import { expect, test } from "bun:test";
import * as packet from "../../src/packet/index.ts";
import { dissect } from "./dissect.ts";

const { ArpOperation, EtherType, IcmpType, IpProtocol } = packet;
const timeoutMs = 60_000;
const { BUN_TUNTAP_REQUIRE_ROOT } = process.env;
const required = BUN_TUNTAP_REQUIRE_ROOT === "1";
const missing = Bun.which("tshark") === null;
const remedy = missing && !required ? " (skipped: no tshark; try apt-get install tshark)" : "";

const ethernet = { destination: "02:00:5e:00:53:02", source: "02:00:5e:00:53:01" };
const ends = { source: "198.51.100.1", destination: "203.0.113.2" };
const vlanTags = [
  { tpid: EtherType.SERVICE_VLAN, pcp: 1, dei: true, vid: 100 },
  { tpid: EtherType.VLAN, pcp: 6, dei: false, vid: 42 },
];

const arp = packet.buildArp({
  operation: ArpOperation.REQUEST,
  senderMac: "02:00:5e:00:53:01",
  senderIPv4: "192.0.2.1",
  targetMac: "00:00:00:00:00:00",
  targetIPv4: "192.0.2.2",
});
const oddEcho = packet.buildIcmpEcho({
  type: IcmpType.ECHO_REQUEST,
  identifier: 0xfedc,
  sequenceNumber: 0xba98,
  payload: Uint8Array.from({ length: 57 }, (_, i) => 255 - i),
});
const emptyEcho = packet.buildIcmpEcho({
  type: IcmpType.ECHO_REPLY,
  identifier: 1,
  sequenceNumber: 2,
  payload: new Uint8Array(0),
});
const plain = packet.buildIPv4({ ...ends, protocol: IpProtocol.ICMP, payload: oddEcho });
const fancy = packet.buildIPv4({
  ...ends,
  dscp: 46,
  ecn: 1,
  identification: 0xbeef,
  dontFragment: true,
  ttl: 7,
  protocol: IpProtocol.ICMP,
  options: Uint8Array.of(0x94, 0x04, 0x00, 0x00),
  payload: emptyEcho,
});
const fragment = packet.buildIPv4({
  ...ends,
  identification: 0xbeef,
  moreFragments: true,
  fragmentOffset: 1480,
  protocol: IpProtocol.UDP,
  payload: new Uint8Array(8),
});

const frames = [
  packet.buildEthernet({ ...ethernet, etherType: EtherType.ARP, payload: arp }),
  packet.buildEthernet({ ...ethernet, etherType: EtherType.IPv4, payload: plain }),
  packet.buildEthernet({ ...ethernet, etherType: EtherType.IPv4, vlanTags, payload: fancy }),
  packet.buildEthernet({ ...ethernet, etherType: EtherType.IPv4, payload: fragment }),
];

// What tshark must say of the four, one after another. A status of 1 is a good checksum.
const want: Record<string, [string, string, string, string]> = {
  "eth.dst": ["02:00:5e:00:53:02", "02:00:5e:00:53:02", "02:00:5e:00:53:02", "02:00:5e:00:53:02"],
  "eth.src": ["02:00:5e:00:53:01", "02:00:5e:00:53:01", "02:00:5e:00:53:01", "02:00:5e:00:53:01"],
  "ieee8021ad.id": ["", "", "100", ""],
  "ieee8021ad.priority": ["", "", "1", ""],
  "vlan.id": ["", "", "42", ""],
  "vlan.priority": ["", "", "6", ""],
  "ieee8021ad.dei": ["", "", "1", ""],
  "vlan.dei": ["", "", "0", ""],
  "arp.opcode": ["1", "", "", ""],
  "arp.src.hw_mac": ["02:00:5e:00:53:01", "", "", ""],
  "arp.src.proto_ipv4": ["192.0.2.1", "", "", ""],
  "arp.dst.hw_mac": ["00:00:00:00:00:00", "", "", ""],
  "arp.dst.proto_ipv4": ["192.0.2.2", "", "", ""],
  "ip.hdr_len": ["", "20", "24", "20"],
  "ip.len": ["", "85", "32", "28"],
  "ip.dsfield.dscp": ["", "0", "46", "0"],
  "ip.dsfield.ecn": ["", "0", "1", "0"],
  "ip.id": ["", "0x0000", "0xbeef", "0xbeef"],
  "ip.ttl": ["", "64", "7", "64"],
  "ip.proto": ["", "1", "1", "17"],
  "ip.src": ["", "198.51.100.1", "198.51.100.1", "198.51.100.1"],
  "ip.dst": ["", "203.0.113.2", "203.0.113.2", "203.0.113.2"],
  "ip.flags.df": ["", "0", "1", "0"],
  "ip.flags.mf": ["", "0", "0", "1"],
  // In units of 8 bytes.
  "ip.frag_offset": ["", "0", "0", "185"],
  "ip.opt.type.number": ["", "", "20", ""],
  "ip.checksum.status": ["", "1", "1", "1"],
  "icmp.type": ["", "8", "0", ""],
  "icmp.code": ["", "0", "0", ""],
  "icmp.ident": ["", "65244", "1", ""],
  "icmp.seq": ["", "47768", "2", ""],
  "icmp.checksum.status": ["", "1", "1", ""],
  "_ws.malformed": ["", "", "", ""],
};

test.skipIf(missing && !required)(
  `tshark reads from the frames built what they were built of${remedy}`,
  async () => {
    if (missing) throw new Error("BUN_TUNTAP_REQUIRE_ROOT=1, but tshark is missing: try apt-get install tshark");
    const fields = Object.keys(want);
    const rows = await dissect(frames, fields);
    expect(rows).toHaveLength(frames.length);
    const got = fields.map((field, column) => [field, rows.map((row) => row[column])]);
    expect(Object.fromEntries(got)).toEqual(want);
  },
  timeoutMs,
);

test.skipIf(missing && !required)(
  `tshark and checksumIsValid agree on wrong checksums${remedy}`,
  async () => {
    if (missing) throw new Error("BUN_TUNTAP_REQUIRE_ROOT=1, but tshark is missing: try apt-get install tshark");
    // The last octets of the IPv4 header, and of the ICMP message.
    const wrong = [33, 98].map((offset) => {
      const frame = (frames[1] as Uint8Array).slice();
      frame[offset] = (frame[offset] as number) ^ 1;
      return frame;
    });
    const ours = wrong.map((frame) => {
      const ip = packet.parseIPv4(packet.parseEthernet(frame).payload);
      return [ip, packet.parseIcmpEcho(ip.payload)].map(({ checksumIsValid }) => (checksumIsValid ? "1" : "0"));
    });
    expect(ours).toEqual([
      ["0", "1"],
      ["1", "0"],
    ]);
    expect(await dissect(wrong, ["ip.checksum.status", "icmp.checksum.status"])).toEqual(ours);
  },
  timeoutMs,
);
