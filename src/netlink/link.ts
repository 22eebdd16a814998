/** RTM_*LINK: `struct ifinfomsg` and its attributes (include/uapi/linux/if_link.h). Pure. */

import { IFF_TAP } from "../sys/constants.ts";
import {
  AF_INET6,
  AF_UNSPEC,
  IFLA_ADDRESS,
  IFLA_AF_SPEC,
  IFLA_CARRIER,
  IFLA_IFALIAS,
  IFLA_IFNAME,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MASTER,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_STATS64,
  IFLA_TUN_GROUP,
  IFLA_TUN_MULTI_QUEUE,
  IFLA_TUN_NUM_DISABLED_QUEUES,
  IFLA_TUN_NUM_QUEUES,
  IFLA_TUN_OWNER,
  IFLA_TUN_PERSIST,
  IFLA_TUN_PI,
  IFLA_TUN_TYPE,
  IFLA_TUN_VNET_HDR,
  IFLA_TXQLEN,
} from "./constants.ts";
import {
  type Attribute,
  decodeAttributes,
  decodeString,
  decodeU32,
  encodeAttributes,
  encodeString,
  encodeU32,
  NetlinkFormatError,
} from "./message.ts";
import type { InterfaceInfo, LinkStats } from "./types.ts";

const IFINFOMSG_LEN = 16;

/** The facts that the kernel reports only for TUN and TAP interfaces. */
export type TunInfo = Pick<
  InterfaceInfo,
  "kind" | "packetInfo" | "vnetHeader" | "multiQueue" | "owner" | "group" | "persistent" | "queues" | "disabledQueues"
>;

/** Facts about an interface in a message of rtnetlink. */
export interface LinkInfo {
  readonly index: number;
  /** IFF_* of include/uapi/linux/if.h */
  readonly flags: number;
  readonly name: string;
  readonly mtu: number;
  readonly txQueueLength: number;
  /** Six octets; undefined for a TUN. */
  readonly mac: Uint8Array | undefined;
  readonly carrier: boolean;
  readonly alias: string | undefined;
  /** The index of the interface that it is a port of. */
  readonly master: number | undefined;
  /** IN6_ADDR_GEN_MODE_*; undefined where IPv6 is off. */
  readonly addressMode: number | undefined;
  readonly stats: LinkStats | undefined;
  /** Undefined if the interface is of another kind. */
  readonly tun: TunInfo | undefined;
}

/**
 * Makes the fixed part of a message about an interface, `struct ifinfomsg`, which sets those `flags` that are in
 * `change`.
 */
