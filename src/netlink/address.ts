/** RTM_*ADDR: `struct ifaddrmsg` and its attributes (include/uapi/linux/if_addr.h). Pure. */

import type { Address, AddressLike } from "../types.ts";
import { AF_INET, AF_INET6, IFA_ADDRESS, IFA_LOCAL } from "./constants.ts";
import { formatIP, parseIP } from "./ip.ts";
import { type Attribute, decodeAttributes, NetlinkFormatError } from "./message.ts";

const IFADDRMSG_LEN = 8;

/** An address taken apart: `local/prefixLength`, or `local peer remote/prefixLength`. */
export interface ParsedAddress {
  readonly local: Uint8Array;
  readonly peer: Uint8Array | undefined;
  readonly prefixLength: number;
}

/**
 * @throws {TypeError} if it is neither text nor `{ address, peer }`
 * @throws {RangeError} if the text is no address, or the prefix length does not fit
 */
export function parseAddress(like: AddressLike): ParsedAddress {
  const { address, peer } = typeof like === "string" ? { address: like, peer: undefined } : Object(like);
  if (typeof address !== "string" || (peer !== undefined && typeof peer !== "string")) {
    throw new TypeError(
      `An address must be text such as "192.0.2.1/24", or { address, peer }, got ${Bun.inspect(like)}`,
    );
  }
  const [text, prefix, ...more] = address.split("/");
  const local = parseIP(text ?? "");
  const remote = peer === undefined ? undefined : parseIP(peer);
  if (local === null || more.length > 0) throw notAnAddress(address, '"192.0.2.1/24" or "2001:db8::1/64"');
  if (remote === null || (remote !== undefined && remote.length !== local.length)) {
    throw notAnAddress(
      peer,
      `an ${local.length === 4 ? "IPv4" : "IPv6"} address without prefix length, as peer of "${address}"`,
    );
  }
  const bits = local.length * 8;
  const prefixLength = prefix === undefined ? bits : Number(prefix);
  if (prefix !== undefined && !(/^\d{1,3}$/.test(prefix) && prefixLength <= bits)) {
    throw new RangeError(`The prefix length of "${address}" must be 0 to ${bits}`);
  }
  return { local, peer: remote, prefixLength };
}

function notAnAddress(given: string, wanted: string): RangeError {
  return new RangeError(`"${given}" is not an address: give ${wanted}`);
}

export function addressBody(index: number, { local, prefixLength }: ParsedAddress): Uint8Array {
  const bytes = new Uint8Array(IFADDRMSG_LEN);
  bytes[0] = local.length === 4 ? AF_INET : AF_INET6;
  bytes[1] = prefixLength;
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/** IFA_ADDRESS is the peer's address, or the interface's own where there is no peer. */
export function addressAttributes({ local, peer }: ParsedAddress): Attribute[] {
  return [
    { type: IFA_LOCAL, value: local },
    { type: IFA_ADDRESS, value: peer ?? local },
  ];
}

/** `struct ifaddrmsg` as a dump filter: the addresses of one interface, of both families. */
export function addressDumpBody(index: number): Uint8Array {
  const bytes = new Uint8Array(IFADDRMSG_LEN);
  new DataView(bytes.buffer).setUint32(4, index, true);
  return bytes;
}

/** include/uapi/linux/rtnetlink.h, RT_SCOPE_*. */
const scopes: Readonly<Record<number, Address["scope"]>> = {
  0: "global",
  200: "site",
  253: "link",
  254: "host",
  255: "nowhere",
};

/**
 * The interface's index and the address, or null for another family than IP.
 *
 * @throws {NetlinkFormatError}
 */
export function decodeAddress(body: Uint8Array): { index: number; address: Address } | null {
  if (body.length < IFADDRMSG_LEN) throw new NetlinkFormatError("Truncated ifaddrmsg", 0);
  const [family = 0, prefixLength = 0, , scope = 0] = body;
  const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  if (size === 0) return null;
  const index = new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(4, true);
  const attributes = decodeAttributes(body, IFADDRMSG_LEN);
  const other = attributes.get(IFA_ADDRESS);
  // IPv6 leaves IFA_LOCAL out where there is no peer (net/ipv6/addrconf.c inet6_fill_ifaddr()).
  const local = attributes.get(IFA_LOCAL) ?? other;
  if (local?.length !== size || (other !== undefined && other.length !== size)) {
    throw new NetlinkFormatError("Address of the wrong length", IFADDRMSG_LEN);
  }
  const own = formatIP(local);
  const peer = other === undefined ? own : formatIP(other);
  return {
    index,
    address: {
      address: `${own}/${prefixLength}`,
      ...(peer === own ? {} : { peer }),
      family: size === 4 ? 4 : 6,
      scope: scopes[scope] ?? scope,
    },
  };
}
