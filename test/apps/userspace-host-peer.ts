/** The other end of the userspace host's wire, packet by packet: no interface, no clock, no privilege. */

import { Host } from "../../apps/userspace-host/host.ts";
import {
  buildIPv4,
  buildTcp,
  IpProtocol,
  parseIPv4,
  parseTcp,
  TcpFlag,
  type TcpSegment,
} from "../../src/packet/index.ts";

export const HOST = "198.51.100.2";
const HOST_IPV6 = "2001:db8::2";
const PEER = "198.51.100.1";
export const FIN: number = TcpFlag.FIN;
export const SYN: number = TcpFlag.SYN;
export const RST: number = TcpFlag.RST;
export const PSH: number = TcpFlag.PSH;
export const ACK: number = TcpFlag.ACK;

export const newHost = (): Host =>
  new Host({ ipv4: HOST, ipv6: HOST_IPV6, mtu: 1500, secret: new Uint8Array(32).fill(1) });

/** Bytes as `/big` makes them. */
export const bigBody = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);

export interface Fields {
  readonly sequence: number;
  readonly acknowledgment?: number;
  readonly flags: number;
  readonly window?: number;
  readonly payload?: Uint8Array | string;
  readonly mss?: number;
}

/** One connection's other end, whose every segment the test writes. */
export class Peer {
  readonly host: Host;
  readonly port: number;
  readonly to: number;
  readonly address: string;
  /** Milliseconds: the host's only clock. */
  now = 0;
  /** What we send next, and expect next, modulo 2^32. */
  sequence: number;
  expected = 0;

  constructor(
    host: Host,
    options: { port?: number; to?: number; sequence?: number; address?: string; now?: number } = {},
  ) {
    const { port = 40_000, to = 80, sequence = 1000, address = PEER, now = 0 } = options;
    this.host = host;
    this.port = port;
    this.to = to;
    this.sequence = sequence;
    this.address = address;
    this.now = now;
  }

  /** Builds a packet, as it is on the wire. */
  packet(fields: Fields): Uint8Array {
    const { mss, payload = "", ...rest } = fields;
    const segment = buildTcp({
      source: this.address,
      destination: HOST,
      sourcePort: this.port,
      destinationPort: this.to,
      ...rest,
      payload: typeof payload === "string" ? Buffer.from(payload) : payload,
      options: mss === undefined ? [] : [{ kind: "mss", mss }],
    });
    return buildIPv4({ source: this.address, destination: HOST, protocol: IpProtocol.TCP, payload: segment });
  }

  /** Sends a segment, and returns what comes back. */
  send(fields: Fields): TcpSegment[] {
    return this.host.receive([this.packet(fields)], this.now).map(segmentIn);
  }

  /** Sends what we have in order: the numbers are filled in, and go on. */
  say(payload: string, flags = 0, window = 65_535): TcpSegment[] {
    const { sequence, expected: acknowledgment } = this;
    this.sequence = (sequence + payload.length + (flags & (FIN | SYN) ? 1 : 0)) >>> 0;
    return this.send({ sequence, acknowledgment, flags: flags | ACK, window, payload });
  }

  /** Acknowledges what came, which is in order. */
  acknowledge(segments: readonly TcpSegment[], window = 65_535): TcpSegment[] {
    for (const segment of segments) this.expected = endOf(segment);
    return this.say("", 0, window);
  }

  /** Opens the connection. */
  connect({ mss, window = 65_535 }: { mss?: number; window?: number } = {}): this {
    const [synAck] = this.send({ sequence: this.sequence, flags: SYN, window, ...(mss === undefined ? {} : { mss }) });
    if (synAck === undefined || synAck.flags !== (SYN | ACK)) throw new Error("The host did not answer the SYN");
    this.sequence = (this.sequence + 1) >>> 0;
    this.acknowledge([synAck], window);
    return this;
  }

  get(path: string, window = 65_535): TcpSegment[] {
    return this.say(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`, PSH, window);
  }

  /** Lets time pass, and returns what the host sends of its own accord, with when. */
  wait(ms: number): { at: number; segment: TcpSegment }[] {
    const sent: { at: number; segment: TcpSegment }[] = [];
    const end = this.now + ms;
    for (let turns = 0; this.host.deadline <= end; turns++) {
      if (turns > 10_000) throw new Error("The host's timer does not come to rest");
      this.now = Math.max(this.now, this.host.deadline);
      for (const packet of this.host.tick(this.now)) sent.push({ at: this.now, segment: segmentIn(packet) });
    }
    this.now = end;
    return sent;
  }

  /** The states of the host's connections. */
  get states(): Record<string, number> {
    return Object.fromEntries(this.host.tcp.states);
  }
}

export function segmentIn(packet: Uint8Array): TcpSegment {
  return parseTcp(parseIPv4(packet).payload);
}

/** Returns what comes after the segment, modulo 2^32. */
export function endOf({ sequence, payload, flags }: TcpSegment): number {
  return (sequence + payload.length + (flags & (SYN | FIN) ? 1 : 0)) >>> 0;
}

/** Returns what matters of a segment, to be compared. */
export function gist({ sequence, acknowledgment, flags, payload }: TcpSegment): object {
  return { sequence, acknowledgment, flags, length: payload.length };
}
