// The ICMPv6 messages that are asked for most, made of their own fields.

import { writeUint16, writeUint32 } from "./bytes.ts";
import { requireBoolean, requireBytes, requireInteger, wrongValue } from "./check.ts";
import { Icmpv6Type } from "./icmp-type.ts";
import { buildIcmpv6, type RouterFields } from "./icmpv6.ts";
import { ipv6ToBytes } from "./ipv6-address.ts";
import { encodeNdOptions, type NdOption } from "./nd-options.ts";
import type { IpEnds } from "./pseudo-header.ts";

/** Fields of an ICMPv6 echo message, and the addresses that its checksum covers. */
export interface Icmpv6EchoFields extends IpEnds {
  /** `Icmpv6Type.ECHO_REQUEST` or `Icmpv6Type.ECHO_REPLY`. */
  type: number;
  /** Identifier by which a sender knows its own requests, 0 to 65535. A reply repeats it. */
  identifier: number;
  /** Number of the request, 0 to 65535. A reply repeats it. */
  sequenceNumber: number;
  /** Any bytes. A reply repeats them. */
  payload: Uint8Array;
}

/** Fields of an ICMPv6 error, and the addresses that its checksum covers. */
export interface Icmpv6ErrorFields extends IpEnds {
  /** `Icmpv6Type.DESTINATION_UNREACHABLE`, `PACKET_TOO_BIG`, `TIME_EXCEEDED` or `PARAMETER_PROBLEM`. */
  type: number;
  /** Default 0. See `Icmpv6Unreachable`. */
  code?: number;
  /** The packet that the error is about, from its IPv6 header on. Of a long one, the first 1232 bytes are quoted. */
  original: Uint8Array;
  /** MTU for `Icmpv6Type.PACKET_TOO_BIG`, 0 (the default) to 2^32 - 1. */
  mtu?: number;
  /** Offset of the wrong octet, for `Icmpv6Type.PARAMETER_PROBLEM`: 0 (the default) to 2^32 - 1. */
  pointer?: number;
}

/** Fields of any neighbor discovery message: the addresses of its packet, and options. */
export interface NdFields extends IpEnds {
  /** Default none. */
  options?: readonly NdOption[];
}

/** Fields of a neighbor solicitation, RFC 4861 section 4.3. Its option is `"sourceLinkLayerAddress"`. */
export interface NeighborSolicitationFields extends NdFields {
  /** Address that is asked for, as text or as 16 bytes. */
  target: string | Uint8Array;
}

/** Fields of a neighbor advertisement, RFC 4861 section 4.4. Its option is `"targetLinkLayerAddress"`. */
export interface NeighborAdvertisementFields extends NdFields {
  /** Address of the neighbor, as text or as 16 bytes. */
  target: string | Uint8Array;
  /** Says that a router sends it. Default false. */
  router?: boolean;
  /** Says that it answers a solicitation. Default false. */
  solicited?: boolean;
  /** Tells the receiver to replace the link-layer address that it knows. Default false. */
  override?: boolean;
}

/** Fields of a router advertisement, RFC 4861 section 4.2. The default of each is 0 or false. */
export interface RouterAdvertisementFields extends NdFields, Partial<RouterFields> {}

/** RFC 4443 section 2.4 (c): the error is to fit in the least MTU, 1280 bytes, with its IPv6 header of 40. */
const ORIGINAL_MAX = 1280 - 40 - 8;
const UINT32_MAX = 0xffff_ffff;

