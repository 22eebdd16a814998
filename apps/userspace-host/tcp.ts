/**
 * TCP, as much of it as a server on one link needs: RFC 9293, passive open only.
 *
 * In it: listening ports; the states from LISTEN to TIME-WAIT; checks of sequence numbers, with those
 * of RFC 5961; the MSS option both ways; sending again after a timeout (RFC 6298), everything from
 * there on, and after three duplicates (RFC 6582); congestion and the peer's window, probed while it
 * is closed; unguessable initial sequence numbers (RFC 6528); bounds on connections, bytes and time.
 *
 * Left out: active and simultaneous open; reassembly (what comes out of order is dropped, and asked
 * for again), so SACK too; window scaling, so 64 KiB at most are on the way; timestamps; urgent data;
 * delayed acknowledgments; Nagle's algorithm; keep-alive; path MTU discovery (the MTU is the link's);
 * ECN; SYN cookies (under a flood the oldest opening makes room); defence against peers that open
 * connections and keep them by sending a byte now and then; limits on the rate of resets and of
 * acknowledgments of wrong segments (never more than one for each that arrives).
 */
import { buildTcp, IpProtocol, parseTcp, TcpFlag, type TcpOption, type TcpSegment } from "../../src/packet/index.ts";
import type { Counters } from "./counters.ts";
import type { Incoming, Send } from "./ip.ts";
import { advance } from "./sequence.ts";
import { type Application, type Segment, TcpConnection, type TcpState } from "./tcp-connection.ts";

/** Options of {@link Tcp}. */
export interface TcpOptions {
  /** MTU of the link. */
  readonly mtu: number;
  /** Applications that accept connections, by port. */
  readonly listeners: ReadonlyMap<number, () => Application>;
  readonly counters: Counters;
  readonly send: Send;
  /** Keeps initial sequence numbers from being guessed. */
  readonly secret: Uint8Array;
}

/** The most connections at a time. */
export const CONNECTIONS_MAX = 256;
/** The most connections at a time that are not established yet. */
export const HALF_OPEN_MAX = 64;
/** IP and TCP headers, without options. */
const HEADERS_BYTES = { 4: 40, 6: 60 } as const;
/** MSS of a peer that does not tell one: RFC 9293 section 3.7.1. */
const MSS_DEFAULT = { 4: 536, 6: 1220 } as const;
/** Less would be an attack, by many small segments: as Linux's net.ipv4.tcp_min_snd_mss. */
const MSS_MIN = 48;

/** Every connection of the host, and the ports that make new ones. */
export class Tcp {
  readonly #options: TcpOptions;
  /** Connections by the peer's address and the two ports; oldest first. */
  readonly #connections = new Map<string, TcpConnection>();

  constructor(options: TcpOptions) {
    this.#options = options;
  }

  /** Number of connections in each state. */
  get states(): Map<TcpState, number> {
    const states = new Map<TcpState, number>();
    for (const { state } of this.#connections.values()) states.set(state, (states.get(state) ?? 0) + 1);
    return states;
  }

  /** Time at which {@link tick} is to be called. */
  get deadline(): number {
    let deadline = Number.POSITIVE_INFINITY;
    for (const connection of this.#connections.values()) deadline = Math.min(deadline, connection.deadline);
    return deadline;
  }

  tick(now: number): void {
    for (const [key, connection] of this.#connections) {
      connection.tick(now);
      this.#forgetIfClosed(key, connection);
    }
  }

  receive(packet: Incoming, now: number): void {
    const segment = parseTcp(packet.payload);
    const key = `${packet.source} ${segment.sourcePort} ${segment.destinationPort}`;
    const connection = this.#connections.get(key);
    if (connection === undefined) this.#receiveUnknown(packet, segment, key, now);
    else if (connection.isReopenedBy(segment)) {
      this.#connections.delete(key);
      this.#receiveUnknown(packet, segment, key, now);
    } else {
      connection.receive(segment, now);
      this.#forgetIfClosed(key, connection);
    }
  }

  #forgetIfClosed(key: string, connection: TcpConnection): void {
    if (connection.state === "CLOSED") this.#connections.delete(key);
  }

  /** RFC 9293 sections 3.10.7.1 and 3.10.7.2: CLOSED and LISTEN. */
  #receiveUnknown(packet: Incoming, segment: TcpSegment, key: string, now: number): void {
    const { flags, destinationPort } = segment;
    if (flags & TcpFlag.RST) return;
    const accept = this.#options.listeners.get(destinationPort);
    if (accept === undefined || flags & TcpFlag.ACK) this.#refuse(packet, segment);
    else if (flags & TcpFlag.SYN) this.#open(packet, segment, key, accept, now);
  }

