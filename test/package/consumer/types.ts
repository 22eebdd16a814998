/**
 * What a project's type checker sees of bun-tuntap: every type, and that
 * mistakes are found. Only checked, never run. The test copies it out of the
 * tree, where the two paths below are the package's names.
 */
import {
  type Capture,
  type CaptureDirection,
  type CapturedFrame,
  type CaptureInterface,
  type CaptureOptions,
  type CaptureSource,
  type CaptureStats,
  type CaptureTarget,
  capture,
  type FileRing,
  type FrameToBuild,
  parseCapture,
  type StandardOutput,
} from "../../../src/capture/index.ts";
import {
  type Address,
  type AddressLike,
  type AddressSettings,
  type AdoptOptions,
  addRule,
  adopt,
  type Device,
  type DeviceCounters,
  type DeviceInterface,
  type DeviceOptions,
  type Direction,
  type FrameObserver,
  type FrameSource,
  type Handlers,
  type HandOverOptions,
  handOver,
  type InterfaceInfo,
  type LinkChange,
  type LinkFlags,
  type LinkStats,
  listDevices,
  listRules,
  type NetnsLike,
  type OffloadInfo,
  type OffloadOptions,
  type OpenOptions,
  openTap,
  openTun,
  type Peer,
  type ProbeCheck,
  type ProbedBun,
  type ProbedNode,
  type ProbedShim,
  type ProbedSystem,
  type ProbedUser,
  type ProbedWaker,
  type ProbeFacts,
  type ProbeFailure,
  type ProbeGroup,
  type ProbeReport,
  type ProbeTrial,
  probe,
  type Queue,
  type RefusalCause,
  type Relay,
  type RelayEnd,
  type RelayedCounters,
  type RelayOptions,
  type Route,
  type RouteLike,
  type RouteProtocol,
  type RouteSettings,
  type Rule,
  type RuleAction,
  type RuleSettings,
  relay,
  removeRule,
  type Scope,
  type SuperPacketKind,
  type Tap,
  type Tun,
  TunTapError,
  type TunTapErrorCode,
  type TunTapErrorDetails,
  type TxFilterOptions,
  takeOver,
  type UdpPeer,
} from "../../../src/index.ts";
import {
  type BurstLoss,
  createLab,
  type Delayed,
  type DirectionStats,
  type Host,
  type HostOptions,
  type Impairments,
  type Interceptor,
  isolate,
  type Lab,
  type LabLinkStats,
  type LabOptions,
  type Link,
  type LinkDirection,
  type LinkImpairments,
  type LinkOptions,
  labObstacle,
  type PingOptions,
  type SpawnOptions,
  type Switch,
  type SwitchOptions,
  type Verdict,
  type WithLabOptions,
  withLab,
} from "../../../src/lab/index.ts";
import {
  type ArpFields,
  type ArpMessage,
  type Checksums,
  type EthernetFields,
  type EthernetFrame,
  type EthernetHeader,
  type FrameKind,
  type GsoType,
  type IcmpEchoFields,
  type IcmpEchoMessage,
  type IcmpErrorFields,
  type IcmpFields,
  type IcmpMessage,
  type Icmpv6EchoFields,
  type Icmpv6ErrorFields,
  type Icmpv6Fields,
  type Icmpv6Message,
  type IPv4Fields,
  type IPv4Header,
  type IPv4Packet,
  type IPv6ExtensionHeader,
  type IPv6Fields,
  type IPv6Fragment,
  type IPv6Header,
  type IPv6Packet,
  type IpEnds,
  type NdFields,
  type NdOption,
  type NeighborAdvertisementFields,
  type NeighborSolicitationFields,
  type ParseOptions,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIcmpEcho,
  parseIcmpv6,
  parseIPv4,
  parseIPv6,
  parseTcp,
  parseUdp,
  parseVnetHeader,
  type RouterAdvertisementFields,
  type RouterFields,
  type TcpFields,
  type TcpOption,
  type TcpSegment,
  type UdpDatagram,
  type UdpFields,
  type VlanTag,
  type VnetHeader,
  type VnetHeaderFields,
  verifyChecksums,
} from "../../../src/packet/index.ts";
import {
  type DatagramObserver,
  type DatagramRun,
  type Ecn,
  type Endpoint,
  openUdp,
  type UdpCounters,
  type UdpHandlers,
  type UdpOptions,
  type UdpRefusalCause,
  type UdpSocket,
} from "../../../src/udp/index.ts";

/** Does not compile unless T is exactly W: `any` is not exactly anything. */
function exactly<W>() {
  return <T>(
    _: T,
    ..._same: (<X>() => X extends T ? 1 : 2) extends <X>() => X extends W ? 1 : 2 ? [] : [never]
  ): void => {};
}

