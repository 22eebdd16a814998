/** Hints for interfaces that could not be opened: the cause, and what to do. */

import { TunTapError, withDetails } from "../errors.ts";
import { hasNetAdmin } from "../hints.ts";
import type { Kind } from "../interface/checks.ts";
import { findLink } from "../interface/client.ts";
import type { LinkInfo } from "../netlink/link.ts";
import type { RouteSocket } from "../netlink/socket.ts";
import { tryOrUndefined } from "../rollback.ts";
import { IFNAMSIZ } from "../sys/constants.ts";
import { DEFAULT_PATH } from "./options.ts";

/** The interface that was to be opened. */
export interface OpenRequest {
  readonly kind: Kind;
  /** The name as the user gave it, perhaps a pattern. */
  readonly name: string;
  readonly path: string;
  readonly exclusive: boolean;
}

/** The facts on which a hint depends, beside the error itself. */
export interface Surroundings {
  /** The interface that has the name already; undefined if there is none. */
  readonly existing: LinkInfo | undefined;
  readonly container: "docker" | "podman" | undefined;
  /** CAP_NET_ADMIN, effective. */
  readonly netAdmin: boolean;
  readonly uid: number;
  /** Tells whether the mode of the clone device lets this user read and write it. */
  readonly modeAllows: boolean;
}

/** Returns `error` with a hint that fits this machine. */
export function withOpenHint(error: unknown, request: OpenRequest, socket: RouteSocket | undefined): unknown {
  if (!(error instanceof TunTapError) || error.errno === undefined || error.hint !== undefined) return error;
  const { syscall = "" } = error;
  const hint = openHint(error.code, syscall, request, surroundings(request, socket));
  const detail = error.detail ?? (syscall === "ioctl(TUNSETIFF)" ? request.name : request.path);
  return withDetails(error, { hint, detail });
}

/** Returns the hint for an error of `open` or `ioctl(TUNSETIFF)`. Pure. */
export function openHint(
  code: string,
  syscall: string,
  request: OpenRequest,
  around: Surroundings,
): string | undefined {
  if (syscall === "open") return nodeHint(code, request.path, around);
  if (syscall === "ioctl(TUNGETFEATURES)")
    return `"${request.path}" is no TUN clone device: leave out the \`path\` option`;
  if (syscall === "ioctl(TUNSETIFF)") return interfaceHint(code, request, around);
  if (code === "EPERM") return capabilityHint(around);
  return undefined;
}

function nodeHint(code: string, path: string, { container, uid, modeAllows }: Surroundings): string | undefined {
  switch (code) {
    case "ENOENT":
      if (path !== DEFAULT_PATH) return "there is no such file: leave out the `path` option";
      return container === undefined
        ? "load the driver with `sudo modprobe tun`; in a container, pass the device in with `--device /dev/net/tun --cap-add NET_ADMIN`"
        : `start the container with \`${container} run --device /dev/net/tun --cap-add NET_ADMIN …\``;
    case "ENODEV":
    case "ENXIO":
      return "the device node is there but the driver is not: `sudo modprobe tun`, or use a kernel with CONFIG_TUN";
    case "EISDIR":
    case "ENOTDIR":
      return "that is no device node: leave out the `path` option";
    case "EACCES":
      if (modeAllows) {
        const cure = path === DEFAULT_PATH ? "mount it with `dev`" : "use /dev/net/tun";
        return `the file's mode allows it, so the file system must be mounted nodev: ${cure}`;
      }
      return uid === 0
        ? `this root is not the host's (user namespace), and the file's mode stands: on the host, \`sudo chmod 0666 ${path}\``
        : `the file's mode keeps this user out: run as root, or \`sudo chmod 0666 ${path}\` (opening it grants nothing: creating an interface needs CAP_NET_ADMIN all the same)`;
    case "EPERM":
      return container === undefined
        ? "the device cgroup forbids it: allow `c 10:200 rwm` (systemd: DeviceAllow=/dev/net/tun rw; LXC: lxc.cgroup2.devices.allow)"
        : `the device cgroup forbids it, and a bind mount does not help: start the container with \`${container} run --device /dev/net/tun --cap-add NET_ADMIN …\` (runc 1.2.0 to 1.2.3 need it although the node exists)`;
    default:
      return undefined;
  }
}