  #open(packet: Incoming, syn: TcpSegment, key: string, accept: () => Application, now: number): void {
    const { counters } = this.#options;
    if (!this.#makeRoom()) {
      // Silence: the peer asks again, and there may be room by then.
      counters.connectionsDropped++;
      return;
    }
    const { version } = packet;
    const linkMss = this.#options.mtu - HEADERS_BYTES[version];
    const peerMss = mssOf(syn) ?? MSS_DEFAULT[version];
    const connection = new TcpConnection(
      {
        syn,
        sequence: this.#initialSequence(`${key} ${packet.destination}`, now),
        mss: Math.max(MSS_MIN, Math.min(linkMss, peerMss)),
        counters,
        accept,
        emit: (segment) => this.#send(packet, syn, segment, segment.flags & TcpFlag.SYN ? linkMss : undefined),
      },
      now,
    );
    this.#connections.set(key, connection);
  }

  /** Makes room, so that neither openings that are never finished nor connections that have ended keep others out. */
  #makeRoom(): boolean {
    const states = this.states;
    if ((states.get("SYN-RECEIVED") ?? 0) >= HALF_OPEN_MAX) this.#dropOldest("SYN-RECEIVED");
    if (this.#connections.size < CONNECTIONS_MAX) return true;
    return this.#dropOldest("TIME-WAIT") || this.#dropOldest("SYN-RECEIVED");
  }

  #dropOldest(state: TcpState): boolean {
    for (const [key, connection] of this.#connections) {
      if (connection.state !== state) continue;
      if (state === "SYN-RECEIVED") this.#options.counters.connectionsDropped++;
      return this.#connections.delete(key);
    }
    return false;
  }

  /** RFC 6528 section 3: a clock of 4 µs, from a start that nobody knows but us, another for each connection. */
  #initialSequence(connection: string, now: number): number {
    const hash = new Bun.CryptoHasher("sha256", this.#options.secret).update(connection).digest();
    return advance(hash.readUInt32BE(), Math.floor(now * 250));
  }

  /** RFC 9293 section 3.5.2, group 1. */
  #refuse(packet: Incoming, segment: TcpSegment): void {
    const { flags, sequence, acknowledgment, payload } = segment;
    this.#options.counters.connectionsRefused++;
    const length = payload.length + (flags & TcpFlag.SYN ? 1 : 0) + (flags & TcpFlag.FIN ? 1 : 0);
    const reset =
      flags & TcpFlag.ACK
        ? { sequence: acknowledgment, acknowledgment: 0, flags: TcpFlag.RST }
        : { sequence: 0, acknowledgment: advance(sequence, length), flags: TcpFlag.RST | TcpFlag.ACK };
    this.#send(packet, segment, { ...reset, window: 0, payload: new Uint8Array(0) });
  }

  /** Sends a segment back to where a packet came from. */
  #send(to: Incoming, { sourcePort, destinationPort }: TcpSegment, segment: Segment, mss?: number): void {
    const { source: destination, destination: source } = to;
    const options: TcpOption[] = mss === undefined ? [] : [{ kind: "mss", mss }];
    const ports = { sourcePort: destinationPort, destinationPort: sourcePort };
    this.#options.send(IpProtocol.TCP, destination, buildTcp({ source, destination, ...ports, ...segment, options }));
  }
}

function mssOf(segment: TcpSegment): number | undefined {
  return segment.options.find((option) => option.kind === "mss")?.mss;
}
