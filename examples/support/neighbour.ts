/** A host on an Ethernet that is nothing but this object: it has a MAC and an IPv4 address, and answers ARP and ping. */
import {
  ArpOperation,
  buildArp,
  buildEthernet,
  buildIcmpEcho,
  buildIPv4,
  type EthernetFrame,
  EtherType,
  type IcmpEchoMessage,
  IcmpType,
  IpProtocol,
  PacketError,
  parseArp,
  parseEthernet,
  parseIcmpEcho,
  parseIPv4,
} from "../../src/packet/index.ts";

export class Neighbour {
  readonly mac: string;
  readonly ip: string;

  constructor(mac: string, ip: string) {
    this.mac = mac;
    this.ip = ip;
  }

  /** The frame that answers `bytes`, or null if it wants no answer of ours. */
  answer(bytes: Uint8Array): Uint8Array | null {
    return understood(() => {
      const frame = parseEthernet(bytes);
      if (frame.etherType === EtherType.ARP) return this.#answerArp(frame);
      const echo = this.#echoForUs(frame);
      if (echo === null || echo.message.type !== IcmpType.ECHO_REQUEST) return null;
      const { identifier, sequenceNumber, payload } = echo.message;
      return this.#echo(frame.source, echo.source, {
        type: IcmpType.ECHO_REPLY,
        identifier,
        sequenceNumber,
        payload,
      });
    });
  }

  /** Whether `bytes` answers one of our pings. */
  isEchoReply(bytes: Uint8Array): boolean {
    const echo = understood(() => this.#echoForUs(parseEthernet(bytes)));
    return echo?.message.type === IcmpType.ECHO_REPLY;
  }

  /** Asks who has the address `ip`. */
  askFor(ip: string): Uint8Array {
    return this.#arp("ff:ff:ff:ff:ff:ff", ArpOperation.REQUEST, "00:00:00:00:00:00", ip);
  }

  /** Pings `ip`, which is at `mac`. */
  ping(mac: string, ip: string, sequenceNumber: number): Uint8Array {
    const payload = new TextEncoder().encode("bun-tuntap");
    return this.#echo(mac, ip, { type: IcmpType.ECHO_REQUEST, identifier: 1, sequenceNumber, payload });
  }

  #answerArp({ source, payload }: EthernetFrame): Uint8Array | null {
    const arp = parseArp(payload);
    if (arp.operation !== ArpOperation.REQUEST || arp.targetIPv4 !== this.ip) return null;
    return this.#arp(source, ArpOperation.REPLY, arp.senderMac, arp.senderIPv4);
  }

  #arp(destination: string, operation: number, targetMac: string, targetIPv4: string): Uint8Array {
    const payload = buildArp({ operation, senderMac: this.mac, senderIPv4: this.ip, targetMac, targetIPv4 });
    return buildEthernet({ destination, source: this.mac, etherType: EtherType.ARP, payload });
  }

  /** The echo message that is in a frame for us, if it is whole, and who sent it. */
  #echoForUs(frame: EthernetFrame): { source: string; message: IcmpEchoMessage } | null {
    if (frame.etherType !== EtherType.IPv4 || frame.destination !== this.mac) return null;
    const packet = parseIPv4(frame.payload);
    if (packet.protocol !== IpProtocol.ICMP || packet.destination !== this.ip) return null;
    const message = parseIcmpEcho(packet.payload);
    return message.checksumIsValid ? { source: packet.source, message } : null;
  }

  #echo(mac: string, ip: string, fields: Parameters<typeof buildIcmpEcho>[0]): Uint8Array {
    const packet = buildIPv4({
      source: this.ip,
      destination: ip,
      protocol: IpProtocol.ICMP,
      payload: buildIcmpEcho(fields),
    });
    return buildEthernet({ destination: mac, source: this.mac, etherType: EtherType.IPv4, payload: packet });
  }
}

/** Null for what is no well-formed packet: whatever else is on the wire is for others to understand. */
function understood<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof PacketError) return null;
    throw error;
  }
}