function interfaceHint(code: string, request: OpenRequest, around: Surroundings): string | undefined {
  const { kind, name, exclusive } = request;
  const { existing } = around;
  switch (code) {
    case "EPERM": {
      const owner = existing === undefined ? "" : ownerOf(existing);
      return owner === ""
        ? capabilityHint(around)
        : `"${name}" belongs to ${owner}: run as that user, or with CAP_NET_ADMIN`;
    }
    case "EBUSY":
      return exclusive && existing !== undefined
        ? `an interface "${name}" exists already: choose another name, a pattern such as "${pattern(name)}", or leave out \`exclusive\``
        : `"${name}" is in use by another open file: find it with \`lsof /dev/net/tun\`, or choose a pattern such as "${pattern(name)}"`;
    case "EINVAL":
      return existing === undefined
        ? `the kernel does not take "${name}" as a name: use up to 15 letters, digits, "-", "_" and "."`
        : mismatchHint(kind, name, existing);
    default:
      return undefined;
  }
}

function mismatchHint(kind: Kind, name: string, { tun }: LinkInfo): string {
  if (tun === undefined) return `"${name}" exists and is no TUN/TAP interface: choose another name`;
  if (tun.kind !== kind) {
    return `"${name}" exists and is a ${tun.kind.toUpperCase()}: use ${tun.kind === "tap" ? "openTap" : "openTun"}, or choose another name`;
  }
  if (tun.multiQueue)
    return `"${name}" exists with several queues (IFF_MULTI_QUEUE): open it with \`multiQueue: true\`, or choose another name`;
  return `"${name}" exists with other settings: delete it, or choose another name`;
}

function ownerOf({ tun }: LinkInfo): string {
  const who = [
    ...(tun?.owner === undefined ? [] : [`user ${tun.owner}`]),
    ...(tun?.group === undefined ? [] : [`group ${tun.group}`]),
  ];
  return who.join(" and ");
}

function capabilityHint({ container, netAdmin }: Surroundings): string {
  if (netAdmin)
    return "CAP_NET_ADMIN is there but not in the user namespace that owns this network namespace, or a security module forbids it";
  if (container !== undefined)
    return `start the container with \`${container} run --device /dev/net/tun --cap-add NET_ADMIN …\`, and be root in it`;
  return "this needs CAP_NET_ADMIN: run with sudo, or `sudo setcap cap_net_admin+ep $(command -v bun)`, or attach to a persistent interface made for you (`sudo ip tuntap add … user $USER`)";
}

/** Returns a pattern for names such as `name`, with room for three digits. */
function pattern(name: string): string {
  const stem = name.replace(/\d*$/, "");
  return new TextEncoder().encode(stem).length > IFNAMSIZ - 4 ? "net%d" : `${stem}%d`;
}

function surroundings({ name, path }: OpenRequest, socket: RouteSocket | undefined): Surroundings {
  return {
    existing: socket && tryOrUndefined(() => findLink(socket, name)),
    container: container(),
    netAdmin: hasNetAdmin(),
    uid: process.geteuid?.() ?? -1,
    modeAllows: modeAllows(path),
  };
}

/** Returns the program that made the container of this process, if {@link openHint} has advice for it. */
export function container(): Surroundings["container"] {
  const { existsSync } = process.getBuiltinModule("node:fs");
  return existsSync("/.dockerenv") ? "docker" : existsSync("/run/.containerenv") ? "podman" : undefined;
}

function modeAllows(path: string): boolean {
  const { accessSync, constants } = process.getBuiltinModule("node:fs");
  return tryOrUndefined(() => accessSync(path, constants.R_OK | constants.W_OK) ?? true) ?? false;
}
