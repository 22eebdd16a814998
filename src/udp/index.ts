export type { FrameSource } from "../io/types.ts";
export { openUdp } from "./open.ts";
export type {
  DatagramObserver,
  DatagramRun,
  Ecn,
  Endpoint,
  UdpCounters,
  UdpHandlers,
  UdpOptions,
  UdpRefusalCause,
  UdpSocket,
} from "./types.ts";