export function linkBody(index: number, flags = 0, change = 0): Uint8Array {
  const bytes = new Uint8Array(IFINFOMSG_LEN);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

/** Makes the attribute of a name. */
export function linkName(name: string): Attribute {
  return { type: IFLA_IFNAME, value: encodeString(name) };
}

/** Makes the attribute of an MTU. */
export function linkMtu(bytes: number): Attribute {
  return { type: IFLA_MTU, value: encodeU32(bytes) };
}

/** Makes the attribute of the length of a transmit queue. */
export function linkTxQueueLength(frames: number): Attribute {
  return { type: IFLA_TXQLEN, value: encodeU32(frames) };
}

/** Makes the attribute of an alias; empty text removes it. */
export function linkAlias(text: string): Attribute {
  // Not NUL-terminated: the kernel counts every byte (net/core/rtnetlink.c).
  return { type: IFLA_IFALIAS, value: new TextEncoder().encode(text) };
}

/** Makes the attribute of a master; index 0 is none. */
export function linkMaster(index: number): Attribute {
  return { type: IFLA_MASTER, value: encodeU32(index) };
}

/** Makes the attribute that moves the interface into the network namespace of `fd`. */
export function linkNetns(fd: number): Attribute {
  return { type: IFLA_NET_NS_FD, value: encodeU32(fd) };
}

/** Makes the attribute of how IPv6 generates addresses: IN6_ADDR_GEN_MODE_*. */
export function linkAddressMode(mode: number): Attribute {
  const inet6 = encodeAttributes([{ type: IFLA_INET6_ADDR_GEN_MODE, value: Uint8Array.of(mode) }]);
  return { type: IFLA_AF_SPEC, value: encodeAttributes([{ type: AF_INET6, value: inet6 }]) };
}

/**
 * Reads an interface; returns null for a message about one of its roles, such as a port of a bridge (AF_BRIDGE,
 * net/bridge/br_netlink.c).
 *
 * @throws {NetlinkFormatError}
 */
export function decodeLink(body: Uint8Array): LinkInfo | null {
  if (body.length < IFINFOMSG_LEN) throw new NetlinkFormatError("Truncated ifinfomsg", 0);
  if (body[0] !== AF_UNSPEC) return null;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = decodeAttributes(body, IFINFOMSG_LEN);
  const u32 = (type: number): number => {
    const value = attributes.get(type);
    return value === undefined ? 0 : decodeU32(value);
  };
  const text = (type: number): string | undefined => {
    const value = attributes.get(type);
    return value && decodeString(value);
  };
  const stats = attributes.get(IFLA_STATS64);
  const info = attributes.get(IFLA_LINKINFO);
  const mac = attributes.get(IFLA_ADDRESS);
  return {
    index: view.getInt32(4, true),
    flags: view.getUint32(8, true),
    name: text(IFLA_IFNAME) ?? "",
    mtu: u32(IFLA_MTU),
    txQueueLength: u32(IFLA_TXQLEN),
    mac: mac?.length === 6 ? mac : undefined,
    carrier: attributes.get(IFLA_CARRIER)?.[0] === 1,
    alias: text(IFLA_IFALIAS) || undefined,
    master: u32(IFLA_MASTER) || undefined,
    addressMode: decodeAddressMode(attributes.get(IFLA_AF_SPEC)),
    stats: stats && decodeStats(stats),
    tun: info && decodeTun(info),
  };
}

function decodeAddressMode(families: Uint8Array | undefined): number | undefined {
  const inet6 = decodeAttributes(families ?? empty).get(AF_INET6);
  return decodeAttributes(inet6 ?? empty).get(IFLA_INET6_ADDR_GEN_MODE)?.[0];
}

function decodeTun(linkInfo: Uint8Array): TunInfo | undefined {
  const info = decodeAttributes(linkInfo);
  const kind = info.get(IFLA_INFO_KIND);
  const data = info.get(IFLA_INFO_DATA);
  if (kind === undefined || decodeString(kind) !== "tun" || data === undefined) return undefined;
  const tun = decodeAttributes(data);
  const u32 = (type: number): number | undefined => {
    const value = tun.get(type);
    return value && decodeU32(value);
  };
  const is = (type: number): boolean => tun.get(type)?.[0] === 1;
  const persistent = is(IFLA_TUN_PERSIST);
  return {
    kind: tun.get(IFLA_TUN_TYPE)?.[0] === IFF_TAP ? "tap" : "tun",
    packetInfo: is(IFLA_TUN_PI),
    vnetHeader: is(IFLA_TUN_VNET_HDR),
    multiQueue: is(IFLA_TUN_MULTI_QUEUE),
    owner: u32(IFLA_TUN_OWNER),
    group: u32(IFLA_TUN_GROUP),
    persistent,
    // The kernel reports a count only for multi-queue interfaces; a non-persistent interface has at least one.
    queues: u32(IFLA_TUN_NUM_QUEUES) ?? (persistent ? undefined : 1),
    disabledQueues: u32(IFLA_TUN_NUM_DISABLED_QUEUES) ?? 0,
  };
}

const empty = new Uint8Array(0);

/** `struct rtnl_link_stats64`: rx and tx by turns, packets, bytes, errors, dropped. */
function decodeStats(bytes: Uint8Array): LinkStats {
  if (bytes.length < 64) throw new NetlinkFormatError("Truncated rtnl_link_stats64", 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (i: number): number => Number(view.getBigUint64(8 * i, true));
  return {
    rxPackets: at(0),
    txPackets: at(1),
    rxBytes: at(2),
    txBytes: at(3),
    rxErrors: at(4),
    txErrors: at(5),
    rxDropped: at(6),
    txDropped: at(7),
  };
}
