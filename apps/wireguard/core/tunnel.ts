import { type LinkChange, openTun, type Tun, type TunTapError } from "../../../src/index.ts";
import { setMark } from "../../../src/sys/udp.ts";
import { type Ecn, type Endpoint, openUdp, type UdpSocket } from "../../../src/udp/index.ts";
import { now } from "./clock.ts";
import { addressBytes, hostText, isSpecific } from "./endpoint.ts";
import { applyPeer } from "./peer-settings.ts";
import { Protocol } from "./protocol/protocol.ts";
import type { TunnelDropped, TunnelOptions, TunnelSettings } from "./settings.ts";

/** Bytes of the socket's queues: room for what arrives while this thread does something else. */
const SOCKET_BUFFER = 4 * 1024 * 1024;
/** Milliseconds after which a socket that has ended by itself is opened again. */
const REOPEN_MS = 1000;
/** IPv6 and UDP headers, and a data message's own: 1500 less these is the default MTU. */
export const OVERHEAD_BYTES: number = 40 + 8 + 32;
/** MTU of a tunnel whose datagrams fit an MTU of 1500. */
export const DEFAULT_MTU: number = 1500 - OVERHEAD_BYTES;
/** The longest packet that fits a datagram of IPv4: 65,507 bytes less the message's header and tag. */
export const MAX_MTU: number = 65_507 - 32;

/**
 * The kernel's words for a source address that no interface has: of IPv6 (ipv6(7), IPV6_PKTINFO), of IPv4
 * (net/ipv4/route.c ip_route_output_key_hash_rcu()). The second one has other causes too, which the second try meets.
 */
const SOURCE_GONE: ReadonlySet<string> = new Set(["EINVAL", "ENETUNREACH"]);

/**
 * A tunnel that speaks the WireGuard protocol: a TUN interface, a UDP socket, and the core between them. The socket is
 * open while the interface is up, as with other implementations.
 */
export class Tunnel implements Disposable {
  readonly device: Tun;
  readonly protocol: Protocol<Endpoint>;
  readonly #options: TunnelOptions;
  #socket: UdpSocket | undefined;
  #listenPort = 0;
  #mark = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** True if the socket has just refused messages because of their source address. */
  #isSourceGone = false;
  #refusedByInterface = 0;
  #refusedBySocket = 0;

  constructor(options: TunnelOptions) {
    this.#options = options;
    const mtu = options.mtu ?? DEFAULT_MTU;
    this.protocol = new Protocol<Endpoint>({
      aead: options.aead,
      mtu,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
      addressOf: addressBytes,
      hostOf: hostText,
      withoutSource: (endpoint) => this.#socket?.endpoint(endpoint.address, endpoint.port) ?? endpoint,
      outlet: {
        transmit: (endpoint, messages, ecn) => this.#transmit(endpoint, messages, ecn as Ecn),
        deliver: (packets) => this.#deliver(packets),
        report: (peer, event) => options.log.verbose(event, { peer: peer.publicKey.toBase64() }),
      },
    });
    this.device = openTun({
      name: options.name ?? "wg%d",
      mtu,
      offload: true,
      reuseBuffers: true,
      ...(options.netns !== undefined && { netns: options.netns }),
      data: (_tun, packets) => {
        this.protocol.send(packets, now());
        this.#schedule();
      },
      change: (_tun, change) => this.#changed(change),
      error: (_tun, error) => options.log.error(error.message),
      close: (_tun, reason) => this.#ended(reason),
    });
    if (this.device.isUp) this.#bindOrLog();
  }

  /** The port that messages come to; 0 if any free one is to be chosen and none was yet. */
  get listenPort(): number {
    return this.#socket?.port ?? this.#listenPort;
  }

  get mark(): number {
    return this.#mark;
  }

  get dropped(): TunnelDropped {
    const { refused } = this.device.counters();
    return {
      ...this.protocol.dropped,
      refusedByInterface: this.#refusedByInterface + refused,
      refusedBySocket: this.#refusedBySocket + (this.#socket?.counters().refused ?? 0),
    };
  }

  /**
   * Changes settings. Those of the socket come first, as with the kernel: if it refuses them, all is as it was.
   *
   * @throws {TunTapError} `EADDRINUSE` and others, if the port or the mark cannot be had
   */
  apply(settings: TunnelSettings): void {
    const { log } = this.#options;
    const { privateKey, listenPort, mark, replacePeers, peers } = settings;
    if (listenPort !== undefined || mark !== undefined) this.#setSocket(listenPort, mark ?? this.#mark);
    if (privateKey !== undefined) {
      this.protocol.setPrivateKey(privateKey.every((byte) => byte === 0) ? undefined : privateKey);
    }
    if (replacePeers)
      for (const { publicKey } of [...this.protocol.peers.values()]) this.protocol.removePeer(publicKey);
    for (const peer of peers) applyPeer(this.protocol, peer, (endpoint) => this.#endpointOf(endpoint), log);
    this.#schedule();
  }

  /**
   * Brings the interface up, and opens the socket.
   *
   * @throws {TunTapError} `EADDRINUSE` and others, if the port cannot be had
   */
  up(): void {
    this.device.up();
    if (this.#socket === undefined) this.#bind();
  }

  /** Ends the tunnel: the interface goes, the socket closes, and the keys are wiped. */
  close(): void {
    this.device.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** While the interface is down there is no socket: a stand-in is kept until there is. */
  #endpointOf({ address, port }: { address: string; port: number }): Endpoint {
    return this.#socket?.endpoint(address, port) ?? { address, port, localAddress: "" };
  }

  #changed(change: LinkChange): void {
    if (change.type === "mtu") this.protocol.mtu = Math.min(change.mtu, MAX_MTU);
    if (change.type === "up") this.#bindOrLog();
    if (change.type === "down") this.#unbind();
  }

  #bindOrLog(): void {
    try {
      if (this.#socket === undefined) this.#bind();
    } catch (error) {
      this.#options.log.error(`the socket cannot be opened: ${(error as Error).message}`);
    }
  }

  #bind(): void {
    this.#replaceSocket(this.#listenPort, this.#mark);
    this.#schedule();
  }

