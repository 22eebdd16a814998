export { createLab } from "./lab.ts";
export { isolate, labObstacle } from "./namespace.ts";
export type {
  BurstLoss,
  Delayed,
  DirectionStats,
  Host,
  HostOptions,
  Impairments,
  Interceptor,
  Lab,
  LabLinkStats,
  LabOptions,
  Link,
  LinkDirection,
  LinkImpairments,
  LinkOptions,
  PingOptions,
  SpawnOptions,
  Switch,
  SwitchOptions,
  Verdict,
} from "./types.ts";
export { type WithLabOptions, withLab } from "./with-lab.ts";
