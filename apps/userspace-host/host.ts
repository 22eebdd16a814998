import { IpProtocol, PacketError, verifyChecksums } from "../../src/packet/index.ts";
import { Counters } from "./counters.ts";
import { HttpExchange } from "./http.ts";
import { Icmp } from "./icmp.ts";
import { buildPacket, type Incoming, isOneHost, parsePacket } from "./ip.ts";
import { Tcp } from "./tcp.ts";
import { Udp } from "./udp.ts";

/** Options of {@link Host}. */
export interface HostOptions {
  /** Address of the host, written as the parsers do. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** MTU of the link: no packet of ours is longer. */
  readonly mtu: number;
  /** Secret for initial sequence numbers: at least 16 random bytes. */
  readonly secret: Uint8Array;
}

/**
 * A host that is nothing but this object: packets in, packets out. It looks at no clock and sets no
 * timer: `now` is in milliseconds, from any start, and {@link tick} is to be called at {@link deadline}.
 */
export class Host {
  readonly counters: Counters = new Counters();
  readonly tcp: Tcp;
  readonly #options: HostOptions;
  readonly #icmp: Icmp;
  readonly #udp: Udp;
  #outgoing: Uint8Array[] = [];

  constructor(options: HostOptions) {
    const { counters } = this;
    const send = (protocol: number, destination: string, payload: Uint8Array): void => {
      const source = destination.includes(":") ? options.ipv6 : options.ipv4;
      this.#outgoing.push(buildPacket(source, destination, protocol, payload));
    };
    this.#options = options;
    this.#icmp = new Icmp(counters, send);
    this.#udp = new Udp(counters, send, this.#icmp);
    const listeners = new Map([[80, () => new HttpExchange(counters, () => this.#page())]]);
    this.tcp = new Tcp({ mtu: options.mtu, secret: options.secret, listeners, counters, send });
  }

  /** Takes packets, and returns those to be sent. */
  receive(packets: readonly Uint8Array[], now: number): Uint8Array[] {
    for (const packet of packets) this.#receive(packet, now);
    return this.#takeOutgoing();
  }

  /** Time at which {@link tick} is to be called: infinity for never. */
  get deadline(): number {
    return this.tcp.deadline;
  }

  /** Does the work that is due, and returns packets to be sent. */
  tick(now: number): Uint8Array[] {
    this.tcp.tick(now);
    return this.#takeOutgoing();
  }

  #page(): string {
    const states = [...this.tcp.states].map(([state, count]): [string, number] => [`connections in ${state}`, count]);
    const lines = [...this.counters.lines(), ...states].map(([what, count]) => `${`${count}`.padStart(10)}  ${what}\n`);
    return `This host exists only in TypeScript. What it has seen and done so far:\n\n${lines.join("")}`;
  }

  #takeOutgoing(): Uint8Array[] {
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    this.counters.packetsSent += outgoing.length;
    return outgoing;
  }

  #receive(bytes: Uint8Array, now: number): void {
    const { counters } = this;
    counters.packetsReceived++;
    try {
      const packet = parsePacket(bytes);
      if (!this.#isForUs(packet)) counters.packetsIgnored++;
      else if (packet.isFragment) counters.fragmentsDropped++;
      else if (!verifyChecksums(bytes, "tun").valid) counters.packetsDamaged++;
      else this.#dispatch(packet, now);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      counters.packetsDamaged++;
    }
  }

  #isForUs({ source, destination }: Incoming): boolean {
    const { ipv4, ipv6 } = this.#options;
    return (destination === ipv4 || destination === ipv6) && source !== destination && isOneHost(source);
  }

  #dispatch(packet: Incoming, now: number): void {
    const icmp = packet.version === 4 ? IpProtocol.ICMP : IpProtocol.ICMPV6;
    switch (packet.protocol) {
      case icmp:
        this.#icmp.receive(packet);
        break;
      case IpProtocol.UDP:
        this.#udp.receive(packet, now);
        break;
      case IpProtocol.TCP:
        this.tcp.receive(packet, now);
        break;
      default:
        this.counters.packetsIgnored++;
    }
  }
}
