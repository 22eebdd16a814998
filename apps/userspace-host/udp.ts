/** UDP with one service, echo: RFC 862. */
import { buildUdp, IpProtocol, parseUdp } from "../../src/packet/index.ts";
import type { Counters } from "./counters.ts";
import type { Icmp } from "./icmp.ts";
import type { Incoming, Send } from "./ip.ts";

/** Port of the echo service. */
export const ECHO_PORT = 7;

/** Answers datagrams: echoes them, or says that nobody listens. */
export class Udp {
  readonly #counters: Counters;
  readonly #send: Send;
  readonly #icmp: Icmp;

  constructor(counters: Counters, send: Send, icmp: Icmp) {
    this.#counters = counters;
    this.#send = send;
    this.#icmp = icmp;
  }

  receive(packet: Incoming, now: number): void {
    const { sourcePort, destinationPort, payload } = parseUdp(packet.payload);
    if (destinationPort !== ECHO_PORT) {
      this.#icmp.portUnreachable(packet, now);
      return;
    }
    // Port 0 wants no answer; and two echo services would answer one another for ever.
    if (sourcePort === 0 || sourcePort === ECHO_PORT) return;
    this.#counters.datagramsEchoed++;
    const { source: destination, destination: source } = packet;
    const answer = buildUdp({ source, destination, sourcePort: destinationPort, destinationPort: sourcePort, payload });
    this.#send(IpProtocol.UDP, destination, answer);
  }
}
