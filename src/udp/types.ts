import type { TunTapError } from "../errors.ts";
import type { NetnsLike } from "../interface/types.ts";
import type { Direction, FrameSource } from "../io/types.ts";

/**
 * The two ends of a path of datagrams. Immutable, and unique within a socket: the same sender is the same object, so
 * endpoints can be compared with `===` and be keys of a `Map`. A socket remembers the last 4096. A forgotten endpoint
 * can still be sent to, but is another object when its sender comes again.
 */
export interface Endpoint {
  /** "192.0.2.1" or "2001:db8::1"; a link-local address with its interface, "fe80::1%eth0". */
  readonly address: string;
  /** The port, 1 to 65535; 0 if the sender has none, so that no answer can be sent. */
  readonly port: number;
  /**
   * The local address to which the datagram was sent, and from which answers are sent. "0.0.0.0" or "::" where the
   * kernel chooses: by default of {@link UdpSocket.endpoint}, and for datagrams to a multicast group.
   */
  readonly localAddress: string;
}

/**
 * The two ECN bits of an IP header (RFC 3168): 0 for a sender that does not
 * understand congestion marks, 1 and 2 for one that does (ECT(1), ECT(0)), 3
 * where a router has met congestion (CE).
 */
export type Ecn = 0 | 1 | 2 | 3;

/** Datagrams of one sender, in order. */
export interface DatagramRun {
  /** The datagrams, one at least. */
  readonly datagrams: Uint8Array[];
  /** Their sender. */
  readonly from: Endpoint;
  /** The ECN bits of their IP headers; 0 without the option `ecn`. */
  readonly ecn: Ecn;
}

/** Observes the datagrams that pass a socket. An exception that it throws goes to the `error` handler. */
export interface DatagramObserver {
  /**
   * Called with datagrams, in order, before the program gets them from `peer` ("received"), or after the kernel has
   * taken them for `peer` ("sent"). Sent datagrams, and with `reuseBuffers` received ones, are valid only until this
   * returns.
   */
  datagrams(datagrams: readonly Uint8Array[], direction: Direction, peer: Endpoint): void;
  /** The socket has closed. */
  close?(): void;
}

/** The cause for which datagrams were refused for good. */
export type UdpRefusalCause =
  /** Longer than UDP can carry, 65,507 bytes over IPv4; or too long for a path on which it must not be fragmented. */
  | "tooLong"
  /** There is no route, or no local address for it. */
  | "unreachable"
  /** A firewall rule, or a broadcast address. */
  | "denied"
  /** Anything else, such as a kernel out of memory. */
  | "other";

/** Counters of one socket, from the side of the program: datagrams received and sent, and datagrams that were lost. */
export interface UdpCounters {
  /** Datagrams that the program has received. */
  readonly datagramsReceived: number;
  /** Bytes of these datagrams, without headers. */
  readonly bytesReceived: number;
  /** Datagrams that the kernel has taken from the program. */
  readonly datagramsSent: number;
  /** Bytes of these datagrams, without headers. */
  readonly bytesSent: number;
  /** System calls for sending: sendmsg(2) and sendmmsg(2). */
  readonly sendCalls: number;
  /** System calls for receiving: recvmsg(2) and recvmmsg(2). */
  readonly receiveCalls: number;
  /** Datagrams that found no room in the socket's queue (SO_RXQ_OVFL), as the last datagram received tells. */
  readonly lost: number;
  /** Messages that the kernel cut, as they were longer than 64 KiB. */
  readonly truncated: number;
  /** ICMP errors that earlier datagrams met, such as `ECONNREFUSED` of a port where nobody listens. */
  readonly unreachable: number;
  /** Datagrams that the kernel refused for good. */
  readonly refused: number;
  /** Refused datagrams by cause. */
  readonly refusedBy: { readonly [C in UdpRefusalCause]: number };
}

/** Handlers that a socket calls: synchronously, with the socket first. An exception that one throws goes to `error`. */
export interface UdpHandlers {
  /**
   * Receives each run of datagrams of one sender, in order. Makes this the socket's only consumer. `ecn` is that of
   * {@link DatagramRun}.
   */
  data?(socket: UdpSocket, datagrams: Uint8Array[], from: Endpoint, ecn: Ecn): void;
  /** The kernel takes datagrams again, after `send` or `sendMany` said that it would not. */
  drain?(socket: UdpSocket): void;
  /**
   * Receives the errors that no call can throw. A handler threw (`ERR_TUNTAP_HANDLER`, with the exception as its
   * `cause`): without this handler that is an uncaught exception. Or the kernel refused datagrams of a `sendMany`.
   */
  error?(socket: UdpSocket, error: TunTapError): void;
  /** The socket has closed. Called once; `reason` is there unless `close()` was called. */
  close?(socket: UdpSocket, reason?: TunTapError): void;
}