/**
 * Makes an ICMPv6 echo message, RFC 4443 section 4.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmpv6Echo(fields: Icmpv6EchoFields): Uint8Array<ArrayBuffer> {
  const { type, source, destination } = fields;
  if (type !== Icmpv6Type.ECHO_REQUEST && type !== Icmpv6Type.ECHO_REPLY) {
    throw wrongValue("type", type, "Icmpv6Type.ECHO_REQUEST (128) or Icmpv6Type.ECHO_REPLY (129)");
  }
  const payload = requireBytes("payload", fields.payload);
  const body = new Uint8Array(4 + payload.length);
  writeUint16(body, 0, requireInteger("identifier", fields.identifier, 0, 0xffff));
  writeUint16(body, 2, requireInteger("sequenceNumber", fields.sequenceNumber, 0, 0xffff));
  body.set(payload, 4);
  return buildIcmpv6({ type, body, source, destination });
}

/**
 * Makes an ICMPv6 error about a packet. RFC 4443 section 2.4 (e) says about which packets none may be sent:
 * other errors, redirects, and, with two exceptions, those to more than one host.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildIcmpv6Error(fields: Icmpv6ErrorFields): Uint8Array<ArrayBuffer> {
  const { code = 0, source, destination } = fields;
  const type = requireInteger("type", fields.type, 0, 0xff);
  if (type < Icmpv6Type.DESTINATION_UNREACHABLE || type > Icmpv6Type.PARAMETER_PROBLEM) {
    throw wrongValue("type", type, "an error: Icmpv6Type.DESTINATION_UNREACHABLE (1), 2, 3 or 4");
  }
  const mtu = requireInteger("mtu", fields.mtu ?? 0, 0, UINT32_MAX);
  const pointer = requireInteger("pointer", fields.pointer ?? 0, 0, UINT32_MAX);
  const original = requireBytes("original", fields.original).subarray(0, ORIGINAL_MAX);
  const body = new Uint8Array(4 + original.length);
  if (type === Icmpv6Type.PACKET_TOO_BIG) writeUint32(body, 0, mtu);
  if (type === Icmpv6Type.PARAMETER_PROBLEM) writeUint32(body, 0, pointer);
  body.set(original, 4);
  return buildIcmpv6({ type, code, body, source, destination });
}

/**
 * Makes a neighbor solicitation. Its packet has a hop limit of 255, or it is ignored (RFC 4861 section 7.1.1).
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildNeighborSolicitation(fields: NeighborSolicitationFields): Uint8Array<ArrayBuffer> {
  return buildNd(Icmpv6Type.NEIGHBOR_SOLICITATION, 0, ipv6ToBytes("target", fields.target), fields);
}

/**
 * Makes a neighbor advertisement. Its packet has a hop limit of 255, or it is ignored (RFC 4861 section 7.1.2).
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildNeighborAdvertisement(fields: NeighborAdvertisementFields): Uint8Array<ArrayBuffer> {
  const router = requireBoolean("router", fields.router ?? false) ? 0x8000_0000 : 0;
  const solicited = requireBoolean("solicited", fields.solicited ?? false) ? 0x4000_0000 : 0;
  const override = requireBoolean("override", fields.override ?? false) ? 0x2000_0000 : 0;
  const target = ipv6ToBytes("target", fields.target);
  return buildNd(Icmpv6Type.NEIGHBOR_ADVERTISEMENT, router + solicited + override, target, fields);
}

/**
 * Makes a router solicitation, RFC 4861 section 4.1. Its packet has a hop limit of 255.
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildRouterSolicitation(fields: NdFields): Uint8Array<ArrayBuffer> {
  return buildNd(Icmpv6Type.ROUTER_SOLICITATION, 0, new Uint8Array(0), fields);
}

/**
 * Makes a router advertisement. Its packet has a hop limit of 255, and a link-local source (RFC 4861 section 6.1.2).
 *
 * @throws {TypeError | RangeError} If a field is wrong.
 */
export function buildRouterAdvertisement(fields: RouterAdvertisementFields): Uint8Array<ArrayBuffer> {
  const hopLimit = requireInteger("hopLimit", fields.hopLimit ?? 0, 0, 0xff) * 2 ** 24;
  const managed = requireBoolean("managed", fields.managed ?? false) ? 0x80_0000 : 0;
  const otherConfig = requireBoolean("otherConfig", fields.otherConfig ?? false) ? 0x40_0000 : 0;
  const lifetime = requireInteger("lifetimeSeconds", fields.lifetimeSeconds ?? 0, 0, 0xffff);
  const timers = new Uint8Array(8);
  writeUint32(timers, 0, requireInteger("reachableMs", fields.reachableMs ?? 0, 0, UINT32_MAX));
  writeUint32(timers, 4, requireInteger("retransmitMs", fields.retransmitMs ?? 0, 0, UINT32_MAX));
  return buildNd(Icmpv6Type.ROUTER_ADVERTISEMENT, hopLimit + managed + otherConfig + lifetime, timers, fields);
}

/** All neighbor discovery messages begin with 32 bits of their own, and end with options. */
function buildNd(type: number, word: number, fixed: Uint8Array, fields: NdFields): Uint8Array<ArrayBuffer> {
  const options = encodeNdOptions(fields.options ?? []);
  const body = new Uint8Array(4 + fixed.length + options.length);
  writeUint32(body, 0, word);
  body.set(fixed, 4);
  body.set(options, 4 + fixed.length);
  return buildIcmpv6({ type, body, source: fields.source, destination: fields.destination });
}
