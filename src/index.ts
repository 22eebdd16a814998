export { adopt } from "./device/adopt.ts";
export type { DeviceInterface, Queue } from "./device/interface-types.ts";
export { openTap, openTun } from "./device/open.ts";
export type { AdoptOptions, DeviceOptions, Handlers, OpenOptions } from "./device/option-types.ts";
export type { Device, Tap, Tun } from "./device/types.ts";
export type { TunTapErrorCode, TunTapErrorDetails } from "./errors.ts";
export { TunTapError } from "./errors.ts";
export { handOver, takeOver } from "./handover/index.ts";
export type { HandOverOptions, Peer } from "./handover/types.ts";
export { deleteDevice, listDevices } from "./interface/list.ts";
export { addRule, listRules, removeRule } from "./interface/rules.ts";
export type { LinkChange, NetnsLike, TxFilterOptions } from "./interface/types.ts";
export type {
  DeviceCounters,
  Direction,
  FrameObserver,
  FrameSource,
  OffloadInfo,
  OffloadOptions,
  RefusalCause,
  SuperPacketKind,
} from "./io/types.ts";
export type {
  Address,
  AddressLike,
  AddressSettings,
  InterfaceInfo,
  LinkFlags,
  LinkStats,
  Route,
  RouteLike,
  RouteProtocol,
  RouteSettings,
  Rule,
  RuleAction,
  RuleSettings,
  Scope,
} from "./netlink/types.ts";
export { probe } from "./probe/index.ts";
export type {
  ProbeCheck,
  ProbedBun,
  ProbedNode,
  ProbedShim,
  ProbedSystem,
  ProbedUser,
  ProbedWaker,
  ProbeFacts,
  ProbeFailure,
  ProbeGroup,
  ProbeReport,
  ProbeTrial,
} from "./probe/report.ts";
export { relay } from "./relay/index.ts";
export type { Relay, RelayEnd, RelayedCounters, RelayOptions, UdpPeer } from "./relay/types.ts";
