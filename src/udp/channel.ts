import { systemError, type TunTapError } from "../errors.ts";
import { Channel } from "../io/channel.ts";
import type { FrameObservers } from "../io/observers.ts";
import type { Direction, FrameSource } from "../io/types.ts";
import { EACCES, EADDRNOTAVAIL, EHOSTUNREACH, EINVAL, EMSGSIZE, ENETUNREACH, EPERM } from "../sys/constants.ts";
import { udpNative } from "../sys/native.ts";
import { Peer, type Peers } from "./peers.ts";
import { DatagramReader, datagramBlock, datagramRun, isGone } from "./reader.ts";
import type { UdpState } from "./state.ts";
import type { DatagramRun, Ecn, Endpoint, UdpCounters, UdpRefusalCause } from "./types.ts";
import { DatagramWriter } from "./writer.ts";

/** The parts of the channel of a socket. */
export interface UdpChannelParts {
  readonly fd: number;
  readonly state: UdpState;
  readonly peers: Peers;
  /** The first peer to send to, until another one is named. */
  readonly firstPeer: Peer;
  /** Tells whether the socket is connected to {@link firstPeer}. */
  readonly connected: boolean;
  readonly reuseBuffers: boolean;
  /** The segmentation that both the kernel has and the user wants. */
  readonly segmentation: { readonly send: boolean; readonly receive: boolean };
}

/** The channel of a UDP socket. */
export class UdpChannel extends Channel<DatagramReader, DatagramRun, UdpRefusalCause> {
  protected readonly noun = "socket";
  readonly peers: Peers;
  readonly writer: DatagramWriter;
  /** The peer of a connected socket. */
  readonly peer: Peer | undefined;
  readonly #state: UdpState;
  readonly #segmentation: UdpChannelParts["segmentation"];
  /** The peer of the datagrams that observers are being shown, if they went to one each. */
  #shownTo: Peer | undefined;

  constructor({ fd, state, peers, firstPeer, connected, reuseBuffers, segmentation }: UdpChannelParts) {
    const writer = new DatagramWriter(state, firstPeer);
    const reader = new DatagramReader(fd, state, peers, reuseBuffers);
    super({ fd, closeFd: true, reader, batch: datagramRun, block: datagramBlock, writer }, [
      "tooLong",
      "unreachable",
      "denied",
      "other",
    ]);
    this.peers = peers;
    this.peer = connected ? firstPeer : undefined;
    this.writer = writer;
    this.#state = state;
    this.#segmentation = segmentation;
  }

  /** Points the writer at `to`, and sets the ECN bits. */
  aim(to: Endpoint | undefined, ecn: Ecn): void {
    const { writer, peer } = this;
    // A handler may send while a batch to many is not over.
    writer.isToEach = false;
    this.#setEcn(ecn);
    if (writer.to === to) return;
    if (to === undefined) {
      if (peer === undefined) throw new TypeError('"to" must be given, as the socket is not connected to a peer');
      writer.to = peer;
      return;
    }
    writer.to = this.#check(to);
  }

  /** Sends each datagram to its endpoint, of which there are as many. Returns how many have been dealt with. */
  sendToEach(datagrams: readonly FrameSource[], to: readonly Endpoint[], ecn: Ecn): number {
    const { writer } = this;
    this.#setEcn(ecn);
    writer.recipients.set(to, ecn, (endpoint) => this.#check(endpoint));
    writer.isToEach = true;
    try {
      return this.sender.sendReordered(datagrams, writer.recipients.order);
    } finally {
      writer.isToEach = false;
    }
  }

  #setEcn(ecn: Ecn): void {
    if (ecn === this.writer.ecn) return;
    checkEcn(ecn);
    this.writer.ecn = ecn;
  }

  /** Tells whether this socket can send to it. */
  canSendTo(to: unknown): to is Peer {
    return Peer.isOf(this.peers, to) && (this.peer === undefined || to === this.peer);
  }

