/**
 * Plays the neighbour on the other end of a TAP: lets the kernel look for it,
 * answers, takes a datagram, and pings the kernel. Prints each step.
 */
import { openTap } from "../../../src/index.ts";
import {
  ArpOperation,
  buildArp,
  buildEthernet,
  buildIcmpEcho,
  buildIPv4,
  EtherType,
  IcmpType,
  IpProtocol,
  parseArp,
  parseEthernet,
  parseIcmpEcho,
  parseIPv4,
} from "../../../src/packet/index.ts";

const host = { mac: "02:00:5e:00:53:01", ipv4: "192.0.2.1" };
const neighbour = { mac: "02:00:5e:00:53:02", ipv4: "192.0.2.2" };

/** The answer to an ARP request for the neighbour. */
function arpReply(payload: Uint8Array): Uint8Array | undefined {
  const { operation, senderMac, senderIPv4, targetIPv4 } = parseArp(payload);
  if (operation !== ArpOperation.REQUEST || targetIPv4 !== neighbour.ipv4) return undefined;
  console.log(`ARP: ${senderIPv4} at ${senderMac} asks for ${targetIPv4}`);
  return buildArp({
    operation: ArpOperation.REPLY,
    senderMac: neighbour.mac,
    senderIPv4: neighbour.ipv4,
    targetMac: senderMac,
    targetIPv4: senderIPv4,
  });
}

function echoRequest(): Uint8Array {
  return buildIPv4({
    source: neighbour.ipv4,
    destination: host.ipv4,
    protocol: IpProtocol.ICMP,
    payload: buildIcmpEcho({
      type: IcmpType.ECHO_REQUEST,
      identifier: 53,
      sequenceNumber: 1,
      payload: new TextEncoder().encode("Are you there?"),
    }),
  });
}

using tap = openTap({ name: "box%d", mac: host.mac, mtu: 1400, addresses: [`${host.ipv4}/24`] });
console.log(`${tap.name} ${tap.mac} ${tap.mtu} ${tap.isUp ? "up" : "down"}`);

const send = (etherType: number, payload: Uint8Array): void => {
  tap.send(buildEthernet({ destination: host.mac, source: neighbour.mac, etherType, payload }));
};

const socket = await Bun.udpSocket({ hostname: host.ipv4 });
socket.send("Hello, neighbour", 9, neighbour.ipv4);
for await (const bytes of tap) {
  const frame = parseEthernet(bytes);
  if (frame.etherType === EtherType.ARP) {
    const reply = arpReply(frame.payload);
    if (reply !== undefined) send(EtherType.ARP, reply);
  }
  if (frame.etherType !== EtherType.IPv4) continue;
  const { protocol, source, destination, payload } = parseIPv4(frame.payload);
  if (protocol === IpProtocol.UDP && destination === neighbour.ipv4) {
    console.log(`UDP: ${source} to ${frame.destination}: ${new TextDecoder().decode(payload.subarray(8))}`);
    send(EtherType.IPv4, echoRequest());
  } else if (protocol === IpProtocol.ICMP && destination === neighbour.ipv4) {
    const { type, identifier, sequenceNumber, checksumIsValid, payload: echoed } = parseIcmpEcho(payload);
    console.log(`ICMP: ${JSON.stringify({ type, identifier, sequenceNumber, checksumIsValid })}`);
    console.log(`echoed: ${new TextDecoder().decode(echoed)}`);
    break;
  }
}
socket.close();
console.log("done");
