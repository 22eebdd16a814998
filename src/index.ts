export type { TunTapErrorCode, TunTapErrorDetails } from "./errors.ts";
export { TunTapError } from "./errors.ts";
export { adopt, openTap, openTun } from "./open.ts";
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
} from "./types.ts";
