// Named here, so that a project that type-checks these sources finds it: a package from a folder or from Git has no dist.
/// <reference path="./native-source.d.ts" />

import base from "../../native/base.c" with { type: "text" };
import closer from "../../native/closer.c" with { type: "text" };
import descriptors from "../../native/descriptors.c" with { type: "text" };
import exports from "../../native/exports.c" with { type: "text" };
import kernel from "../../native/kernel.c" with { type: "text" };
import netns from "../../native/namespace.c" with { type: "text" };
import socket from "../../native/netlink_socket.c" with { type: "text" };
import tun from "../../native/tun.c" with { type: "text" };
import wait from "../../native/wait.c" with { type: "text" };

/** A part of the shim, which is compiled when it is first used. */
export interface Part {
  /** Its C: each file uses what those before it define. It stands behind {@link ground} or {@link core}. */
  readonly source: string;
  /** The function that tells what it exports. */
  readonly entry: string;
}

/** The C that each part of the shim begins with. */
export const ground: string = [kernel, base].join("\n");

/** The part that every program needs; it has {@link ground} itself. */
export const core: Part = {
  source: [ground, descriptors, tun, socket, netns, wait, closer, exports].join("\n"),
  entry: "tuntap_core",
};