export async function uses(signal: AbortSignal): Promise<void> {
  using tun = openTun({
    name: "tun0",
    signal,
    reuseBuffers: true,
    addresses: ["192.0.2.1/24", { address: "192.0.2.1", peer: "192.0.2.2" }],
    data(device, frames) {
      exactly<Tun>()(device);
      exactly<Uint8Array[]>()(frames);
    },
    drain: (device) => exactly<Tun>()(device),
    error(device, error) {
      exactly<Tun>()(device);
      exactly<TunTapError>()(error);
    },
    close(device, reason) {
      exactly<Tun>()(device);
      exactly<TunTapError | undefined>()(reason);
    },
  });
  exactly<Tun>()(tun);
  exactly<"tun">()(tun.kind);

  await using tap = openTap({
    data: (device) => exactly<Tap>()(device),
    drain: (device) => exactly<"tap">()(device.kind),
  });
  exactly<Tap>()(tap);
  const adopted = adopt(3, { closeFd: false, data: (device) => exactly<Tun | Tap>()(device) });
  exactly<Tun | Tap>()(adopted);
  if (adopted.kind === "tap") exactly<Tap>()(adopted);

  for await (const frame of tap) exactly<Uint8Array>()(frame);
  for await (const frames of tap.batches()) exactly<Uint8Array[]>()(frames);
  for await (const frame of tap.readable) exactly<Uint8Array>()(frame);
  exactly<Uint8Array | null>()(await tap.receive({ signal }));
  exactly<Uint8Array | null>()(tap.tryReceive());
  exactly<boolean>()(tap.send(new ArrayBuffer(14)));
  exactly<number>()(tap.sendMany([new Uint8Array(14), new DataView(new ArrayBuffer(14))]));
  exactly<WritableStream<FrameSource>>()(tap.writable);
  await new Response("x").body?.pipeTo(tap.writable);
  exactly<Address[]>()(tap.addresses());
  exactly<LinkStats>()(tap.stats());
  exactly<number>()(tap.stats().txDropped);
  exactly<TunTapError | undefined>()(tap.closeReason);

  exactly<Route[]>()(tun.routes());
  exactly<InterfaceInfo>()(tun.info());
  exactly<InterfaceInfo[]>()(listDevices());
  exactly<Rule[]>()(listRules({ family: 6, netns: "blue" }));
  exactly<RouteProtocol>()((listRules()[0] as Rule).protocol);
  for (const rule of listRules()) exactly<void>()(removeRule(rule));
  exactly<void>()(addRule(rule, { netns: 1 }));
  exactly<DeviceCounters>()(tun.counters());
  exactly<OffloadInfo | undefined>()(tun.offload);
  exactly<Queue>()(tun.openQueue());
  exactly<void>()(tap.addAddress("2001:db8::1/64"));
  exactly<Address>()(await tap.addAddress("2001:db8::1/64", { untilUsable: true, signal }));
  tap.setTxFilter(["02:00:5e:00:53:01"], filter);
  for await (const change of tun.changes({ signal })) {
    exactly<LinkChange>()(change);
    if (change.type === "mtu") exactly<number>()(change.mtu);
    if (change.type === "address-added") exactly<Address>()(change.address);
  }
  exactly<Peer>()(await handOver(tun, { path: "/run/tun.sock" }));
  exactly<Tun | Tap>()(await takeOver("/run/tun.sock"));
  exactly<ProbeReport>()(probe());
}

export function describe(error: unknown): string | undefined {
  if (!(error instanceof TunTapError)) return undefined;
  const code: TunTapErrorCode | (string & {}) = error.code;
  const { syscall, hint, errno }: TunTapErrorDetails = error;
  exactly<number | undefined>()(errno);
  return `${code} ${syscall} ${hint}`;
}

