/** ICMP and ICMPv6: echo, and "port unreachable". Errors that arrive are ignored. */
import {
  buildIcmpEcho,
  buildIcmpError,
  buildIcmpv6Echo,
  buildIcmpv6Error,
  IcmpType,
  IcmpUnreachable,
  Icmpv6Type,
  Icmpv6Unreachable,
  IpProtocol,
  parseIcmp,
  parseIcmpv6,
} from "../../src/packet/index.ts";
import type { Counters } from "./counters.ts";
import type { Incoming, Send } from "./ip.ts";

/** The most errors at once. RFC 4443 section 2.4 (f) demands a limit. */
const ERRORS_AT_ONCE = 50;
const ERRORS_PER_SECOND = 100;

/** Answers pings, and tells senders that a port is unreachable. */
export class Icmp {
  readonly #counters: Counters;
  readonly #send: Send;
  #errorsLeft = ERRORS_AT_ONCE;
  #errorAt = 0;

  constructor(counters: Counters, send: Send) {
    this.#counters = counters;
    this.#send = send;
  }

  receive(packet: Incoming): void {
    const answer = packet.version === 4 ? answerIcmp(packet) : answerIcmpv6(packet);
    if (answer === null) return;
    this.#counters.pingsAnswered++;
    this.#send(packet.protocol, packet.source, answer);
  }

  /** Sends "port unreachable" about a UDP datagram for a port at which nobody listens, within the limit. */
  portUnreachable(about: Incoming, now: number): void {
    this.#errorsLeft = Math.min(ERRORS_AT_ONCE, this.#errorsLeft + ((now - this.#errorAt) / 1000) * ERRORS_PER_SECOND);
    this.#errorAt = now;
    if (this.#errorsLeft < 1) return;
    this.#errorsLeft--;
    this.#counters.unreachablesSent++;
    const { version, source: destination, destination: source, bytes: original } = about;
    if (version === 4) {
      const error = { type: IcmpType.DESTINATION_UNREACHABLE, code: IcmpUnreachable.PORT, original };
      this.#send(IpProtocol.ICMP, destination, buildIcmpError(error));
    } else {
      const error = { type: Icmpv6Type.DESTINATION_UNREACHABLE, code: Icmpv6Unreachable.PORT, original };
      this.#send(IpProtocol.ICMPV6, destination, buildIcmpv6Error({ ...error, source, destination }));
    }
  }
}

function answerIcmp({ payload: bytes }: Incoming): Uint8Array | null {
  const { type, code, identifier, sequenceNumber, payload } = parseIcmp(bytes);
  if (type !== IcmpType.ECHO_REQUEST || code !== 0 || identifier === null || sequenceNumber === null) return null;
  return buildIcmpEcho({ type: IcmpType.ECHO_REPLY, identifier, sequenceNumber, payload });
}

function answerIcmpv6({ source: destination, destination: source, payload: bytes }: Incoming): Uint8Array | null {
  const { type, code, identifier, sequenceNumber, payload } = parseIcmpv6(bytes);
  if (type !== Icmpv6Type.ECHO_REQUEST || code !== 0 || identifier === null || sequenceNumber === null) return null;
  return buildIcmpv6Echo({ type: Icmpv6Type.ECHO_REPLY, identifier, sequenceNumber, payload, source, destination });
}
