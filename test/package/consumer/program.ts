/**
 * A project that uses every value that bun-tuntap exports. The test copies it
 * out of the tree, where the two paths below are the package's names.
 */
import {
  buildCapture,
  CaptureError,
  capture,
  LinkType,
  parseCapture,
  readCapture,
} from "../../../src/capture/index.ts";
import {
  adopt,
  deleteDevice,
  handOver,
  listDevices,
  openTap,
  openTun,
  probe,
  TunTapError,
  takeOver,
} from "../../../src/index.ts";
import {
  ArpOperation,
  buildArp,
  buildEthernet,
  buildIcmp,
  buildIcmpEcho,
  buildIcmpError,
  buildIcmpv6,
  buildIcmpv6Echo,
  buildIcmpv6Error,
  buildIPv4,
  buildIPv6,
  buildNeighborAdvertisement,
  buildNeighborSolicitation,
  buildRouterAdvertisement,
  buildRouterSolicitation,
  buildTcp,
  buildUdp,
  checksum,
  describe,
  EtherType,
  fillChecksums,
  IcmpType,
  IcmpUnreachable,
  Icmpv6Type,
  Icmpv6Unreachable,
  IpProtocol,
  PacketError,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIcmpEcho,
  parseIcmpv6,
  parseIPv4,
  parseIPv6,
  parseTcp,
  parseUdp,
  parseVnetHeader,
  pseudoHeaderSum,
  TcpFlag,
  updateChecksum,
  updateUdpChecksum,
  VNET_HEADER_LENGTH,
  verifyChecksums,
  writeArp,
  writeEthernet,
  writeIcmp,
  writeIcmpEcho,
  writeIcmpv6,
  writeIPv4,
  writeIPv6,
  writeTcp,
  writeUdp,
  writeVnetHeader,
} from "../../../src/packet/index.ts";

/** A datagram of the kernel's, through a TUN. */
async function receive(): Promise<string> {
  using tun = openTun({ name: "consumer%d", addresses: ["192.0.2.1/24"] });
  console.log(`${tun.kind} ${tun.name}`);
  try {
    adopt(tun.fd);
  } catch (error) {
    if (error instanceof TunTapError) console.log(`adopt: ${error.code}`);
  }
  const socket = await Bun.udpSocket({});
  socket.send("a datagram", 9, "192.0.2.2");
  socket.close();
  for await (const packet of tun) {
    // The kernel looks for IPv6 routers, too.
    if ((packet[0] ?? 0) >>> 4 !== 4) continue;
    const { protocol, payload } = parseIPv4(packet);
    if (protocol === IpProtocol.UDP) return new TextDecoder().decode(payload.subarray(8));
  }
  return "nothing";
}

/** The control plane: an interface that is made, found, watched and deleted. */
async function control(): Promise<string> {
  const options = { name: "consumer%d", routes: ["198.51.100.0/24"], ipv6: false, offload: true } as const;
  const tun = openTun({ ...options, multiQueue: true });
  const second = adopt(tun.openQueue().release(), { offload: true });
  const [change] = await Promise.all([tun.changes().next(), tun.setMtu(1400)]);
  const routes = tun.routes().map(({ to }) => to);
  const found = listDevices().find(({ name }) => name === tun.name);
  second.close();
  deleteDevice(tun.name);
  return `${change.value?.type} ${found?.mtu} ${found?.queues} ${routes}`;
}

/** From one end of a Unix socket to the other, which may be in the same process. */
async function handing(): Promise<string> {
  const path = `${process.env["TMPDIR"] ?? "/tmp"}/consumer-${process.pid}.sock`;
  const given = handOver(openTun({ name: "given%d" }), { path });
  using taken = await takeOver(path);
  return `${taken.name} ${(await given).pid === process.pid}`;
}

/** An echo request within an Ethernet frame, there and back. */
function roundTrip(): string {
  const payload = new TextEncoder().encode("ping");
  const icmp = buildIcmpEcho({ type: IcmpType.ECHO_REQUEST, identifier: 1, sequenceNumber: 2, payload });
  const addresses = { source: "192.0.2.1", destination: "192.0.2.2" };
  const ip = buildIPv4({ ...addresses, protocol: IpProtocol.ICMP, payload: icmp });
  const macs = { source: "02:00:5e:00:53:01", destination: "02:00:5e:00:53:02" };
  const frame = parseEthernet(buildEthernet({ ...macs, etherType: EtherType.IPv4, payload: ip }));
  const echo = parseIcmpEcho(parseIPv4(frame.payload).payload);
  return `${frame.source} ${checksum(icmp)} ${new TextDecoder().decode(echo.payload)}`;
}

/** Returns what the write functions say that they wrote. */
function lengths(): string {
  const target = new Uint8Array(64);
  const macs = { source: "02:00:5e:00:53:01", destination: "02:00:5e:00:53:02" };
  const arp = {
    operation: ArpOperation.REQUEST,
    senderMac: macs.source,
    senderIPv4: "192.0.2.1",
    targetMac: "00:00:00:00:00:00",
    targetIPv4: "192.0.2.2",
  };
  const echo = { type: IcmpType.ECHO_REPLY, identifier: 1, sequenceNumber: 2, payload: new Uint8Array(4) };
  const ip = { source: "192.0.2.1", destination: "192.0.2.2", protocol: IpProtocol.UDP, payloadLength: 8 };
  return [
    writeEthernet(target, { ...macs, etherType: EtherType.ARP }),
    writeArp(target, arp),
    writeIPv4(target, ip),
    writeIcmpEcho(target, echo),
    writeVnetHeader(target, { gsoType: "tcp4", gsoSize: 1400 }),
    parseVnetHeader(target.subarray(0, VNET_HEADER_LENGTH)).gsoSize,
    parseArp(buildArp(arp)).targetIPv4,
  ].join(" ");
}