/** Options of `openUdp`. */
export interface UdpOptions extends UdpHandlers {
  /**
   * Local address. Default `"::"`, which serves IPv6 and IPv4; `"0.0.0.0"`
   * where there is no IPv6, and for an IPv4 `peer`.
   */
  address?: string;
  /** Local port, 0 to 65535. Default 0: any free one. */
  port?: number;
  /** Connects the socket: it sends to this peer, and receives from it alone. The kernel looks for a route once. */
  peer?: {
    /** IPv4 or IPv6; a link-local one with its interface, "fe80::1%eth0". */
    address: string;
    /** 1 to 65535. */
    port: number;
  };
  /** Sends and receives only through this interface (SO_BINDTODEVICE). */
  interface?: string;
  /** Mark of the datagrams sent, 0 to 2^32 - 1, which policy rules and firewalls see (SO_MARK). Takes CAP_NET_ADMIN. */
  mark?: number;
  /** Bytes of the kernel's queue for sending. Beyond net.core.wmem_max it takes CAP_NET_ADMIN. */
  sendBuffer?: number;
  /** Bytes of the kernel's queue for receiving, bookkeeping included; the usual default holds 90 datagrams of full size. Beyond net.core.rmem_max it takes CAP_NET_ADMIN. */
  receiveBuffer?: number;
  /**
   * Allows several sockets on one address and port, such as one in each Worker; the kernel distributes senders among
   * them. Default false.
   */
  reusePort?: boolean;
  /**
   * Sends and receives many datagrams in one pass through the kernel (UDP_SEGMENT and UDP_GRO), if it can. Default
   * true.
   */
  segmentation?: boolean;
  /**
   * Uses the buffers of received datagrams again: datagrams, and the list that they come in, are valid only until the
   * handler returns or the next run is asked for. Default false: keep them as long as you like.
   */
  reuseBuffers?: boolean;
  /** Tells the ECN bits of received datagrams (IP_RECVTOS, IPV6_RECVTCLASS), by which runs are parted then. Default false. */
  ecn?: boolean;
  /** The network namespace that the socket is in: a name, a path, or a process id. Takes CAP_SYS_ADMIN. */
  netns?: NetnsLike;
  /** Closes the socket when aborted. */
  signal?: AbortSignal;
}

/**
 * A UDP socket.
 *
 * It keeps the process alive while it is open, until `unref()`. It stays open
 * while it has handlers or somebody receives from it; otherwise a socket that
 * nothing refers to any more is closed when it is collected.
 *
 * After `close()` iterations are over, and the properties and `counters()` still
 * answer. `close()`, `ref()` and `unref()` do nothing, and every other call
 * throws `ERR_TUNTAP_CLOSED`.
 */
export interface UdpSocket extends Disposable, AsyncDisposable {
  /** -1 once closed. Non-blocking and close-on-exec. */
  readonly fd: number;
  /** The local address that the socket is bound to. */
  readonly address: string;
  /** The local port that the socket is bound to. */
  readonly port: number;
  /** The peer of a connected socket. */
  readonly peer: Endpoint | undefined;
  /** Tells whether the socket is closed. */
  readonly closed: boolean;
  /** The reason why the socket closed, if it was not by `close()`. */
  readonly closeReason: TunTapError | undefined;
  /**
   * Segmentation that is in force now. `receive`: the kernel hands over datagrams of one
   * sender merged (UDP_GRO). `send`: runs of datagrams are handed to the kernel
   * as one (UDP_SEGMENT); false once a path has refused that, over which
   * datagrams go one by one from then on.
   */
  readonly segmentation: {
    /** Tells whether runs of datagrams go to the kernel as one. */
    readonly send: boolean;
    /** Tells whether the kernel hands over datagrams merged. */
    readonly receive: boolean;
  };
  /**
   * Returns the endpoint to send to.
   *
   * @param address IPv4 or IPv6; a link-local one with its interface, "fe80::1%eth0".
   * @param port 1 to 65535
   * @param localAddress Sends from this address. Default: the kernel chooses.
   * @throws {TypeError | RangeError} if that is no address, or none that this socket can send to
   */
  endpoint(address: string, port: number, localAddress?: string): Endpoint;
  /**
   * Sends one datagram. The bytes are copied before it returns.
   *
   * @param to An endpoint of this socket; left out on a connected one.
   * @param ecn ECN bits of the IP header (IP_TOS, IPV6_TCLASS). Default 0.
   * @returns false if the kernel would not take it now: nothing was sent, and
   * the `drain` handler is called when it will.
   * @throws {TunTapError} if the kernel refuses it: `EMSGSIZE`, `ENETUNREACH`, `EPERM`; `ERR_TUNTAP_CLOSED`
   */
  send(datagram: FrameSource, to?: Endpoint, ecn?: Ecn): boolean;
  /**
   * Sends datagrams, to each peer in order. Those of equal size to one peer,
   * and a shorter one behind them, go as one super-datagram, whoever those
   * between them go to; all of them take few system calls. Of datagrams to
   * several peers, some of the first ones may wait in copies, and go before
   * anything else, where the kernel stops taking them half-way.
   *
   * @param to An endpoint of this socket for all of them, or an array with one
   * for each; left out on a connected one.
   * @param ecn ECN bits of their IP headers, as of {@link send}.
   * @returns how many of the first ones have been dealt with: taken by the
   * kernel, or refused for good, which is counted, and told to the `error`
   * handler once. Fewer than given means that `drain` follows.
   * @throws {TypeError} If one of them is no datagram, or one of `to` no endpoint: none was sent then.
   * @throws {RangeError} if there are more or fewer endpoints than datagrams
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
   */
  sendMany(datagrams: readonly FrameSource[], to?: Endpoint | readonly Endpoint[], ecn?: Ecn): number;
  /** Iterates over what comes, until the socket is closed: runs of datagrams of one sender, in order. */
  batches(): AsyncIterableIterator<DatagramRun>;
  /** Returns what passed through this socket, and what did not. */
  counters(): UdpCounters;
  /**
   * Shows `observer` each datagram that passes, until it is disposed of; any
   * number may look. Receives nothing by itself. See `bun-tuntap/capture`.
   *
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED`
   */
  observe(observer: DatagramObserver): Disposable;
  /** Keeps the process alive while the socket is open: the default. */
  ref(): void;
  /** Lets the process end although the socket is open. */
  unref(): void;
  /** Ends every pending receive and iteration, and closes the fd. Does nothing the second time. */
  close(): void;
}
