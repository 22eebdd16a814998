/** RTM_*ROUTE: `struct rtmsg` and its attributes (include/uapi/linux/rtnetlink.h). Pure. */

import { formatIP } from "../packet/address-text.ts";
import {
  checkAddress,
  checkBoolean,
  checkMembers,
  checkNetwork,
  checkScope,
  checkWhole,
  type Prefix,
  protocolName,
  scopeName,
} from "./checks.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import {
  type Attribute,
  decodeAttributes,
  decodeU32,
  encodeAttributes,
  encodeU32,
  NetlinkFormatError,
} from "./message.ts";
import {
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_EXPIRES,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_OIF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_TABLE,
  RTA_VIA,
  RTAX_ADVMSS,
  RTAX_MTU,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RTPROT_STATIC,
} from "./network-constants.ts";
import type { Route, RouteLike } from "./types.ts";

const RTMSG_LEN = 12;
/** The place of `rta_expires` in `struct rta_cacheinfo`, in ticks of USER_HZ. */
const CACHEINFO_EXPIRES = 8;
const TICKS_PER_SECOND = 100;

/** A route taken apart. */
export interface ParsedRoute {
  readonly to: Prefix;
  readonly via: Uint8Array | undefined;
  readonly source: Uint8Array | undefined;
  readonly metric: number | undefined;
  readonly table: number;
  readonly onLink: boolean;
  readonly scope: number | undefined;
  readonly mtu: number | undefined;
  readonly advmss: number | undefined;
}

const members: readonly (keyof Route)[] = [
  "to",
  "via",
  "metric",
  "table",
  "source",
  "onLink",
  "scope",
  "mtu",
  "advmss",
  "family",
  "protocol",
];

/**
 * @throws {TypeError} if it is neither text nor an object with a `to`
 * @throws {RangeError} if the text is no prefix, or a value does not fit
 */
export function parseRoute(like: RouteLike): ParsedRoute {
  const given = typeof like === "string" ? { to: like } : Object(like);
  if (typeof given.to !== "string") {
    throw new TypeError(`A route must be text such as "198.51.100.0/24", or { to, via }, got ${Bun.inspect(like)}`);
  }
  checkMembers(given, members, "A route");
  const via = checkAddress(given.via, "via");
  const to = given.to === "default" ? { bytes: new Uint8Array(via?.length ?? 4), length: 0 } : checkNetwork(given.to);
  if (to.bytes.length === 16) checkAddress(given.via, "via", 16);
  return {
    to,
    via,
    source: checkAddress(given.source, "source", to.bytes.length),
    metric: checkWhole(given.metric, "metric", 0, 0xffff_ffff),
    table: checkWhole(given.table, "table", 1, 0xffff_ffff) ?? RT_TABLE_MAIN,
    onLink: checkBoolean(given.onLink, "onLink"),
    scope: to.bytes.length === 4 ? checkScope(given.scope) : undefined,
    mtu: checkWhole(given.mtu, "mtu", 68, 0xffff),
    advmss: checkWhole(given.advmss, "advmss", 1, 0xffff),
  };
}

/** Returns `struct rtmsg` of a new route. */
export function routeBody({ to, via, table, onLink, scope }: ParsedRoute): Uint8Array {
  const defaultScope = to.bytes.length === 4 && via === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  return body(to, table, RTPROT_STATIC, scope ?? defaultScope, RTN_UNICAST, onLink ? RTNH_F_ONLINK : 0);
}

/** Returns `struct rtmsg` of a route to be removed, whoever made it: a field that is 0 or "nowhere" matches everything (net/ipv4/fib_semantics.c). */
export function routeRemovalBody({ to, table, scope }: ParsedRoute): Uint8Array {
  return body(to, table, 0, scope ?? RT_SCOPE_NOWHERE, RTN_UNICAST, 0);
}

function body(to: Prefix, table: number, protocol: number, scope: number, type: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(RTMSG_LEN);
  bytes[0] = to.bytes.length === 4 ? AF_INET : AF_INET6;
  bytes[1] = to.length;
  // The header has 8 bits for the table: larger numbers are only in RTA_TABLE.
  bytes[4] = table < 256 ? table : 0;
  bytes[5] = protocol;
  bytes[6] = scope;
  bytes[7] = type;
  new DataView(bytes.buffer).setUint32(8, flags, true);
  return bytes;
}

/** Makes the attributes of a route through the interface of that index. */
export function routeAttributes(index: number, route: ParsedRoute): Attribute[] {
  const { to, via, source, metric, table, mtu, advmss } = route;
  const metrics = [u32(RTAX_MTU, mtu), u32(RTAX_ADVMSS, advmss)].flat();
  return [
    { type: RTA_DST, value: to.bytes },
    { type: RTA_OIF, value: encodeU32(index) },
    { type: RTA_TABLE, value: encodeU32(table) },
    ...u32(RTA_PRIORITY, metric),
    ...(via === undefined ? [] : [gateway(via, to.bytes.length)]),
    ...(source === undefined ? [] : [{ type: RTA_PREFSRC, value: source }]),
    ...(metrics.length === 0 ? [] : [{ type: RTA_METRICS, value: encodeAttributes(metrics) }]),
  ];
}

