/** Checks of what users give, before anything is done. Pure. */

import { parseAddress } from "./netlink/address.ts";
import { parseRoute } from "./netlink/route.ts";
import { checkNetns } from "./netns.ts";
import { ETH_ALEN, ETH_HLEN, ETH_MAX_MTU, ETH_MIN_MTU, IFNAMSIZ } from "./sys/constants.ts";
import type { AdoptOptions, Device, DeviceOptions, OpenOptions } from "./types.ts";

export type Kind = "tun" | "tap";

/** The clone device, Documentation/networking/tuntap.rst section 2. */
export const DEFAULT_PATH = "/dev/net/tun";

/** What an fd is attached to is not known before the kernel is asked. */
type MaybeKind = Kind | undefined;

type Check = (value: unknown, option: string, kind: MaybeKind) => void;

const boolean: Check = (value, option) => {
  if (typeof value !== "boolean") throw wrong(option, "true or false", value);
};
const text: Check = (value, option) => {
  if (typeof value !== "string" || !/^[^\0]+$/.test(value))
    throw wrong(option, "a non-empty string without NUL", value);
};
const handler: Check = (value, option) => {
  if (typeof value !== "function") throw wrong(option, "a function", value);
};
const id: Check = (value, option) => checkId(value as number, option);

const deviceChecks: { readonly [K in keyof Required<DeviceOptions<Device>>]: Check } = {
  up: boolean,
  mtu: (value, _option, kind) => checkMtu(value as number, kind),
  mac: (value, option, kind) => {
    if (kind === "tun")
      throw new TypeError(`Option "${option}" is for a TAP: a TUN has no MAC address, got ${Bun.inspect(value)}`);
    parseMac(value as string);
  },
  txQueueLength: (value) => checkTxQueueLength(value as number),
  addresses: (value, option) => {
    if (!Array.isArray(value)) throw wrong(option, 'a list of addresses, such as ["192.0.2.1/24"]', value);
    value.forEach(parseAddress);
  },
  routes: (value, option) => {
    if (!Array.isArray(value)) throw wrong(option, 'a list of routes, such as ["198.51.100.0/24"]', value);
    value.forEach(parseRoute);
  },
  alias: (value) => checkAlias(value as string),
  master: (value) => checkMaster(value as string),
  promiscuous: boolean,
  allMulticast: boolean,
  ipv6: boolean,
  persist: boolean,
  owner: id,
  group: id,
  ownerless: boolean,
  reuseBuffers: boolean,
  offload: (value, option) => {
    if (typeof value === "boolean") return;
    if (typeof value !== "object" || value === null) throw wrong(option, "true, false or { raw, udp }", value);
    for (const [member, on] of Object.entries(value)) {
      if (member !== "raw" && member !== "udp") throw wrong(option, "true, false or { raw, udp }", value);
      if (on !== undefined) boolean(on, `${option}.${member}`, undefined);
    }
  },
  signal: (value, option) => {
    if (!(value instanceof AbortSignal)) throw wrong(option, "an AbortSignal", value);
  },
  data: handler,
  drain: handler,
  change: handler,
  error: handler,
  close: handler,
};

const openChecks: { readonly [K in keyof Required<OpenOptions>]: Check } = {
  ...deviceChecks,
  name: (value) => checkName(value as string, true),
  path: text,
  packetInfo: boolean,
  exclusive: boolean,
  multiQueue: boolean,
  netns: (value, option) => checkNetns(value, option),
};

const adoptChecks: { readonly [K in keyof Required<AdoptOptions>]: Check } = {
  ...deviceChecks,
  closeFd: boolean,
};

const callChecks: Readonly<Record<keyof OpenOptions | "untilUsable" | "broadcast", Check>> = {
  ...openChecks,
  untilUsable: boolean,
  broadcast: boolean,
};

/** @throws {TypeError | RangeError} if it cannot be a file descriptor: bun:ffi would cut it to 32 bits without a word */
export function checkFd(fd: unknown, name = "fd"): void {
  if (typeof fd !== "number" || !Number.isInteger(fd) || fd < 0 || fd > 0x7fff_ffff) {
    throw new TypeError(`"${name}" must be a file descriptor, a whole number from 0, got ${Bun.inspect(fd)}`);
  }
}

/** @throws {TypeError | RangeError} that names the option, the value given and the value wanted */
export function checkOpenOptions(options: unknown, kind: Kind): void {
  checkOptions(options, openChecks, kind);
  const { packetInfo, offload } = options as OpenOptions;
  if (packetInfo && offload) throw new TypeError('Options "packetInfo" and "offload" exclude each other');
}

/** As {@link checkOpenOptions}. */
export function checkAdoptOptions(options: unknown, kind: MaybeKind): void {
  checkOptions(options, adoptChecks, kind);
}

/** As {@link checkOpenOptions}, for a call that has the options `names` alone. */
export function checkCallOptions(options: unknown, ...names: (keyof typeof callChecks)[]): void {
  checkOptions(options, Object.fromEntries(names.map((name) => [name, callChecks[name]])), undefined);
}