// Each type can be written down by itself.
export const options: OpenOptions<Tap> & DeviceOptions<Tap> & AdoptOptions<Tap> = { mtu: 1400 };
export const handlers: Handlers<Device> = { data: (device, frames) => void device.sendMany(frames) };
export const address: AddressLike = { address: "2001:db8::1/64" };
export const settings: AddressSettings = { address: "192.0.2.1/24", validLifetime: 60, scope: "link" };
export const route: RouteLike = { to: "default", via: "192.0.2.2" };
export const routeSettings: RouteSettings = { to: "198.51.100.0/24", metric: 5 };
export const action: RuleAction = "blackhole";
export const rule: RuleSettings = { from: "192.0.2.0/24", mark: 1, mask: 255, not: true, protocol: "static", action };
export const scope: Scope = "global";
export const netns: NetnsLike = "blue";
export const filter: TxFilterOptions = { allMulticast: true, broadcast: false };
export const offload: OffloadOptions = { raw: true, udp: false };
export const handOverOptions: HandOverOptions = { path: "@app", allow: ({ uid }) => uid === 0 };
export const flags = (info: InterfaceInfo): LinkFlags => info;
export const interfaceOf = (device: Tun | Tap): DeviceInterface => device;
export type Probed = ProbedBun | ProbedNode | ProbedShim | ProbedSystem | ProbedUser | ProbedWaker;
export type Probe = ProbeCheck | ProbeFacts | ProbeFailure | ProbeGroup | ProbeTrial | Probed;
export const tag: VlanTag = { vid: 5 };
export const header: EthernetHeader = {
  source: "",
  destination: new Uint8Array(6),
  etherType: 0x0800,
  vlanTags: [tag],
};
exactly<EthernetFrame>()(parseEthernet(new Uint8Array(14)));
exactly<ArpMessage>()(parseArp(new Uint8Array(28)));
exactly<IPv4Packet>()(parseIPv4(new Uint8Array(20)));
exactly<IcmpEchoMessage>()(parseIcmpEcho(new Uint8Array(8)));
exactly<VnetHeader>()(parseVnetHeader(new Uint8Array(10)));
export const gsoType: GsoType = "tcp4";
export const kind: FrameKind = "tun";
exactly<IPv6Packet>()(parseIPv6(new Uint8Array(40)));
exactly<readonly IPv6ExtensionHeader[]>()(parseIPv6(new Uint8Array(40)).extensionHeaders);
exactly<IPv6Fragment | null>()(parseIPv6(new Uint8Array(40)).fragment);
exactly<UdpDatagram>()(parseUdp(new Uint8Array(8), { truncated: true }));
exactly<TcpSegment>()(parseTcp(new Uint8Array(20)));
exactly<TcpOption[]>()(parseTcp(new Uint8Array(20)).options);
exactly<IcmpMessage>()(parseIcmp(new Uint8Array(8)));
exactly<Icmpv6Message>()(parseIcmpv6(new Uint8Array(8)));
exactly<NdOption[]>()(parseIcmpv6(new Uint8Array(8)).options);
exactly<RouterFields | null>()(parseIcmpv6(new Uint8Array(8)).routerAdvertisement);
exactly<Checksums>()(verifyChecksums(new Uint8Array(20), "tun"));
export const truncated: ParseOptions = { truncated: true };
export type Fields = VnetHeaderFields | EthernetFields | ArpFields | IPv4Fields | IPv4Header | IcmpEchoFields;
export type Fields6 = IPv6Fields | IPv6Header | IpEnds | UdpFields | TcpFields;
export type IcmpKinds = IcmpFields | IcmpErrorFields | Icmpv6Fields | Icmpv6EchoFields | Icmpv6ErrorFields;
export type NdKinds = NdFields | NeighborSolicitationFields | NeighborAdvertisementFields | RouterAdvertisementFields;

/** Each of these is a mistake; one that is no longer found fails the check. */
export function misuse(tun: Tun, tap: Tap): void {
  // @ts-expect-error: a name is text.
  openTun({ name: 5 });
  // @ts-expect-error: no such option.
  openTun({ adresses: ["192.0.2.1/24"] });
  // @ts-expect-error: an MTU is a number.
  openTap({ mtu: "1500" });
  // @ts-expect-error: frames is an array.
  openTap({ data: (_, frames) => frames.byteLength });
  // @ts-expect-error: an fd is a number.
  adopt("3");
  // @ts-expect-error: a TUN is no TAP.
  exactly<Tap>()(tun);
  // @ts-expect-error: a TAP is no TUN.
  takesTun(tap);
  // @ts-expect-error: a name is changed by rename().
  tun.name = "tun1";
  // @ts-expect-error: a frame is bytes, not text.
  tun.send("frame");
  // @ts-expect-error: sendMany() takes several frames.
  tun.sendMany(new Uint8Array(20));
  // @ts-expect-error: a frame may be null once the device is closed.
  void tun.receive().then((frame) => frame.length);
  // @ts-expect-error: counters are numbers, and do not mix with bigint.
  void (tun.stats().rxBytes + 1n);
  // @ts-expect-error: devices are made by openTun(), openTap() and adopt().
  void import("../../../src/index.ts").then((all) => all.TunTapDevice);
  // @ts-expect-error: a filter is a TAP's.
  tun.setTxFilter(null);
  // @ts-expect-error: no such member.
  tun.addRoute({ to: "default", gateway: "192.0.2.2" });
  // @ts-expect-error: not an address.
  tun.addAddress(["192.0.2.1/24"]);
  // @ts-expect-error: the frame first.
  parseEthernet();
  // @ts-expect-error: a view has no setters.
  parseIPv4(new Uint8Array(20)).ttl = 5;
}