  /** Returns the endpoint, if it can be sent to by this socket. */
  #check(to: Endpoint): Peer {
    if (!Peer.isOf(this.peers, to)) {
      throw new TypeError(
        `"to" must be an endpoint of this socket, from endpoint() or a received run, got ${Bun.inspect(to)}`,
      );
    }
    if (this.peer !== undefined && to !== this.peer) throw this.connectedElsewhere(`${to.address} port ${to.port}`);
    return to;
  }

  /** Shows the datagrams of each peer by themselves. */
  protected override tellSent(
    observers: FrameObservers,
    datagrams: readonly Uint8Array[],
    refused: readonly number[],
  ): void {
    const { writer } = this;
    if (!writer.isToEach) {
      observers.tell(datagrams, "sent");
      return;
    }
    // Now, because an observer may send itself.
    const to: Peer[] = [];
    const isRefused = new Set(refused);
    for (let place = 0; to.length < datagrams.length; place++) {
      if (!isRefused.has(place)) to.push(writer.recipients.at(place));
    }
    for (let begin = 0, end = 1; begin < to.length; begin = end++) {
      while (end < to.length && to[end] === to[begin]) end++;
      this.#shownTo = to[begin];
      observers.tell(datagrams.slice(begin, end), "sent");
    }
    this.#shownTo = undefined;
  }

  /** Makes the error for another endpoint than the one that the socket is connected to. */
  connectedElsewhere(other: string): RangeError {
    const { peer } = this;
    return new RangeError(
      `"to" must be ${peer?.address} port ${peer?.port}, which the socket is connected to, got ${other}`,
    );
  }

  get segmentation(): { send: boolean; receive: boolean } {
    const { send, receive } = this.#segmentation;
    return { send: send && this.#state.segmentationRefusals === 0, receive };
  }

  /** The peer of the datagrams that observers are being shown. */
  peerOf(direction: Direction): Endpoint {
    return direction === "received" ? this.reader.from : (this.#shownTo ?? this.writer.to);
  }

  counters(): UdpCounters {
    const { sendCalls, receiveCalls, lost, truncated, unreachable } = this.#state;
    const { framesSent, bytesSent, refused, refusedBy } = this.sender.counters();
    const sent = { datagramsSent: framesSent, bytesSent, refused, refusedBy };
    return { ...this.reader.counters(), ...sent, sendCalls, receiveCalls, lost, truncated, unreachable };
  }

  /** Takes the error that an ICMP message left: epoll would report it again and again. */
  protected checkAlive(): void {
    if (this.closed) return;
    const result = udpNative().udp_take_error(this.fd, this.#state.bytes);
    if (isGone(result)) this.close(goneError(result, "getsockopt(SO_ERROR)"));
  }

  protected readFailed(errno: number): TunTapError {
    return goneError(errno, "recvmsg");
  }

  endedBy(errno: number): TunTapError | undefined {
    if (this.closed) return this.closedError();
    if (!isGone(errno)) return undefined;
    this.close(goneError(errno, "sendmsg"));
    return this.closedError();
  }

  causeOf(errno: number): UdpRefusalCause {
    if (errno === -EMSGSIZE) return "tooLong";
    if (errno === -ENETUNREACH || errno === -EHOSTUNREACH || errno === -EADDRNOTAVAIL) return "unreachable";
    // EINVAL: the given local address is on no interface any more.
    if (errno === -EINVAL) return "unreachable";
    return errno === -EPERM || errno === -EACCES ? "denied" : "other";
  }

  /** Returns false: the error of one datagram may be an ICMP message about another one, so the rest is tried. */
  isForAll(_cause: UdpRefusalCause): boolean {
    return false;
  }

  errorOf(errno: number, datagram: Uint8Array, frameIndex?: number): TunTapError {
    const to = this.writer.peerAt(frameIndex ?? 0);
    return systemError(errno, "sendmsg", { ...refusal(errno, datagram, to), frameIndex });
  }
}

function checkEcn(ecn: unknown): void {
  if (ecn === 0 || ecn === 1 || ecn === 2 || ecn === 3) return;
  throw new RangeError(`"ecn" must be 0, 1, 2 or 3, got ${Bun.inspect(ecn)}`);
}

function goneError(errno: number, syscall: string): TunTapError {
  return systemError(errno, syscall, {
    detail: "the fd was closed behind the socket's back",
    hint: "close a socket with close(), and do not close its fd yourself",
  });
}

function refusal(errno: number, datagram: Uint8Array, to: Endpoint): { detail?: string; hint?: string } {
  const detail = `to ${to.address} port ${to.port} from ${to.localAddress}`;
  const most = to.address.includes(":") ? "65,527 bytes over IPv6" : "65,507 bytes over IPv4";
  switch (-errno) {
    case EMSGSIZE:
      return { detail: `${datagram.byteLength} bytes ${detail}`, hint: `a datagram has at most ${most}` };
    case ENETUNREACH:
    case EHOSTUNREACH:
      return { detail, hint: "there is no route to that address: `ip route get` shows the same" };
    case EINVAL:
    case EADDRNOTAVAIL:
      return {
        detail,
        hint: "no interface has that local address: leave it to the kernel with endpoint(address, port)",
      };
    case EPERM:
      return { detail, hint: "a firewall rule of this machine forbids it" };
    case EACCES:
      return { detail, hint: "that is a broadcast address, or a rule forbids it: send to the address of a host" };
    default:
      return { detail };
  }
}
