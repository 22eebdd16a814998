import { TunTapError } from "../errors.ts";
import { lazy } from "../lazy.ts";
import { RTM_DELLINK, RTM_GETLINK } from "../netlink/constants.ts";
import { decodeLink, linkBody } from "../netlink/link.ts";
import type { InterfaceInfo } from "../netlink/types.ts";
import { checkName } from "./checks.ts";
import type { NetnsLike } from "./types.ts";

/**
 * Lists every TUN and TAP interface of a network namespace, whoever made it and whether or not an fd is attached.
 * Needs no privilege for the namespace of this thread.
 *
 * @throws {TunTapError} `ENOENT`, `EPERM` if the namespace cannot be entered
 */
export function listDevices(options: { netns?: NetnsLike } = {}): InterfaceInfo[] {
  const { netnsOf, withRouteSocket } = sockets();
  const { interfaceInfo } = lazy((): typeof import("./info.ts") => require("./info.ts"));
  return withRouteSocket(netnsOf(options), (socket) =>
    socket
      .dump("RTM_GETLINK", RTM_GETLINK, linkBody(0))
      .map(({ body }) => decodeLink(body))
      .map((link) => link && interfaceInfo(link))
      .filter((info) => info != null),
  );
}

/**
 * Deletes a TUN or TAP interface by its name, persistent or not; a device that
 * is attached to it ends. Needs CAP_NET_ADMIN.
 *
 * @throws {TunTapError} `ENODEV` if there is none, `EINVAL` if it is no TUN or TAP, `EPERM`
 */
export function deleteDevice(name: string, options: { netns?: NetnsLike } = {}): void {
  checkName(name, false);
  const { netnsOf, withRouteSocket } = sockets();
  withRouteSocket(netnsOf(options), (socket) => {
    const link = look().requireLink(socket, name);
    if (link.tun === undefined) {
      throw new TunTapError("EINVAL", `"${name}" is no TUN/TAP interface`, {
        hint: "only those are deleted; `bun-tuntap list` and listDevices() have them",
      });
    }
    socket.request("RTM_DELLINK", RTM_DELLINK, 0, linkBody(link.index), [], name);
  });
}

const look = (): typeof import("./look.ts") => lazy(() => require("./look.ts"));
const sockets = (): typeof import("./route-socket.ts") => lazy(() => require("./route-socket.ts"));