export function captures(tun: Tun, target: CaptureTarget, ring: FileRing, observer: FrameObserver): void {
  const options: CaptureOptions = { files: ring, snapLength: 100, direction: "received" satisfies Direction };
  exactly<Capture>()(capture(tun, target, options));
  exactly<CaptureStats>()(capture(tun, "file").stats());
  exactly<Disposable>()(tun.observe(observer));
  for (const frame of parseCapture(new Uint8Array(0))) {
    exactly<CapturedFrame>()(frame);
    exactly<CaptureDirection | undefined>()(frame.direction);
    exactly<CaptureInterface>()(frame.interface);
  }
}
export type Built = FrameToBuild;

export function datagrams(observer: DatagramObserver, options: UdpOptions): void {
  const socket = openUdp({ ...options, data: (self, list, from) => void self.sendMany(list, from) });
  exactly<UdpSocket>()(socket);
  exactly<Endpoint>()(socket.endpoint("192.0.2.1", 51820));
  exactly<AsyncIterableIterator<DatagramRun>>()(socket.batches());
  exactly<UdpCounters>()(socket.counters());
  exactly<Disposable>()(socket.observe(observer));
  exactly<boolean>()(socket.send(new ArrayBuffer(1)));
  const marked: Required<Pick<UdpHandlers, "data">> = {
    data: (self, list, from, ecn) => void self.sendMany(list, from, ecn satisfies Ecn),
  };
  exactly<UdpSocket>()(openUdp({ ...marked, ecn: true }));
  // @ts-expect-error: there are two bits.
  socket.sendMany([], undefined, 4);
  // @ts-expect-error: an endpoint is made by endpoint().
  socket.endpoint("192.0.2.1", 51820).port = 5;
  // @ts-expect-error: a port is a number.
  openUdp({ port: "51820" });
}
export const outputs: readonly StandardOutput[] = [process.stdout, Bun.stdout];
export const capturesBoth = (source: CaptureSource): Capture => capture(source, "file");

export function joins(tun: Tun, socket: UdpSocket, peer: UdpPeer, options: RelayOptions): void {
  exactly<Relay>()(relay(tun, socket, options));
  exactly<RelayedCounters>()(relay(tun, peer, { full: "drop", back: (frames) => frames }).counters().forward);
  // @ts-expect-error: a transform returns frames.
  relay(tun, socket, { forward: () => {} });
}
export type End = RelayEnd;
export type UdpParts = UdpHandlers | UdpRefusalCause | FrameSource;

export function tellsWhatIsOff(tun: Tun): void {
  exactly<Readonly<Record<RefusalCause, number>>>()(tun.counters().refusedBy);
  exactly<readonly SuperPacketKind[] | undefined>()(tun.offload?.disabled);
}

export async function labs(options: LabOptions, linked: LinkOptions, impairments: LinkImpairments): Promise<void> {
  exactly<string | undefined>()(labObstacle());
  exactly<void>()(isolate());
  await using lab = await createLab(options);
  exactly<Lab>()(lab);
  const [a, b] = [lab.host("a", {} satisfies HostOptions), lab.router("b")];
  exactly<Host>()(a);
  const link = lab.link(a, b, linked);
  exactly<Link>()(link);
  exactly<LabLinkStats>()(link.stats());
  exactly<DirectionStats>()(link.stats().back);
  exactly<Switch>()(lab.switch([a, b], impairments, {} satisfies SwitchOptions));
  exactly<number | null>()(await a.ping(b, {} satisfies PingOptions));
  exactly<number>()(a.enter(() => 5));
  exactly<ReadableStream<Uint8Array<ArrayBuffer>>>()(a.spawn(["true"]).stdout);
  exactly<() => Promise<void>>()(withLab({} satisfies WithLabOptions, () => {}));
  const interceptor: Interceptor = (frame: Uint8Array, { way }: LinkDirection): Verdict =>
    way === "back" ? [frame, { delay: 5 } satisfies Delayed] : "drop";
  exactly<Disposable>()(link.intercept(interceptor));
  // @ts-expect-error: an interceptor decides now.
  link.intercept(async () => "drop");
  // @ts-expect-error: a chance is a number.
  link.update({ loss: "5%" });
}
export type LabParts = BurstLoss | Impairments | SpawnOptions<"pipe", "pipe", "pipe">;

declare function takesTun(tun: Tun): void;
