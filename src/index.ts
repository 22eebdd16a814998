export { deleteDevice, listDevices } from "./devices.ts";
export type { TunTapErrorCode, TunTapErrorDetails } from "./errors.ts";
export { TunTapError } from "./errors.ts";
export type { TxFilterOptions } from "./filters.ts";
export type { HandOverOptions, Peer } from "./handover.ts";
export { handOver, takeOver } from "./handover.ts";
export type {
  Address,
  AddressLike,
  AddressSettings,
  DeviceCounters,
  InterfaceInfo,
  LinkChange,
  LinkFlags,
  LinkStats,
  NetnsLike,
  Route,
  RouteLike,
  RouteSettings,
  Scope,
} from "./link-types.ts";
export { adopt, openTap, openTun } from "./open.ts";
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
} from "./probe.ts";
export { probe } from "./probe.ts";
export type {
  AdoptOptions,
  Device,
  DeviceOptions,
  FrameSource,
  Handlers,
  OffloadInfo,
  OffloadOptions,
  OpenOptions,
  Queue,
  Tap,
  TapObserver,
  Tun,
} from "./types.ts";
