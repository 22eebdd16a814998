import type { Kind, Sample, Setting } from "./kind.ts";
import { tcpKind } from "./tcp.ts";

/** As TCP through a relay, which here is both ends of a VPN. */
export const vpnKind: Kind = {
  ...tcpKind,
  measure: ({ programs, ...setting }: Setting): Promise<Sample> =>
    tcpKind.measure({ ...setting, programs: { ...programs, relay: { ...programs.relay, ours: programs.vpn } } }),
};
