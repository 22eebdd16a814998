import type { Capture, CaptureOptions } from "../capture/index.ts";
import type { RouteLike } from "../index.ts";

/** Loss in bursts, after Gilbert and Elliott: a chain of two states, which moves once a frame. */
export interface BurstLoss {
  /** Chance to go from the good state into the bad one, 0 to 1. */
  enter: number;
  /** Chance to go back, 0 to 1: a burst has 1 / `leave` frames on average. */
  leave: number;
  /** Chance to lose a frame in the good state. Default 0. */
  lossInGood?: number;
  /** Chance to lose one in the bad state. Default 1. */
  lossInBad?: number;
}

/**
 * Impairments of one direction of a link. Frames pass the bottleneck (`rate`,
 * `queue`) first, and then the wire, on which they are lost, damaged, doubled
 * and late. ARP, IPv6 neighbour discovery, IGMP and MLD are exempt from chance:
 * they would not cross the path that a link stands for, and the kernel sends
 * them when it likes.
 */
export interface Impairments {
  /** Milliseconds that each frame is under way, with fractions: 0.25 is 250 µs. Default 0. */
  delay?: number;
  /** Milliseconds that the delay varies by, evenly, up and down. The order of frames stays. Default 0. */
  jitter?: number;
  /** Chance to lose a frame, 0 to 1, or loss in bursts. Default 0. */
  loss?: number | BurstLoss;
  /** Chance to deliver a frame twice, 0 to 1. Default 0. */
  duplicate?: number;
  /** Chance that one to three frames overtake a frame, 0 to 1; it follows 250 ms later where none comes. Default 0. */
  reorder?: number;
  /** Chance that one bit of the packet is flipped, 0 to 1. Default 0. */
  corrupt?: number;
  /** Bit/s of frames with their Ethernet header. Default Infinity. */
  rate?: number;
  /** Bytes that may wait for the rate; what finds no room is dropped. Default: 100 ms of the rate, 64 KiB at least. */
  queue?: number;
  /** Longest IP packet in bytes; longer ones vanish in silence, as in a black hole. Default: all pass. */
  mtu?: number;
}

/** Impairments of both directions, and in `forward` and `back` of one alone. */
export interface LinkImpairments extends Impairments {
  /** From the first host to the second, or from a switch's host to the switch. */
  forward?: Impairments;
  /** From the second host to the first, or from the switch to its host. */
  back?: Impairments;
}

/** Options of {@link Lab.link}. */
export interface LinkOptions extends LinkImpairments {
  /** Default: the names of the hosts, "client-server". All chance comes from the lab's seed and this name. */
  name?: string;
  /** The network of the link, "192.0.2.0/30": the first host has the first address. Default: the next documentation prefix. */
  subnet?: string;
  /** The IPv6 counterpart, "2001:db8:1::/64". */
  subnet6?: string;
  /** MTU of the interfaces at both ends, 1280 to 65521. Default 1500. */
  interfaceMtu?: number;
}

/** The direction in which a frame passes. */
export interface LinkDirection {
  /** "forward" is from the first host to the second, or from the host to its switch. */
  readonly way: "forward" | "back";
  /** The name of the host or switch that sent the frame. */
  readonly from: string;
  /** The name of the one that is to get it. */
  readonly to: string;
}

/** A frame to deliver in place of another one, later. */
export interface Delayed {
  /** Default: the frame as it is. */
  readonly frame?: Uint8Array;
  /** Milliseconds beyond the delay of the link. */
  readonly delay: number;
}

/**
 * An interceptor's verdict: undefined or "pass", "drop", a frame in place of
 * this one, a delay, or a list of frames and delays (an empty one drops).
 */
export type Verdict = undefined | "pass" | "drop" | Uint8Array | Delayed | readonly (Uint8Array | Delayed)[];

/** Decides about each frame before the impairments do. The frame is valid until it returns, and may be changed in place. */
export type Interceptor = (frame: Uint8Array, direction: LinkDirection) => Verdict;

