/**
 * Between the TUN and the socket. Packets go in batches both ways: the kernel
 * hands over super-packets, which come here split (`offload`) and leave by one
 * `sendmmsg`; what one turn of the event loop brings goes back in one piece,
 * merged again. What the socket or the TUN has no room for is dropped and
 * counted, as a router does: TCP inside slows down by it, and nothing grows.
 */

import { openTun, type Tun } from "../../src/index.ts";
import type { Counters } from "./counters.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { asSeenBy, bindSocket, textOf, type UdpSocket } from "./socket.ts";

export interface TunnelOptions extends Pick<PeerOptions, "key" | "endpoint" | "makeSession"> {
  readonly keepAliveMs: number;
  readonly rekeyAfterMs: number;
  readonly rekeyAfterPackets: number;
  /** Where to listen; 0 for any free port. */
  readonly port: number;
  readonly name: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  readonly routes: readonly string[];
  readonly tell: (event: "session" | "moved", endpoint: string) => void;
  /** The interface has gone without our doing. */
  readonly ended: (reason: Error) => void;
}

const TICK_MS = 250;
const BATCH_MAX = 512;

export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  // Handlers from the start: the socket's reload() does not change them in Bun 1.4.5.
  let tunnel: Tunnel | undefined;
  const socket = await bindSocket(options.port, {
    data: (_, datagram, port, address) => tunnel?.receive(datagram, port, address),
    // An ICMP error: the peer is not there, or not yet. Handshakes go on.
    error: () => {},
  });
  try {
    tunnel = new Tunnel(socket, options);
    return tunnel;
  } catch (error) {
    socket.close();
    throw error;
  }
}

export class Tunnel implements Disposable {
  readonly #socket: UdpSocket;
  readonly #peer: Peer;
  readonly #tun: Tun;
  readonly #timer: Timer;
  /** Packets of this turn of the event loop, for the TUN. */
  #arrived: Uint8Array[] = [];

  constructor(socket: UdpSocket, options: TunnelOptions) {
    const { name, mtu, addresses, routes, endpoint } = options;
    this.#socket = socket;
    this.#peer = new Peer({
      ...options,
      endpoint: endpoint && asSeenBy(socket, endpoint),
      transmit: (datagram, to) => this.#send([datagram, to.port, to.address]),
      tell: (event, to) => options.tell(event, textOf(to)),
    });
    this.#tun = openTun({
      ...{ name, mtu, addresses, routes },
      up: true,
      ipv6: false,
      offload: true,
      reuseBuffers: true,
      data: (_, packets) => this.#sendPackets(packets),
      close: (_, reason) => reason && options.ended(reason),
    });
    this.#timer = setInterval(() => this.#peer.tick(), TICK_MS);
    this.#peer.tick();
  }

  get counters(): Counters {
    return this.#peer.counters;
  }

  get peer(): string | undefined {
    return this.#peer.endpoint && textOf(this.#peer.endpoint);
  }

  get tun(): Tun {
    return this.#tun;
  }

  get port(): number {
    return this.#socket.port;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#socket.close();
    this.#tun.close();
  }

  #sendPackets(packets: readonly Uint8Array[]): void {
    const { endpoint } = this.#peer;
    const batch: (Buffer | number | string)[] = [];
    for (const packet of packets) {
      const datagram = this.#peer.seal(packet);
      if (datagram !== undefined && endpoint !== undefined) batch.push(datagram, endpoint.port, endpoint.address);
    }
    if (batch.length > 0) this.#send(batch);
  }

  /** @param batch Datagram, port, address; and so on. */
  #send(batch: (Buffer | number | string)[]): void {
    const count = batch.length / 3;
    let sent = this.#trySend(batch);
    // Once more, for an ICMP error that is reported here belongs to a datagram before (oven-sh/bun#36249).
    if (sent < count) sent += this.#trySend(sent === 0 ? batch : batch.slice(3 * sent));
    if (sent < count) this.counters.drop("unsent", count - sent);
  }

  /** How many were sent. */
  #trySend(batch: (Buffer | number | string)[]): number {
    try {
      return this.#socket.sendMany(batch);
    } catch {
      return 0;
    }
  }

  /** What came by the socket. */
  receive(datagram: Buffer, port: number, address: string): void {
    const packet = this.#peer.receive(datagram, address, port);
    if (packet === undefined) return;
    if (this.#arrived.push(packet) === 1) setImmediate(() => this.#deliver());
    else if (this.#arrived.length === BATCH_MAX) this.#deliver();
  }

  #deliver(): void {
    const packets = this.#arrived;
    this.#arrived = [];
    if (this.#tun.closed || packets.length === 0) return;
    const before = this.#tun.counters().framesSent;
    try {
      this.#tun.sendMany(packets);
    } catch (error) {
      // Its interface has gone meanwhile: the close handler tells.
      if (!this.#tun.closed) throw error;
    }
    this.counters.drop("undelivered", packets.length - (this.#tun.counters().framesSent - before));
  }
}
