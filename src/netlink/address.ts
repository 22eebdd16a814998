/** RTM_*ADDR: `struct ifaddrmsg` and its attributes (include/uapi/linux/if_addr.h). Pure. */

import { formatIP } from "../packet/address-text.ts";
import { checkAddress, checkBoolean, checkMembers, checkPrefix, checkScope, checkWhole, scopeName } from "./checks.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";
import { type Attribute, decodeAttributes, decodeU32, encodeU32, NetlinkFormatError } from "./message.ts";
import {
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_CACHEINFO,
  IFA_F_DADFAILED,
  IFA_F_DEPRECATED,
  IFA_F_NODAD,
  IFA_F_NOPREFIXROUTE,
  IFA_F_TENTATIVE,
  IFA_FLAGS,
  IFA_LOCAL,
} from "./network-constants.ts";
import type { Address, AddressLike } from "./types.ts";

const IFADDRMSG_LEN = 8;
/** `struct ifa_cacheinfo`. */
const CACHEINFO_LEN = 16;
/** A lifetime without end: INFINITY_LIFE_TIME, include/net/addrconf.h. */
const FOREVER = 0xffff_ffff;

/** An address taken apart: `local/prefixLength`, or `local peer remote/prefixLength`. */
export interface ParsedAddress {
  readonly local: Uint8Array;
  readonly peer: Uint8Array | undefined;
  readonly prefixLength: number;
  readonly broadcast: Uint8Array | undefined;
  readonly scope: number;
  /** Seconds, {@link FOREVER} for no end. */
  readonly preferred: number;
  readonly valid: number;
  /** IFA_F_* */
  readonly flags: number;
}

const members: readonly (keyof Address)[] = [
  "address",
  "peer",
  "broadcast",
  "scope",
  "validLifetime",
  "preferredLifetime",
  "noDad",
  "noPrefixRoute",
  "family",
  "tentative",
  "duplicate",
  "deprecated",
];

/**
 * @throws {TypeError} if it is neither text nor an object with an `address`
 * @throws {RangeError} if the text is no address, or a value does not fit
 */
export function parseAddress(like: AddressLike): ParsedAddress {
  const given = typeof like === "string" ? { address: like } : Object(like);
  if (typeof given.address !== "string" || (given.peer !== undefined && typeof given.peer !== "string")) {
    throw new TypeError(
      `An address must be text such as "192.0.2.1/24", or { address, peer }, got ${Bun.inspect(like)}`,
    );
  }
  checkMembers(given, members, "An address");
  const { bytes: local, length: prefixLength } = checkPrefix(given.address);
  // For IPv4 the kernel takes the flag and does nothing (net/ipv4/devinet.c __inet_insert_ifa()).
  if (local.every((byte) => byte === 0)) {
    throw new RangeError(`"${given.address}" is no address of an interface: it stands for all of them, or for none`);
  }
  const valid = checkLifetime(given.validLifetime, "validLifetime", FOREVER, 1);
  const preferred = checkLifetime(given.preferredLifetime, "preferredLifetime", valid, 0);
  if (preferred > valid) {
    throw new RangeError(`\`preferredLifetime\` must be at most \`validLifetime\`, got ${preferred} and ${valid}`);
  }
  if (local.length === 16 && given.broadcast !== undefined) {
    throw new RangeError(`IPv6 has no broadcast: leave out \`broadcast\` of "${given.address}"`);
  }
  return {
    local,
    peer: checkAddress(given.peer, "peer", local.length),
    prefixLength,
    broadcast: checkAddress(given.broadcast, "broadcast", local.length),
    scope: (local.length === 4 ? checkScope(given.scope) : undefined) ?? 0,
    preferred,
    valid,
    flags:
      (checkBoolean(given.noDad, "noDad") ? IFA_F_NODAD : 0) |
      (checkBoolean(given.noPrefixRoute, "noPrefixRoute") ? IFA_F_NOPREFIXROUTE : 0),
  };
}

/** Formats the parts that tell addresses apart, in the form of {@link decodeAddress}. */
export function formatAddress({ local, peer, prefixLength }: ParsedAddress): Pick<Address, "address" | "peer"> {
  const [own, other] = [formatIP(local), peer && formatIP(peer)];
  return { address: `${own}/${prefixLength}`, ...(other === undefined || other === own ? {} : { peer: other }) };
}

function checkLifetime(value: unknown, field: string, absent: number, min: number): number {
  return value === Number.POSITIVE_INFINITY ? FOREVER : (checkWhole(value, field, min, FOREVER - 1) ?? absent);
}

