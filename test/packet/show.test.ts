/** What `console.log` and `JSON.stringify` show of views and errors: fields, and no bytes. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import * as packet from "../../src/packet/index.ts";
import { thrownBy } from "../support/programs.ts";

const [MAC, OTHER] = ["02:00:5e:00:53:01", "02:00:5e:00:53:02"];
const v4 = { source: "192.0.2.1", destination: "192.0.2.2" };
const v6 = { source: "2001:db8::1", destination: "2001:db8::2" };
const payload = new Uint8Array(5);
const request = { type: packet.IcmpType.ECHO_REQUEST, identifier: 7, sequenceNumber: 2, payload };
const tcp = { sourcePort: 5000, destinationPort: 80, flags: packet.TcpFlag.SYN | packet.TcpFlag.ACK, sequence: 1 };
const frame = { source: MAC, destination: OTHER, etherType: packet.EtherType.IPv4, payload };
const arp = { operation: 1, senderMac: MAC, senderIPv4: "192.0.2.1", targetMac: OTHER, targetIPv4: "192.0.2.2" };
const vnet = new Uint8Array(20);
packet.writeVnetHeader(vnet, { gsoType: "tcp4", gsoSize: 1448, headerLength: 40, needsChecksum: true });

const views: readonly (readonly [line: string, bytes: Uint8Array, parse: (bytes: Uint8Array) => object])[] = [
  [
    'IPv4Packet { source: "192.0.2.1", destination: "192.0.2.2", protocol: 17, ttl: 64, payloadLength: 5 }',
    packet.buildIPv4({ ...v4, protocol: 17, payload }),
    packet.parseIPv4,
  ],
  [
    'IPv4Packet { source: "192.0.2.1", destination: "192.0.2.2", protocol: 17, ttl: 64, moreFragments: true, fragmentOffset: 8, payloadLength: 5 }',
    packet.buildIPv4({ ...v4, protocol: 17, payload, moreFragments: true, fragmentOffset: 8 }),
    packet.parseIPv4,
  ],
  [
    'IPv6Packet { source: "2001:db8::1", destination: "2001:db8::2", protocol: 17, hopLimit: 64, payloadLength: 5 }',
    packet.buildIPv6({ ...v6, nextHeader: 17, payload }),
    packet.parseIPv6,
  ],
  [
    "UdpDatagram { sourcePort: 5000, destinationPort: 7, payloadLength: 5 }",
    packet.buildUdp({ ...v4, sourcePort: 5000, destinationPort: 7, payload }),
    packet.parseUdp,
  ],
  [
    'TcpSegment { sourcePort: 5000, destinationPort: 80, flags: "SYN ACK", sequence: 1, acknowledgment: 9, window: 100, payloadLength: 5 }',
    packet.buildTcp({ ...v4, ...tcp, acknowledgment: 9, window: 100, payload }),
    packet.parseTcp,
  ],
  [
    "IcmpEchoMessage { type: 8, identifier: 7, sequenceNumber: 2, payloadLength: 5 }",
    packet.buildIcmpEcho(request),
    packet.parseIcmpEcho,
  ],
  [
    "IcmpMessage { type: 8, code: 0, identifier: 7, sequenceNumber: 2, bodyLength: 9 }",
    packet.buildIcmpEcho(request),
    packet.parseIcmp,
  ],
  [
    `Icmpv6Message { type: 135, code: 0, bodyLength: 28, target: "2001:db8::9", linkLayerAddress: "${MAC}" }`,
    packet.buildNeighborSolicitation({
      ...v6,
      target: "2001:db8::9",
      options: [{ kind: "sourceLinkLayerAddress", mac: MAC }],
    }),
    packet.parseIcmpv6,
  ],
  [
    `EthernetFrame { source: "${MAC}", destination: "${OTHER}", etherType: "0x0800", payloadLength: 5 }`,
    packet.buildEthernet(frame),
    packet.parseEthernet,
  ],
  [
    `EthernetFrame { source: "${MAC}", destination: "${OTHER}", etherType: "0x0800", vlans: [7, 8], payloadLength: 5 }`,
    packet.buildEthernet({ ...frame, vlanTags: [{ vid: 7 }, { vid: 8 }] }),
    packet.parseEthernet,
  ],
  [
    `ArpMessage { operation: 1, senderMac: "${MAC}", senderIPv4: "192.0.2.1", targetMac: "${OTHER}", targetIPv4: "192.0.2.2" }`,
    packet.buildArp(arp),
    packet.parseArp,
  ],
  [
    'VnetHeader { gsoType: "tcp4", gsoSize: 1448, headerLength: 40, needsChecksum: true, packetLength: 10 }',
    vnet,
    packet.parseVnetHeader,
  ],
];

test.each(views)("%s", (line, bytes, parse) => {
  const view = parse(bytes);
  expect(Bun.inspect(view)).toBe(line);
  expect(Bun.inspect({ list: [view] })).toContain(line);
  // The same fields, for programs.
  expect(line).toStartWith(`${view.constructor.name} { `);
  expect(Object.keys(JSON.parse(JSON.stringify(view))).join(" ")).toBe(
    [...line.matchAll(/(\w+): /g)].map(([, key]) => key).join(" "),
  );
  // Only what is behind: the rest is as it was.
  expect(Object.keys(view)).not.toContain("toJSON");
});

test("showing a view never throws, whatever becomes of its bytes", () => {
  const change = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 60 });
  fc.assert(
    fc.property(fc.nat(views.length - 1), change, (which, changes) => {
      const [, original, parse] = views[which] as (typeof views)[number];
      const bytes = original.slice();
      const view = parse(bytes);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      expect(typeof Bun.inspect(view)).toBe("string");
      expect(JSON.stringify(view)).not.toContain("undefined");
    }),
    { numRuns: 2000 },
  );
});

test("what has no bytes is shown by its name", () => {
  expect(Bun.inspect(Object.getPrototypeOf(packet.parseArp(packet.buildArp(arp))))).toBe("ArpMessage");
});

test("an error tells JSON its message, and has no members that are undefined", () => {
  const error = thrownBy(() => packet.parseIPv4(new Uint8Array(3)));
  const message = "Cannot parse IPv4 at byte 3: found 3 bytes, wanted at least 20";
  expect(JSON.parse(JSON.stringify(error))).toEqual({ name: "PacketError", protocol: "IPv4", offset: 3, message });
});