/** Counters of one direction. */
export interface DirectionStats {
  /** Frames that the sender sent. */
  readonly frames: number;
  /** Bytes of these frames. */
  readonly bytes: number;
  /** Frames that were delivered, duplicates included. */
  readonly delivered: number;
  /** Bytes of these frames. */
  readonly deliveredBytes: number;
  /** Frames that chance has lost. */
  readonly lost: number;
  /** Frames that chance has delivered twice. */
  readonly duplicated: number;
  /** Frames that chance has delivered late. */
  readonly reordered: number;
  /** Frames that chance has damaged. */
  readonly corrupted: number;
  /** Frames that the bottleneck's queue had no room for. */
  readonly queueDropped: number;
  /** Packets longer than `mtu`. */
  readonly tooLong: number;
  /** Frames that met a cut link. */
  readonly cut: number;
  /** Frames that an interceptor dropped. */
  readonly intercepted: number;
  /** Frames that the receiving interface did not take: it was down or gone, or its queue full. */
  readonly refused: number;
  /** Frames under way now. */
  readonly waiting: number;
  /** Bytes of these frames. */
  readonly waitingBytes: number;
}

/** Counters of a link. */
export interface LabLinkStats {
  /** From the first end to the second. */
  readonly forward: DirectionStats;
  /** From the second end to the first. */
  readonly back: DirectionStats;
}

/** A link between two hosts, or between a host and a switch. */
export interface Link extends Disposable {
  /** The name of the link, which its captures bear. */
  readonly name: string;
  /** The names of its two ends. */
  readonly ends: readonly [string, string];
  /** Tells whether the link is closed. */
  readonly closed: boolean;
  /** Changes some impairments, and leaves the others. Frames under way stay as they were decided. */
  update(impairments: LinkImpairments): void;
  /**
   * Loses every frame from now on, also those under way, until {@link restore}.
   *
   * @param options.carrier true: the interfaces lose their carrier, as if the cable were pulled out at both ends
   */
  cut(options?: { carrier?: boolean }): void;
  /** Ends a {@link cut}. */
  restore(): void;
  /** Tells whether the link is cut. */
  readonly isCut: boolean;
  /**
   * Shows each frame to `interceptor`, which decides about it. Several are asked
   * in order. One that throws, or returns no verdict, lets the frame pass, and
   * the error reaches the lab's `error` option, or is an uncaught exception.
   */
  intercept(interceptor: Interceptor): Disposable;
  /**
   * Writes what the first host sends and gets to a pcapng file, until the
   * capture or the link is closed. Resolves once the file is open.
   *
   * @param options.host the name of the host whose side is captured
   */
  capture(path: string, options?: CaptureOptions & { host?: string }): Promise<Capture>;
  /** Returns the counters of both directions. */
  stats(): LabLinkStats;
  /** Takes the link and its interfaces away. */
  close(): void;
}

/** Options of {@link Lab.host}. */
export interface HostOptions {
  /** The address on the host's first network, with prefix length: "192.0.2.10/24". Default: the next one of the network. */
  address?: string;
  /** The IPv6 counterpart. */
  address6?: string;
}

/** Options of {@link Host.ping}. */
export interface PingOptions {
  /** Milliseconds to wait for the answer. Default 1000. */
  timeout?: number;
  /** Bytes of payload, 16 to 65,000. Default 56. */
  size?: number;
}

/** Options of {@link Host.spawn}: those of `Bun.spawn`. */
export type SpawnOptions<
  In extends Bun.SpawnOptions.Writable,
  Out extends Bun.SpawnOptions.Readable,
  Err extends Bun.SpawnOptions.Readable,
> = Bun.SpawnOptions.OptionsObject<In, Out, Err>;