  /** Opens the new socket before the old one goes, so that a failure changes nothing. */
  #replaceSocket(port: number, mark: number): void {
    const before = this.#socket;
    this.#socket = this.#openSocket(port, mark, this.#options.socketNetns);
    before?.close();
    this.#options.log.verbose("listening", { port: this.#socket.port });
    for (const peer of this.protocol.peers.values()) {
      if (peer.endpoint !== undefined) peer.endpoint = this.#endpointOrNone(peer.endpoint);
      if (before === undefined && peer.keepAliveSeconds > 0) peer.setPersistentKeepAlive(peer.keepAliveSeconds, now());
    }
  }

  /** Returns an endpoint of the socket, or none where its interface ("fe80::1%eth0") is gone: other peers go on. */
  #endpointOrNone(endpoint: Endpoint): Endpoint | undefined {
    try {
      return this.#endpointOf(endpoint);
    } catch (error) {
      this.#options.log.error(`an endpoint is left out: ${(error as Error).message}`);
      return undefined;
    }
  }

  #unbind(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    for (const peer of this.protocol.peers.values()) peer.reset();
    this.#schedule();
  }

  /** @param listenPort Undefined to keep the one that there is. */
  #setSocket(listenPort: number | undefined, mark: number): void {
    const socket = this.#socket;
    const keeps = listenPort === undefined || (listenPort !== 0 && listenPort === socket?.port);
    if (socket !== undefined && keeps) {
      // Opening it anew would lose what has arrived, and may fail.
      if (mark !== this.#mark) setMark(socket.fd, mark);
    } else if (listenPort !== undefined && !this.device.closed && this.device.isUp) {
      this.#replaceSocket(listenPort, mark);
    }
    this.#listenPort = listenPort ?? this.#listenPort;
    this.#mark = mark;
  }

  #openSocket(port: number, mark: number, netns: string | number | undefined): UdpSocket {
    return openUdp({
      port,
      sendBuffer: SOCKET_BUFFER,
      receiveBuffer: SOCKET_BUFFER,
      reuseBuffers: true,
      ecn: true,
      ...(mark !== 0 && { mark }),
      ...(netns !== undefined && { netns }),
      data: (_socket, messages, from, ecn) => {
        this.protocol.receive(messages, from, now(), ecn);
        this.#schedule();
      },
      error: (_socket, error) => {
        this.#isSourceGone = SOURCE_GONE.has(error.code);
        this.#options.log.verbose(error.message);
      },
      close: (socket, reason) => {
        if (reason !== undefined) this.#socketEnded(socket, reason);
      },
    });
  }

  #socketEnded(socket: UdpSocket, reason: TunTapError): void {
    this.#options.log.error(`the socket has ended, and is opened again: ${reason.message}`);
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#reopenLater();
  }

  #reopenLater(): void {
    setTimeout(() => {
      if (this.#socket !== undefined || this.device.closed || !this.device.isUp) return;
      this.#bindOrLog();
      if (this.#socket === undefined) this.#reopenLater();
    }, REOPEN_MS).unref();
  }

  #transmit(endpoint: Endpoint, messages: readonly Uint8Array[], ecn: Ecn): boolean {
    const socket = this.#socket;
    if (socket === undefined) {
      this.#refusedBySocket += messages.length;
      return true;
    }
    this.#isSourceGone = false;
    const taken = socket.sendMany(messages, endpoint, ecn);
    this.#refusedBySocket += messages.length - taken;
    return !(this.#isSourceGone && isSpecific(endpoint.localAddress));
  }

  #deliver(packets: readonly Uint8Array[]): void {
    if (this.device.closed) return;
    this.#refusedByInterface += packets.length - this.device.sendMany(packets);
  }

  /** Sets the timer for the core's next deadline, unless it is set for an earlier time already. */
  #schedule(): void {
    const { deadline } = this.protocol;
    if (deadline >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.ceil(deadline - now()))).unref();
  }

  #tick(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.protocol.tick(now());
    this.#schedule();
  }

  #ended(reason: TunTapError | undefined): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.NEGATIVE_INFINITY;
    this.#socket?.close();
    this.protocol.setPrivateKey(undefined);
    this.#options.onClose?.(reason);
  }
}
