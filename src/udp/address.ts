/** Converts addresses between text and the form of native/udp.c, `struct peer`. */

import { formatIP, parseIP } from "../packet/address-text.ts";
import { interfaceIndex, interfaceName, PEER_BYTES } from "../sys/udp.ts";

/** Places in a `struct peer`, which begins with the address. */
const LOCAL = 16;
const SCOPE = 32;
const PORT = 36;
const ADDRESS_BYTES = 16;

/** An address as bytes of IPv6, with the interface of a link-local one. */
export interface Address {
  /** 16 bytes; ::ffff:a.b.c.d is IPv4's. */
  readonly bytes: Uint8Array;
  /** Interface index; 0 unless the address is link-local. */
  readonly scope: number;
}

/**
 * Parses "192.0.2.1", "2001:db8::1", "fe80::1%eth0".
 *
 * @param name Names the value in errors.
 * @param fd A socket, in whose namespace interfaces are looked up.
 * @throws {TypeError}
 */
export function parseAddress(text: unknown, name: string, fd: number): Address {
  if (typeof text !== "string") throw notAddress(name, text);
  const [before = "", zone, ...more] = text.split("%");
  const bytes = parseIP(before);
  if (bytes === null || zone === "" || more.length > 0) throw notAddress(name, text);
  const address: Address = { bytes: bytes.length === 4 ? mapped(bytes) : bytes, scope: zoneOf(zone, name, fd) };
  if (isLinkLocal(address.bytes) !== (zone !== undefined)) throw wrongZone(name, text, zone);
  return address;
}

/** Checks only the form, before there is a socket. */
export function checkAddress(text: unknown, name: string): void {
  if (typeof text !== "string" || parseIP(text.replace(/%.+$/, "")) === null) throw notAddress(name, text);
}

/** Checks a port. @throws {TypeError | RangeError} if it is no port of at least `least` */
export function checkPort(port: unknown, name: string, least: number): asserts port is number {
  if (typeof port !== "number" || !Number.isInteger(port)) {
    throw new TypeError(`"${name}" must be a whole number, got ${Bun.inspect(port)}`);
  }
  if (port < least || port > 0xffff) throw new RangeError(`"${name}" must be ${least} to 65535, got ${port}`);
}

function zoneOf(zone: string | undefined, name: string, fd: number): number {
  if (zone === undefined) return 0;
  const index = /^[1-9]\d{0,8}$/.test(zone) ? Number(zone) : interfaceIndex(fd, zone);
  if (index === undefined) throw new RangeError(`"${name}" names an interface that does not exist here: "${zone}"`);
  return index;
}

function wrongZone(name: string, text: string, zone: string | undefined): RangeError {
  return new RangeError(
    zone === undefined
      ? `"${name}" must name its interface, as "${text}%eth0", because it is link-local, got "${text}"`
      : `"${name}" must be link-local to name an interface, got "${text}"`,
  );
}

function notAddress(name: string, value: unknown): TypeError {
  return new TypeError(
    `"${name}" must be an IPv4 or IPv6 address, such as "192.0.2.1" or "2001:db8::1", got ${Bun.inspect(value)}`,
  );
}

function mapped(four: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  bytes.fill(0xff, 10, 12);
  bytes.set(four, 12);
  return bytes;
}

/** Tells whether 16 bytes are an IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2). */
export function isIPv4(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/** Tells whether 16 bytes are "::", or "0.0.0.0" mapped into IPv6. */
export function isUnspecified(bytes: Uint8Array): boolean {
  return (isIPv4(bytes) ? bytes.subarray(12) : bytes).every((byte) => byte === 0);
}

/**
 * Tells whether an address needs an interface: fe80::/10, and multicast of interface and link scope (RFC 4007 section
 * 11).
 */
function isLinkLocal(bytes: Uint8Array): boolean {
  const [first = 0, second = 0] = bytes;
  return (
    (first === 0xfe && (second & 0xc0) === 0x80) || (first === 0xff && ((second & 0xf) === 1 || (second & 0xf) === 2))
  );
}

/** Formats an address: IPv4 as IPv4, a link-local one with its interface. */
export function formatAddress({ bytes, scope }: Address, fd: number): string {
  if (isIPv4(bytes)) return formatIP(bytes.subarray(12));
  const text = formatIP(bytes);
  return scope !== 0 && isLinkLocal(bytes) ? `${text}%${interfaceName(fd, scope) ?? scope}` : text;
}

/** Makes a `struct peer`. */
export function encodePeer(remote: Address, port: number, local?: Address): Uint8Array {
  const peer = new Uint8Array(PEER_BYTES);
  const view = new DataView(peer.buffer);
  peer.set(remote.bytes);
  if (local !== undefined) peer.set(local.bytes, LOCAL);
  // Both ends of a link-local path are on one link.
  view.setUint32(SCOPE, remote.scope || (local?.scope ?? 0), true);
  view.setUint16(PORT, port, true);
  return peer;
}

/** Reads a `struct peer`. */
export function decodePeer(peer: Uint8Array): { remote: Address; port: number; local: Address } {
  const view = new DataView(peer.buffer, peer.byteOffset, PEER_BYTES);
  const scope = view.getUint32(SCOPE, true);
  return {
    remote: { bytes: peer.slice(0, ADDRESS_BYTES), scope },
    port: view.getUint16(PORT, true),
    local: { bytes: peer.slice(LOCAL, LOCAL + ADDRESS_BYTES), scope },
  };
}