function u32(type: number, value: number | undefined): Attribute[] {
  return value === undefined ? [] : [{ type, value: encodeU32(value) }];
}

/** A gateway of another family than the route's goes into a `struct rtvia`. */
function gateway(via: Uint8Array, family: number): Attribute {
  return via.length === family
    ? { type: RTA_GATEWAY, value: via }
    : { type: RTA_VIA, value: Uint8Array.of(AF_INET6, 0, ...via) };
}

/**
 * Makes a dump filter for the routes of one family, `struct rtmsg`. Kernels before 4.20 know no filter and list all.
 */
export function routeDumpBody(family: number): Uint8Array {
  const bytes = new Uint8Array(RTMSG_LEN);
  bytes[0] = family;
  return bytes;
}

/** Makes the attributes of a request for the routes through the interface of that index. */
export function routeDumpAttributes(index: number): Attribute[] {
  return [{ type: RTA_OIF, value: encodeU32(index) }];
}

/**
 * Reads the index of the route's interface and the route. Returns null unless it is a unicast route of IP through one
 * interface: routes to local, broadcast and multicast addresses come and go with the addresses.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeRoute(bytes: Uint8Array): { index: number; route: Route } | null {
  if (bytes.length < RTMSG_LEN) throw new NetlinkFormatError("Truncated rtmsg", 0);
  const [family = 0, length = 0, , , shortTable = 0, protocol = 0, scope = 0, type = 0] = bytes;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0 || type !== RTN_UNICAST) return null;
  const flags = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(8, true);
  const attributes = decodeAttributes(bytes, RTMSG_LEN);
  const number = (attribute: number): number | undefined => {
    const value = attributes.get(attribute);
    return value && decodeU32(value);
  };
  const ip = (attribute: number): string | undefined => {
    const value = attributes.get(attribute);
    if (value !== undefined && value.length !== size) {
      throw new NetlinkFormatError("Address of the wrong length", RTMSG_LEN);
    }
    return value && formatIP(value);
  };
  const index = number(RTA_OIF);
  if (index === undefined) return null;
  const metrics = decodeAttributes(attributes.get(RTA_METRICS) ?? empty);
  const metricOf = (attribute: number): number | undefined => {
    const value = metrics.get(attribute);
    return value && decodeU32(value);
  };
  const found = {
    via: ip(RTA_GATEWAY) ?? decodeVia(attributes.get(RTA_VIA)),
    metric: number(RTA_PRIORITY) || undefined,
    source: ip(RTA_PREFSRC),
    onLink: (flags & RTNH_F_ONLINK) !== 0 || undefined,
    mtu: metricOf(RTAX_MTU),
    advmss: metricOf(RTAX_ADVMSS),
  };
  return {
    index,
    route: {
      to: `${ip(RTA_DST) ?? (size === 4 ? "0.0.0.0" : "::")}/${length}`,
      family: size === 4 ? 4 : 6,
      table: number(RTA_TABLE) ?? shortTable,
      scope: scopeName(scope),
      protocol: protocolName(protocol),
      ...(Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as Partial<Route>),
    },
  };
}

/**
 * Turns the body of a dumped route into one that the kernel takes back, without the state bits, which it refuses
 * (net/ipv4/fib_semantics.c fib_create_info()).
 */
export function routeRestoreBody(dumped: Uint8Array): Uint8Array {
  const bytes = dumped.slice();
  const view = new DataView(bytes.buffer);
  view.setUint32(8, view.getUint32(8, true) & ~(RTNH_F_DEAD | RTNH_F_LINKDOWN), true);
  return bytes;
}

/**
 * Returns the remaining lifetime of a temporary route as an attribute. The kernel reports it in another attribute
 * than it takes.
 */
export function routeRestoreAttributes(dumped: Uint8Array): Attribute[] {
  const cacheInfo = decodeAttributes(dumped, RTMSG_LEN).get(RTA_CACHEINFO);
  const ticks = cacheInfo && decodeU32(cacheInfo.subarray(CACHEINFO_EXPIRES, CACHEINFO_EXPIRES + 4));
  return u32(RTA_EXPIRES, ticks ? Math.ceil(ticks / TICKS_PER_SECOND) : undefined);
}

/** `struct rtvia`: a family of 16 bits and an address. */
function decodeVia(via: Uint8Array | undefined): string | undefined {
  if (via === undefined) return undefined;
  if (via.length !== 6 && via.length !== 18) throw new NetlinkFormatError("Gateway of the wrong length", RTMSG_LEN);
  return formatIP(via.subarray(2));
}

const empty = new Uint8Array(0);
