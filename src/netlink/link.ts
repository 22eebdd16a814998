/** RTM_*LINK: `struct ifinfomsg` and its attributes (include/uapi/linux/if_link.h). Pure. */

import type { LinkStats } from "../types.ts";
import {
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_STATS64,
  IFLA_TUN_GROUP,
  IFLA_TUN_MULTI_QUEUE,
  IFLA_TUN_OWNER,
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
  encodeString,
  encodeU32,
  NetlinkFormatError,
} from "./message.ts";

const IFINFOMSG_LEN = 16;

/** What the kernel says of a TUN or TAP interface. */
export interface TunInfo {
  readonly kind: "tun" | "tap";
  readonly packetInfo: boolean;
  readonly vnetHeader: boolean;
  readonly multiQueue: boolean;
  readonly owner: number | undefined;
  readonly group: number | undefined;
}

export interface LinkInfo {
  readonly index: number;
  /** IFF_* of include/uapi/linux/if.h */
  readonly flags: number;
  readonly name: string;
  readonly mtu: number;
  readonly txQueueLength: number;
  readonly stats: LinkStats | undefined;
  /** Undefined if the interface is of another kind. */
  readonly tun: TunInfo | undefined;
}

/** `struct ifinfomsg` for the interface `index`; of `flags`, those in `change` are set. */
export function linkBody(index: number, flags = 0, change = 0): Uint8Array {
  const bytes = new Uint8Array(IFINFOMSG_LEN);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return bytes;
}

export function linkName(name: string): Attribute {
  return { type: IFLA_IFNAME, value: encodeString(name) };
}

export function linkMtu(bytes: number): Attribute {
  return { type: IFLA_MTU, value: encodeU32(bytes) };
}

export function linkTxQueueLength(frames: number): Attribute {
  return { type: IFLA_TXQLEN, value: encodeU32(frames) };
}

/** @throws {NetlinkFormatError} */
export function decodeLink(body: Uint8Array): LinkInfo {
  if (body.length < IFINFOMSG_LEN) throw new NetlinkFormatError("Truncated ifinfomsg", 0);
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = decodeAttributes(body, IFINFOMSG_LEN);
  const u32 = (type: number): number => {
    const value = attributes.get(type);
    return value === undefined ? 0 : decodeU32(value);
  };
  const name = attributes.get(IFLA_IFNAME);
  const stats = attributes.get(IFLA_STATS64);
  const info = attributes.get(IFLA_LINKINFO);
  return {
    index: view.getInt32(4, true),
    flags: view.getUint32(8, true),
    name: name === undefined ? "" : decodeString(name),
    mtu: u32(IFLA_MTU),
    txQueueLength: u32(IFLA_TXQLEN),
    stats: stats && decodeStats(stats),
    tun: info && decodeTun(info),
  };
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
  return {
    // IFF_TUN is 1, IFF_TAP 2.
    kind: tun.get(IFLA_TUN_TYPE)?.[0] === 2 ? "tap" : "tun",
    packetInfo: tun.get(IFLA_TUN_PI)?.[0] === 1,
    vnetHeader: tun.get(IFLA_TUN_VNET_HDR)?.[0] === 1,
    multiQueue: tun.get(IFLA_TUN_MULTI_QUEUE)?.[0] === 1,
    owner: u32(IFLA_TUN_OWNER),
    group: u32(IFLA_TUN_GROUP),
  };
}

/** `struct rtnl_link_stats64`: rx and tx by turns, packets, bytes, errors, dropped. */
function decodeStats(bytes: Uint8Array): LinkStats {
  if (bytes.length < 64) throw new NetlinkFormatError("Truncated rtnl_link_stats64", 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (i: number): bigint => view.getBigUint64(8 * i, true);
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
