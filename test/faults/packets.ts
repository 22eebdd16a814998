/** Packets that a kernel answers, from 192.0.2.2 to 192.0.2.1 and from 203.0.113.2 to 203.0.113.1. */
import { buildIcmpEcho, buildIPv4, buildTcp, IpProtocol, TcpFlag } from "../../src/packet/index.ts";

function echo(source: string, destination: string): Uint8Array {
  const payload = buildIcmpEcho({ type: 8, identifier: 1, sequenceNumber: 1, payload: new Uint8Array(8) });
  return buildIPv4({ source, destination, protocol: IpProtocol.ICMP, payload });
}

export const echoRequest: Uint8Array = echo("192.0.2.2", "192.0.2.1");
export const bystanderRequest: Uint8Array = echo("203.0.113.2", "203.0.113.1");

/** Tells whether it is an answer to one of them; `offset` bytes stand before it. */
export function isAnswer(packet: Uint8Array, offset = 0): boolean {
  return packet[offset] === 0x45 && packet[offset + 9] === IpProtocol.ICMP && packet[offset + 20] === 0;
}

const ends = { source: "192.0.2.2", destination: "192.0.2.1" };

/** Segments of one flow that follow one another, which are merged; nobody listens where they go. */
export function segments(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const payload = buildTcp({
      ...ends,
      sourcePort: 40_000,
      destinationPort: 9,
      sequence: 1000 + i * 1000,
      flags: TcpFlag.ACK,
      payload: new Uint8Array(1000).fill(i),
    });
    return buildIPv4({ ...ends, protocol: IpProtocol.TCP, payload });
  });
}