/** Makes the fixed part of a message about an address: `struct ifaddrmsg`. */
export function addressBody(index: number, { local, prefixLength, scope }: ParsedAddress): Uint8Array {
  const bytes = new Uint8Array(IFADDRMSG_LEN);
  bytes[0] = local.length === 4 ? AF_INET : AF_INET6;
  bytes[1] = prefixLength;
  bytes[3] = scope;
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/** Makes the attributes of an address. IFA_ADDRESS is the peer's, or the interface's own where there is no peer. */
export function addressAttributes({ local, peer, broadcast, preferred, valid, flags }: ParsedAddress): Attribute[] {
  const lifetimes = new Uint8Array(CACHEINFO_LEN);
  lifetimes.set(encodeU32(preferred));
  lifetimes.set(encodeU32(valid), 4);
  return [
    { type: IFA_LOCAL, value: local },
    { type: IFA_ADDRESS, value: peer ?? local },
    ...(broadcast === undefined ? [] : [{ type: IFA_BROADCAST, value: broadcast }]),
    ...(valid === FOREVER && preferred === FOREVER ? [] : [{ type: IFA_CACHEINFO, value: lifetimes }]),
    ...(flags === 0 ? [] : [{ type: IFA_FLAGS, value: encodeU32(flags) }]),
  ];
}

/** Makes a dump filter for the addresses of one interface, of both families: `struct ifaddrmsg`. */
export function addressDumpBody(index: number): Uint8Array {
  const bytes = new Uint8Array(IFADDRMSG_LEN);
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/**
 * Reads the interface's index and the address; returns null for another family than IP.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeAddress(body: Uint8Array): { index: number; address: Address } | null {
  if (body.length < IFADDRMSG_LEN) throw new NetlinkFormatError("Truncated ifaddrmsg", 0);
  const [family = 0, prefixLength = 0, shortFlags = 0, scope = 0] = body;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return null;
  const index = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(4, true);
  const attributes = decodeAttributes(body, IFADDRMSG_LEN);
  const other = attributes.get(IFA_ADDRESS);
  // IPv6 leaves IFA_LOCAL out where there is no peer (net/ipv6/addrconf.c inet6_fill_ifaddr()).
  const local = attributes.get(IFA_LOCAL) ?? other;
  const broadcast = attributes.get(IFA_BROADCAST);
  if ([local ?? empty, other, broadcast].some((each) => each !== undefined && each.length !== size)) {
    throw new NetlinkFormatError("Address of the wrong length", IFADDRMSG_LEN);
  }
  const own = formatIP(local as Uint8Array);
  const peer = other === undefined ? own : formatIP(other);
  const wideFlags = attributes.get(IFA_FLAGS);
  return {
    index,
    address: {
      address: `${own}/${prefixLength}`,
      ...(peer === own ? {} : { peer }),
      family: size === 4 ? 4 : 6,
      scope: scopeName(scope),
      ...(broadcast === undefined ? {} : { broadcast: formatIP(broadcast) }),
      ...decodeLifetimes(attributes.get(IFA_CACHEINFO)),
      ...decodeFlags(wideFlags === undefined ? shortFlags : decodeU32(wideFlags)),
    },
  };
}

function decodeLifetimes(cacheInfo: Uint8Array | undefined): Pick<Address, "validLifetime" | "preferredLifetime"> {
  if (cacheInfo === undefined) return {};
  if (cacheInfo.length < CACHEINFO_LEN) throw new NetlinkFormatError("Truncated ifa_cacheinfo", 0);
  const [preferredLifetime, validLifetime] = [decodeU32(cacheInfo.subarray(0, 4)), decodeU32(cacheInfo.subarray(4, 8))];
  return {
    ...(validLifetime === FOREVER ? {} : { validLifetime }),
    ...(preferredLifetime === FOREVER ? {} : { preferredLifetime }),
  };
}

const flagNames = [
  [IFA_F_NODAD, "noDad"],
  [IFA_F_NOPREFIXROUTE, "noPrefixRoute"],
  [IFA_F_TENTATIVE, "tentative"],
  [IFA_F_DADFAILED, "duplicate"],
  [IFA_F_DEPRECATED, "deprecated"],
] as const;

function decodeFlags(flags: number): Partial<Address> {
  return Object.fromEntries(flagNames.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => [name, true]));
}

const empty = new Uint8Array(0);