/** A packet of each upper layer, over IPv4 and IPv6, as `describe` words it. */
function lines(): string {
  const [four, six] = [
    { source: "192.0.2.1", destination: "192.0.2.2" },
    { source: "2001:db8::1", destination: "2001:db8::2" },
  ];
  const ports = { sourcePort: 4321, destinationPort: 33434 };
  const payload = new Uint8Array(4);
  const segment = { ...ports, sequence: 1, flags: TcpFlag.SYN };
  const udp = buildIPv4({ ...four, protocol: IpProtocol.UDP, payload: buildUdp({ ...four, ...ports, payload }) });
  const tcp = buildIPv6({ ...six, nextHeader: IpProtocol.TCP, payload: buildTcp({ ...six, ...segment }) });
  const over4 = (message: Uint8Array) => buildIPv4({ ...four, protocol: IpProtocol.ICMP, payload: message });
  const over6 = (message: Uint8Array) => buildIPv6({ ...six, nextHeader: IpProtocol.ICMPV6, payload: message });
  const echo = { type: Icmpv6Type.ECHO_REQUEST, identifier: 1, sequenceNumber: 2, payload };
  const unreachable = { type: Icmpv6Type.DESTINATION_UNREACHABLE, code: Icmpv6Unreachable.PORT, original: tcp };
  const packets = [
    udp,
    tcp,
    over4(buildIcmp({ type: IcmpType.ECHO_REQUEST, body: payload })),
    over4(buildIcmpError({ type: 3, code: IcmpUnreachable.PORT, original: udp })),
    over6(buildIcmpv6({ ...six, type: Icmpv6Type.ECHO_REPLY, body: payload })),
    over6(buildIcmpv6Echo({ ...six, ...echo })),
    over6(buildIcmpv6Error({ ...six, ...unreachable })),
    over6(buildNeighborSolicitation({ ...six, target: "2001:db8::2" })),
    over6(buildNeighborAdvertisement({ ...six, target: "2001:db8::2" })),
    over6(buildRouterSolicitation(six)),
    over6(buildRouterAdvertisement(six)),
  ];
  for (const packet of packets) fillChecksums(packet);
  const right = packets.every((packet) => verifyChecksums(packet, "tun").valid);
  return [right, ...packets.map((packet) => describe(packet).length)].join(" ");
}

/** Returns what the other write functions wrote, and what is read of it. */
function upperLayers(): string {
  const six = { source: "2001:db8::1", destination: "2001:db8::2" };
  const ports = { sourcePort: 4321, destinationPort: 33434 };
  const target = new Uint8Array(64);
  const body = new Uint8Array(4);
  return [
    parseIPv6(target.subarray(0, writeIPv6(target, { ...six, nextHeader: 59, payloadLength: 0 }))).source,
    parseUdp(target.subarray(0, writeUdp(target, { ...six, ...ports, payload: body }))).length,
    parseTcp(target.subarray(0, writeTcp(target, { ...six, ...ports, sequence: 5, flags: TcpFlag.ACK }))).sequence,
    parseIcmp(target.subarray(0, writeIcmp(target, { type: IcmpType.ECHO_REPLY, body }))).type,
    parseIcmpv6(target.subarray(0, writeIcmpv6(target, { ...six, type: 128, body }))).type,
    pseudoHeaderSum("192.0.2.1", "192.0.2.2", IpProtocol.TCP, 20),
    updateChecksum(0xdd2f, 0x5555, 0x3285),
    updateUdpChecksum(0xdd2f, 0x5555, 0x3285),
  ].join(" ");
}

/** Returns what is sent, in a file, read back; and a file that is none. */
async function captured(): Promise<string> {
  const file = `${process.env["TMPDIR"] ?? "/tmp"}/consumer-${process.pid}.pcapng`;
  await using tap = openTap({ up: true, ipv6: false });
  const running = capture(tap, file);
  tap.send(new Uint8Array(60));
  await running.close();
  const [frame] = await Array.fromAsync(readCapture(file));
  await Bun.file(file).delete();
  const made = buildCapture({ name: "x", linkType: LinkType.ETHERNET }, [
    { frame: new Uint8Array(9), timestampNs: 1n },
  ]);
  const [parsed] = parseCapture(made);
  try {
    return `${[...parseCapture(made.subarray(0, 50))].length}`;
  } catch (error) {
    const name = error instanceof CaptureError ? error.name : "another error";
    return `${frame?.interface.linkType} ${parsed?.timestampNs} ${frame?.direction} ${name}`;
  }
}

function refusal(): string {
  try {
    parseArp(new Uint8Array(3));
    return "taken";
  } catch (error) {
    return error instanceof PacketError ? error.name : "another error";
  }
}

console.log(await receive());
console.log(await control());
console.log(await handing());
console.log(`probe: ${probe().ok}`);
{
  await using tap = openTap();
  console.log(`${tap.kind} ${tap.mac.length}`);
}
console.log(roundTrip());
console.log(lengths());
console.log(lines());
console.log(upperLayers());
console.log(await captured());
console.log(refusal());
