import { check, TunTapError } from "../errors.ts";
import { hasCapability } from "../hints.ts";
import { CAP_NET_ADMIN, CAP_SYS_ADMIN } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { openRouteSocket, tryUserNamespace } from "../sys/netns.ts";
import { closeFd } from "../sys/tun.ts";
import type { ProbedUser, ProbeTrial } from "./report.ts";
import { read } from "./system.ts";
import { failureOf, trial, untried } from "./trial.ts";
import { userNamespaceFailure } from "./user-namespaces.ts";

type Kernel = Pick<ProbedUser, "netAdmin" | "networkNamespaces" | "userNamespaces">;

/** @param networkNamespaces Whether one could be made; untried without the shim. */
export function probeUser(compiled: boolean, networkNamespaces: ProbeTrial): ProbedUser {
  const capabilities = effectiveCapabilities();
  const asked: Kernel = compiled
    ? { netAdmin: tryNetAdmin(), networkNamespaces, userNamespaces: tryUserNamespaces() }
    : { netAdmin: withoutKernel(capabilities.netAdmin), networkNamespaces, userNamespaces: untried };
  return {
    uid: process.geteuid?.() ?? null,
    capabilities,
    initialUserNamespace: isInitialUserNamespace(read("/proc/self/uid_map")),
    ...asked,
  };
}

function effectiveCapabilities(): ProbedUser["capabilities"] {
  return { netAdmin: hasCapability(CAP_NET_ADMIN), sysAdmin: hasCapability(CAP_SYS_ADMIN) };
}

/** Tells whether a map is that of the initial user namespace, which maps all ids to themselves (user_namespaces(7)). */
export function isInitialUserNamespace(uidMap: string | undefined): boolean | null {
  return uidMap === undefined ? null : /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
}

/**
 * Opens the network namespace of a socket in `netns`, or here. SIOCGSKNS needs CAP_NET_ADMIN over the namespace, as
 * making an interface does, and changes nothing (net/socket.c sock_ioctl()).
 */
export function openNamespaceOf(netns?: number): number {
  const socket = openRouteSocket(netns);
  try {
    return check(native().sock_get_netns(socket), "ioctl(SIOCGSKNS)");
  } finally {
    closeFd(socket);
  }
}

/** Tries a socket to rtnetlink, which every device needs. */
export function tryRouteSocket(): ProbeTrial {
  return trial(() => closeFd(openRouteSocket()));
}

function tryNetAdmin(): ProbeTrial {
  const tried = trial(() => closeFd(openNamespaceOf()));
  // Kernels before 4.10 and imitations of Linux lack the call, so its failure proves nothing.
  return tried.works === false && tried.failure?.code !== "EPERM" ? untried : tried;
}

function withoutKernel(effective: boolean): ProbeTrial {
  if (effective) return untried;
  const error = new TunTapError("EPERM", "CAP_NET_ADMIN is not effective", { errno: -1 });
  return { works: false, failure: failureOf(error) };
}

function tryUserNamespaces(): ProbeTrial {
  const failure = userNamespaceFailure(tryUserNamespace(), {
    privileged: effectiveCapabilities().sysAdmin,
    cloneAllowed: read("/proc/sys/kernel/unprivileged_userns_clone")?.trim() !== "0",
    appArmorRestricts: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")?.trim() === "1",
  });
  return { works: failure === null, failure };
}
