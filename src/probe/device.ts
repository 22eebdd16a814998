import { DEFAULT_PATH } from "../device/options.ts";
import { enteringHint } from "../hints.ts";
import type { Kind } from "../interface/checks.ts";
import { listDevices } from "../interface/list.ts";
import { tryOrUndefined } from "../rollback.ts";
import { IFF_NO_PI, IFF_TAP, IFF_TUN, IFF_VNET_HDR } from "../sys/constants.ts";
import { NEW_NETNS, openClone } from "../sys/netns.ts";
import { closeFd, getFeatures, setIff, setPersist } from "../sys/tun.ts";
import { namedFeatures, tryOffloads } from "./driver.ts";
import type { ProbeFacts, ProbeTrial } from "./report.ts";
import { PROBE_NAME, trial, untried } from "./trial.ts";
import { openNamespaceOf } from "./user.ts";

type DeviceFacts = Pick<ProbeFacts, "tun" | "tap" | "features" | "offloads">;

/** Facts about devices if none could be tried. */
export const nothingTried: DeviceFacts = { tun: untried, tap: untried, features: null, offloads: null };

/** Runs `use` with an fd of a new network namespace, or undefined if none can be made. */
export function inThrowaway<T>(use: (netns: number | undefined, made: ProbeTrial) => T): T {
  let netns: number | undefined;
  const made = explainMaking(
    trial(() => {
      netns = openNamespaceOf(NEW_NETNS);
    }),
  );
  try {
    return use(netns, made);
  } finally {
    if (netns !== undefined) closeFd(netns);
  }
}

/** Adds a hint to a failure: making a namespace takes another capability than making an interface. */
function explainMaking({ works, failure }: ProbeTrial): ProbeTrial {
  if (failure?.code !== "EPERM" || failure.syscall !== "unshare(CLONE_NEWNET)") return { works, failure };
  return { works, failure: { ...failure, hint: enteringHint } };
}

/**
 * Makes an interface of each kind in `netns`, which must be a namespace of {@link inThrowaway}, or here, and closes
 * it. It stays down, so nothing is sent through it.
 */
export function tryDevices(netns: number | undefined): DeviceFacts {
  let found: Pick<DeviceFacts, "features" | "offloads"> = { features: null, offloads: null };
  const tun = tryKind("tun", netns, (fd, attach) => {
    const bits = getFeatures(fd);
    found = { features: namedFeatures(bits), offloads: null };
    // Offloads come with virtio headers, and need no further privilege.
    const headers = bits & IFF_VNET_HDR;
    attach(headers);
    found = { ...found, offloads: headers === 0 ? null : tryOffloads(fd) };
  });
  return { tun, tap: tryKind("tap", netns, (_fd, attach) => attach(0)), ...found };
}

function tryKind(
  kind: Kind,
  netns: number | undefined,
  use: (fd: number, attach: (moreFlags: number) => void) => void,
): ProbeTrial {
  return trial(() => {
    const fd = openClone(DEFAULT_PATH, netns);
    try {
      use(fd, (flags) => void setIff(fd, PROBE_NAME, (kind === "tun" ? IFF_TUN : IFF_TAP) | IFF_NO_PI | flags));
    } finally {
      // Taking an interface away waits 20 to 40 ms for RCU (synchronize_net()). The end of a namespace does it in the background.
      if (netns !== undefined) tryOrUndefined(() => setPersist(fd, true));
      closeFd(fd);
    }
  }, kind);
}

/** Lists interfaces that belong to this user or one of their groups: drivers/net/tun.c tun_not_capable(). */
export function attachable(): string[] {
  const uid = process.geteuid?.();
  const groups = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
  const isOurs = (owner: number | undefined, group: number | undefined): boolean =>
    (owner !== undefined || group !== undefined) &&
    (owner === undefined || owner === uid) &&
    (group === undefined || groups.includes(group));
  const devices = tryOrUndefined(() => listDevices()) ?? [];
  return devices.filter(({ owner, group }) => isOurs(owner, group)).map(({ name }) => name);
}
