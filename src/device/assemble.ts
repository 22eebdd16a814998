/** Makes a device of an fd that is attached to an interface, in the same way for an opened and an adopted fd. */

import { TunTapError } from "../errors.ts";
import type { Kind } from "../interface/checks.ts";
import { type InterfaceClient, isUnreachable } from "../interface/client.ts";
import { Link } from "../interface/link.ts";
import type { OffloadOptions } from "../io/types.ts";
import { lazy } from "../lazy.ts";
import type { LinkInfo } from "../netlink/link.ts";
import { RouteSocket } from "../netlink/socket.ts";
import type { Undo } from "../rollback.ts";
import { ETH_DATA_LEN, ETH_HLEN, ETH_MAX_MTU, TUN_PI_LEN, VLAN_HLEN, VNET_HDR_LEN } from "../sys/constants.ts";
import { offloadNative } from "../sys/native.ts";
import * as tun from "../sys/tun.ts";
import type { Attachment } from "./attachment.ts";
import { apply, ownership, persistence, settings } from "./configure.ts";
import type { TunTapDevice } from "./device.ts";
import type { DeviceOptions, OpenOptions } from "./option-types.ts";

/** An fd that is attached to an interface. */
export interface Attached {
  readonly kind: Kind;
  readonly fd: number;
  readonly closeFd: boolean;
  readonly name: string;
  readonly client: InterfaceClient;
  /** The requested offload; undefined if the fd carries no virtio headers. */
  readonly wanted: Required<OffloadOptions> | undefined;
  /** Tells whether it was just made: then its state is known, and to ask for it would be a tenth of the first open. */
  readonly isNew: boolean;
  /** Tells whether the interface may have settings left from earlier users, which are to be reset. */
  readonly hadUsers: boolean;
}

/** Parses the `offload` option; returns undefined for none. */
export function wantedOffload(offload: boolean | OffloadOptions | undefined): Required<OffloadOptions> | undefined {
  if (!offload) return undefined;
  const wanted = segmentation().offloadOf(offload);
  // Compiles it with the core in one go, if this is the first device.
  if (!wanted.raw) offloadNative();
  return wanted;
}

/** Opens a socket to rtnetlink, here or in `netns`, that is closed if the opening fails. */
export function openSocket(undo: Undo, netns?: number): RouteSocket {
  const socket = new RouteSocket(netns);
  undo.push(() => socket.close());
  return socket;
}

/**
 * Makes a device of `attached`. First watches the fd, which fails if a device has it already; then applies the
 * settings that can be undone, then those that cannot, and last of all persistence.
 */
export function deviceOf(attached: Attached, options: OpenOptions<never>, undo: Undo): TunTapDevice {
  const { fd, client } = attached;
  undo.push(() => client.close());
  const link = new Link(client);
  const found = attached.isNew ? undefined : findIfReachable(link);
  const attachment = attach(attached, link, found, options);
  undo.push(() => attachment.discard());
  const target = { link, fd, found, isNew: attached.isNew, ownerless: options.ownerless };
  apply(settings, target, options, undo);
  apply(ownership, target, options, undo);
  prepareFrames(attached, attachment, undo);
  apply(persistence, target, options, undo);
  const { TunTapDevice } = engine();
  return new TunTapDevice(attachment, options as DeviceOptions<TunTapDevice>, options.signal);
}

/** Watches the fd, with room for the longest frame that it will carry. */
function attach(attached: Attached, link: Link, found: LinkInfo | undefined, options: OpenOptions<never>): Attachment {
  const { kind, fd, closeFd, name, wanted, isNew } = attached;
  // Read over rtnetlink: in the answer of TUNGETIFF, IFF_NOFILTER has the bit of IFF_NO_PI (drivers/net/tun.c
  // tun_get_iff()).
  const packetInfo = (isNew ? options.packetInfo : found?.tun?.packetInfo) ?? false;
  if (packetInfo && wanted !== undefined) throw twoHeaders();
  const headers = (kind === "tap" ? ETH_HLEN + 2 * VLAN_HLEN : 0) + (packetInfo ? TUN_PI_LEN : 0);
  const longest = wanted?.raw ? VNET_HDR_LEN + ETH_MAX_MTU : (options.mtu ?? found?.mtu ?? ETH_DATA_LEN);
  const frameMax = longest + headers;
  const reuseBuffers = options.reuseBuffers ?? false;
  const { Attachment } = engine();
  return new Attachment({ kind, fd, closeFd, packetInfo, link, name, frameMax, reuseBuffers, offload: wanted });
}

function twoHeaders(): TunTapError {
  const text = "the fd carries packet information and virtio headers, one before the other";
  return new TunTapError("ERR_TUNTAP_UNSUPPORTED", text, {
    hint: "attach it with IFF_NO_PI: packet information says nothing that the packet does not say",
  });
}

/**
 * Switches on the requested offload, and off the settings of earlier users: a persistent interface keeps their
 * offloads, the size of their header, and the filters of a TAP. Offloads and filters cannot be read, so they cannot
 * be restored.
 */
function prepareFrames({ kind, fd, wanted, hadUsers }: Attached, attachment: Attachment, undo: Undo): void {
  if (wanted !== undefined || hadUsers) {
    const size = tun.getVnetHeaderSize(fd);
    undo.push(() => tun.setVnetHeaderSize(fd, size));
    tun.setVnetHeaderSize(fd, VNET_HDR_LEN);
  }
  if (wanted !== undefined) attachment.setOffload(segmentation().enableOffload(fd, wanted));
  else if (hadUsers) tun.setOffload(fd, 0);
  if (!hadUsers || kind === "tun") return;
  tun.setTxFilter(fd, null);
  tun.detachFilter(fd);
}

/** Loads the modules that move frames, at the first open: they would be half of what importing this library costs. */
function engine(): typeof import("./device.ts") & typeof import("./attachment.ts") {
  return lazy(() => ({ ...require("./device.ts"), ...require("./attachment.ts") }));
}

// Loaded on first use: most devices have no offload.
const segmentation = (): typeof import("../io/segmentation.ts") => lazy(() => require("../io/segmentation.ts"));

/** Returns the state of the interface; undefined for an adopted fd whose interface is out of reach of rtnetlink. */
function findIfReachable(link: Link): LinkInfo | undefined {
  try {
    return link.info();
  } catch (error) {
    if (isUnreachable(error)) return undefined;
    throw error;
  }
}
