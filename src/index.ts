export type { TunTapErrorCode, TunTapErrorDetails } from "./errors";
export { TunTapError } from "./errors";
export { adopt, openTap, openTun } from "./open";
export type {
  Address,
  AddressLike,
  AdoptOptions,
  Device,
  DeviceOptions,
  FrameSource,
  Handlers,
  LinkStats,
  OpenOptions,
  Tap,
  Tun,
} from "./types";
