/** Checks of addresses and routes as users give them. Pure; all throw a TypeError or RangeError that names what was given. */

import { checkKnown } from "../checks.ts";
import { formatIP, parseIP } from "../packet/address-text.ts";
import type { RouteProtocol, Scope } from "./types.ts";

/** An IP address and how many of its bits count. */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** Parses `"192.0.2.1/24"`; without a length all bits count. */
export function checkPrefix(text: string): Prefix {
  const [address = "", length, ...more] = text.split("/");
  const bytes = parseIP(address);
  if (bytes === null || more.length > 0) throw notAnAddress(text, '"192.0.2.1/24" or "2001:db8::1/64"');
  const bits = bytes.length * 8;
  if (length === undefined) return { bytes, length: bits };
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) {
    throw new RangeError(`The prefix length of "${text}" must be 0 to ${bits}`);
  }
  return { bytes, length: Number(length) };
}

/** Reads a prefix without bits behind it: the kernel refuses a route that has some, and does not say why. */
export function checkNetwork(text: string): Prefix {
  const { bytes, length } = checkPrefix(text);
  const network = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))));
  if (formatIP(network) !== formatIP(bytes)) {
    const meant = `${formatIP(network)}/${length}`;
    throw new RangeError(
      `"${text}" has bits behind its prefix: for the network give "${meant}", for the host no length`,
    );
  }
  return { bytes, length };
}

/** Parses an address without a prefix length, of `family` bytes if that is known; undefined stays undefined. */
export function checkAddress(text: unknown, field: string, family?: number): Uint8Array | undefined {
  if (text === undefined) return undefined;
  const bytes = typeof text === "string" ? parseIP(text) : null;
  if (bytes === null || (family !== undefined && bytes.length !== family)) {
    const wanted = family === undefined ? "IP" : family === 4 ? "IPv4" : "IPv6";
    throw notAnAddress(text, `an ${wanted} address without prefix length as \`${field}\``);
  }
  return bytes;
}

function notAnAddress(given: unknown, wanted: string): RangeError {
  return new RangeError(`${Bun.inspect(given)} is not an address: give ${wanted}`);
}

/** Refuses an object with a member that is not among `known`. */
export function checkMembers(value: object, known: readonly string[], what: string): void {
  checkKnown(value, known, (member) => `${what} has no "${member}"`);
}

/** Returns `value` if it is a whole number within the limits, or undefined; throws otherwise. */
export function checkWhole(value: unknown, field: string, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`\`${field}\` must be a whole number from ${min} to ${max}, got ${Bun.inspect(value)}`);
  }
  return value;
}

/** Returns `value`, or false for undefined; throws if it is no boolean. */
export function checkBoolean(value: unknown, field: string): boolean {
  if (value !== undefined && typeof value !== "boolean") {
    throw new TypeError(`\`${field}\` must be true or false, got ${Bun.inspect(value)}`);
  }
  return value ?? false;
}

/** include/uapi/linux/rtnetlink.h, RT_SCOPE_*. */
const scopes: Readonly<Record<number, Scope>> = { 0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere" };

/** Returns the name of a scope, or its number if it has no name. */
export function scopeName(scope: number): Scope {
  return scopes[scope] ?? scope;
}

/** Returns the number of a scope that is given by name or number, or undefined; throws for anything else. */
export function checkScope(value: unknown): number | undefined {
  const named = Object.entries(scopes).find(([, name]) => name === value);
  return named === undefined ? checkWhole(value, "scope", 0, 255) : Number(named[0]);
}

/** include/uapi/linux/rtnetlink.h, RTPROT_*. */
const protocols: Readonly<Record<number, RouteProtocol>> = { 2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp" };

/** Returns the name of a routing protocol, or its number if it has no name. */
export function protocolName(protocol: number): RouteProtocol {
  return protocols[protocol] ?? protocol;
}

/** Returns the number of a routing protocol that is given by name or number, or undefined; throws for anything else. */
export function checkProtocol(value: unknown): number | undefined {
  const named = Object.entries(protocols).find(([, name]) => name === value);
  return named === undefined ? checkWhole(value, "protocol", 0, 255) : Number(named[0]);
}
