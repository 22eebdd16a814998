import { tryOrUndefined } from "../rollback.ts";
import type { LabHost } from "./host.ts";
import type { Link, Switch } from "./types.ts";

/** Makes the router among two neighbours the default route of the other one, unless it has one, or both are routers. */
export function setDefaultRoutes(one: LabHost, other: LabHost): void {
  if (one.isRouter === other.isRouter) return;
  const [host, router] = one.isRouter ? [other, one] : [one, other];
  if (host.hasDefaultRoute) return;
  host.route("default", router);
  if (host.hasIPv6 && router.hasIPv6) host.route("::/0", router);
}

/** Tells whether a host has an interface on a link or switch. */
export function isOn(host: LabHost, network: Link | Switch): boolean {
  return tryOrUndefined(() => host.addressOn(network)) !== undefined;
}
