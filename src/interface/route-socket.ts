import { checkOptions } from "../checks.ts";
import { withHint } from "../hints.ts";
import { RouteSocket } from "../netlink/socket.ts";
import { checkNetns, withNetns } from "./namespace.ts";
import type { NetnsLike } from "./types.ts";

/** Checks options that have no member but `netns`, and returns that. */
export function netnsOf(options: { netns?: NetnsLike }): NetnsLike | undefined {
  checkOptions(options, { netns: checkNetns }, undefined);
  return options.netns;
}

/** Runs `use` with a socket to the rtnetlink of a network namespace, and closes it; errors come with hints. */
export function withRouteSocket<T>(netns: NetnsLike | undefined, use: (socket: RouteSocket) => T): T {
  try {
    return withNetns(netns, (fd) => {
      const socket = new RouteSocket(fd);
      try {
        return use(socket);
      } finally {
        socket.close();
      }
    });
  } catch (error) {
    throw withHint(error);
  }
}