function checkOptions(options: unknown, checks: Readonly<Record<string, Check>>, kind: MaybeKind): void {
  if (typeof options !== "object" || options === null) throw wrong("options", "an object", options);
  // Not only its own properties: options may be an instance of a class with handlers as methods.
  for (const option in options) {
    const value = (options as Record<string, unknown>)[option];
    const check = Object.hasOwn(checks, option) ? checks[option] : undefined;
    // A misspelt option that is ignored in silence is found much later.
    if (check === undefined) {
      throw new TypeError(`Unknown option "${option}": known are ${Object.keys(checks).sort().join(", ")}`);
    }
    if (value !== undefined) check(value, option, kind);
  }
}

/**
 * What the kernel takes as an interface's name (net/core/dev.c dev_valid_name()
 * and __dev_alloc_name()), and does not cut: TUNSETIFF shortens a longer name
 * to 15 bytes without a word.
 */
export function checkName(name: string, patternAllowed: boolean, option = "name"): void {
  if (typeof name !== "string") throw wrong(option, "a string", name);
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) {
    throw new RangeError(`Option "${option}" must have 1 to ${IFNAMSIZ - 1} bytes, got "${name}" with ${bytes.length}`);
  }
  if (bytes.some((byte) => byte <= 0x20 || byte === 0x2f || byte === 0x3a) || name === "." || name === "..") {
    throw new RangeError(`Option "${option}" must not hold "/", ":" or white space, nor be "." or "..", got "${name}"`);
  }
  // The kernel looks at bytes, and its isspace() takes this one, half of "à", for a space (lib/ctype.c).
  if (bytes.includes(0xa0)) {
    throw new RangeError(`Option "${option}" must not hold a letter with the byte 0xa0 in UTF-8, got "${name}"`);
  }
  // The kernel refuses the names of two sysctl directories (net/core/dev.c, since Linux 3.x for IPv4 and IPv6).
  if (name === "all" || name === "default") {
    throw new RangeError(`Option "${option}" must not be "${name}": the kernel keeps that name for itself`);
  }
  const percents = name.split("%").length - 1;
  if (percents > 0 && !(patternAllowed && percents === 1 && name.includes("%d"))) {
    const wanted = patternAllowed ? 'hold "%" only as one "%d", which becomes the first free number' : 'not hold "%"';
    throw new RangeError(`Option "${option}" must ${wanted}, got "${name}"`);
  }
}

/** 68 to 65535, less the Ethernet header on a TAP (drivers/net/tun.c tun_net_initialize()). */
export function checkMtu(bytes: number, kind: MaybeKind): void {
  integer(bytes, "mtu", ETH_MIN_MTU, kind === "tap" ? ETH_MAX_MTU - ETH_HLEN : ETH_MAX_MTU);
}

/** Up to 2^32 - 2: the kernel reads -1 as "nobody" (TUNSETOWNER, TUNSETGROUP). */
export function checkId(id: number, option: string): void {
  integer(id, option, 0, 0xffff_fffe);
}

/** Less than IFALIASZ of include/uapi/linux/if.h. */
export function checkAlias(alias: string): void {
  if (typeof alias !== "string" || alias.includes("\0")) throw wrong("alias", "text without NUL", alias);
  if (new TextEncoder().encode(alias).length > 255) {
    throw new RangeError(`Option "alias" must be at most 255 bytes long, got ${Bun.inspect(alias)}`);
  }
}

export function checkMaster(master: string | number | null): void {
  if (master === null) return;
  if (typeof master === "string") checkName(master, false, "master");
  else integer(master, "master", 1, 0x7fff_ffff);
}

export function checkBoolean(value: boolean, option: string): void {
  boolean(value, option, undefined);
}

export function checkTxQueueLength(frames: number): void {
  integer(frames, "txQueueLength", 0, 0x7fff_ffff);
}

/** Six octets from "02:00:5e:00:53:01". @throws {TypeError | RangeError} */
export function parseMac(text: string): Uint8Array {
  if (typeof text !== "string") throw wrong("mac", 'text such as "02:00:5e:00:53:01"', text);
  const octets = text.split(":");
  if (octets.length !== ETH_ALEN || !octets.every((octet) => /^[0-9a-f]{2}$/i.test(octet))) {
    throw new RangeError(`Option "mac" must be six octets such as "02:00:5e:00:53:01", got "${text}"`);
  }
  return Uint8Array.from(octets, (octet) => Number.parseInt(octet, 16));
}

function integer(value: unknown, option: string, min: number, max: number): void {
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(option, "a whole number", value);
  if (value < min || value > max) throw new RangeError(`Option "${option}" must be ${min} to ${max}, got ${value}`);
}

function wrong(option: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`Option "${option}" must be ${wanted}, got ${Bun.inspect(value)}`);
}
