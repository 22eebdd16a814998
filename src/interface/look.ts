/** Looks at an interface by its name, without being attached to it: for programs that hold no device. */

import { systemError } from "../errors.ts";
import { addressDumpBody, decodeAddress } from "../netlink/address.ts";
import { RTM_GETADDR, RTM_GETROUTE } from "../netlink/constants.ts";
import type { LinkInfo } from "../netlink/link.ts";
import { routeDumpAttributes } from "../netlink/route.ts";
import type { RouteSocket } from "../netlink/socket.ts";
import type { Address, Route } from "../netlink/types.ts";
import { ENODEV } from "../sys/constants.ts";
import { checkName } from "./checks.ts";
import { findLink } from "./client.ts";
import { withRouteSocket } from "./route-socket.ts";
import { routesThrough } from "./routes.ts";

/** Finds an interface by its name. @throws {TunTapError} `ENODEV` if there is none */
export function requireLink(socket: RouteSocket, name: string): LinkInfo {
  const link = findLink(socket, name);
  if (link !== undefined) return link;
  throw systemError(-ENODEV, "netlink(RTM_GETLINK)", {
    detail: name,
    hint: "no interface has that name here; `bun-tuntap list` and listDevices() have the TUN and TAP interfaces",
  });
}

/** Lists the unicast routes through any interface of this network namespace. @throws {TunTapError} `ENODEV` if there is none */
export function routesOf(name: string): Route[] {
  checkName(name, false);
  return withRouteSocket(undefined, (socket) => {
    const { index } = requireLink(socket, name);
    const attributes = routeDumpAttributes(index);
    return routesThrough(index, (body) => socket.dump("RTM_GETROUTE", RTM_GETROUTE, body, attributes)).map(
      ({ route }) => route,
    );
  });
}

/** Lists the addresses of all interfaces of this network namespace, by the index of the interface. */
export function addressesByIndex(): Map<number, Address[]> {
  return withRouteSocket(undefined, (socket) => {
    const found = addressesIn(socket, 0);
    return new Map(
      [...Map.groupBy(found, ({ index }) => index)].map(([index, list]) => [index, list.map(({ address }) => address)]),
    );
  });
}

/** Lists addresses in the namespace of the socket: of one interface, or of all for the index 0. */
export function addressesIn(socket: RouteSocket, index: number): { index: number; address: Address }[] {
  return (
    socket
      .dump("RTM_GETADDR", RTM_GETADDR, addressDumpBody(index))
      .map(({ body }) => decodeAddress(body))
      .filter((found) => found !== null)
      // Kernels before 4.20 know no filter and list every interface.
      .filter((found) => index === 0 || found.index === index)
  );
}