/** A host: a network namespace with loopback up, and nothing else until it is linked. */
export interface Host extends Disposable {
  /** The name of the host. */
  readonly name: string;
  /** IPv4 address on the first network. @throws {TunTapError} `EADDRNOTAVAIL` before there is one. */
  readonly address: string;
  /** IPv6 address on the first network. */
  readonly address6: string;
  /** Addresses on a link or switch of this host. */
  addressOn(network: Link | Switch): {
    /** IPv4 address there. */
    readonly address: string;
    /** IPv6 address there. */
    readonly address6: string;
  };
  /** Path of the namespace, for the `netns` option of this library and for `nsenter --net=`. */
  readonly netns: string;
  /** Addresses of all hosts as environment variables, for spawned programs: `LAB_SERVER`, `LAB_WEB_16` (the IPv6 one of "web-1"). */
  readonly environment: Readonly<Record<string, string>>;
  /** Tells whether the host is closed. */
  readonly closed: boolean;
  /** Runs a program on this host: `Bun.spawn`, in its namespace. It is killed with the host. */
  spawn<
    const In extends Bun.SpawnOptions.Writable = "ignore",
    const Out extends Bun.SpawnOptions.Readable = "pipe",
    const Err extends Bun.SpawnOptions.Readable = "inherit",
  >(command: string[], options?: SpawnOptions<In, Out, Err>): Bun.Subprocess<In, Out, Err>;
  /** Starts a Worker whose thread lives on this host. It is terminated with the host. `fetch` there is not the host's: see docs/lab.md. */
  worker(module: string | URL, options?: WorkerOptions): Worker;
  /**
   * Calls `use` with this thread on the host, and comes back, also if it throws.
   * Sockets that it makes belong to the host for good.
   *
   * @throws {TypeError} for an async function: this thread would have left the host at its first `await`
   */
  enter<T>(use: () => T): T;
  /**
   * Sends one ICMP echo request from this host.
   *
   * @param to a host, or an IPv4 or IPv6 address
   * @returns milliseconds until the answer, or null if none came in time
   * @throws {TunTapError} `ERR_TUNTAP_CLOSED` if this host, or the lab, is closed meanwhile
   */
  ping(to: Host | string, options?: PingOptions): Promise<number | null>;
  /** Adds a route: `host.route("default", router)`, or with a gateway's address. */
  route(to: RouteLike, via?: Host | string): void;
  /** Takes the host away, with its programs and links. */
  close(): void;
}

/** Options of {@link Lab.switch}. */
export interface SwitchOptions {
  /** Default "switch", "switch-2", … */
  name?: string;
  /** The network of its hosts. Default: the next documentation prefix, with room for 253 hosts. */
  subnet?: string;
  /** The IPv6 network of its hosts. Default: the next documentation prefix. */
  subnet6?: string;
  /** MTU of the interfaces, 1280 to 65521. Default 1500. */
  interfaceMtu?: number;
}

/** A learning switch. Each port is a link of its own, between a host and the switch. */
export interface Switch extends Disposable {
  /** The name of the switch. */
  readonly name: string;
  /** Tells whether the switch is closed. */
  readonly closed: boolean;
  /** Joins a host to the switch. */
  attach(host: Host, impairments?: LinkImpairments): Link;
  /** The port of a host that is attached. */
  port(host: Host): Link;
  /** Takes the switch and its links away. The hosts stay. */
  close(): void;
}

/** Options of {@link createLab}. */
export interface LabOptions {
  /** The seed of all chance, 0 to 4294967295. Default: that of BUN_TUNTAP_LAB_SEED, or one by chance, which `lab.seed` tells. */
  seed?: number;
  /** Gets what an interceptor throws. Default: an uncaught exception, which fails a test. */
  error?(error: unknown): void;
}

/** A network of hosts that lives in this process, and goes with it. */
export interface Lab extends Disposable, AsyncDisposable {
  /** The seed of all chance in the lab: the same seed gives the same fates. */
  readonly seed: number;
  /** Tells whether the lab is closed. */
  readonly closed: boolean;
  /** Makes a host: a network namespace of its own. */
  host(name: string, options?: HostOptions): Host;
  /** A host that forwards packets between its networks. Hosts that are linked to it have it as their default route. */
  router(name: string, options?: HostOptions): Host;
  /** Links two hosts. */
  link(a: Host, b: Host, options?: LinkOptions): Link;
  /** Makes a switch, to which any number of hosts are attached. */
  switch(hosts?: readonly Host[], impairments?: LinkImpairments, options?: SwitchOptions): Switch;
  /**
   * Writes each link's last frames (`LINK.pcapng`, `LINK.txt`) and each host's
   * state (`HOST.json`), and `lab.json` with the seed and all counters.
   */
  dump(folder: string): Promise<void>;
  /** Takes everything away. Idempotent. Resolves when the interfaces are gone and the programs dead. */
  close(): Promise<void>;
}
