/** Checks of what users give, before anything is done. Pure. */

import { type Check as AnyCheck, boolean, checkOptions, handler, text, wrong } from "../checks.ts";
import {
  checkAlias,
  checkId,
  checkMaster,
  checkMtu,
  checkName,
  checkTxQueueLength,
  type Kind,
  parseMac,
} from "../interface/checks.ts";

import { checkNetns } from "../interface/namespace.ts";
import { parseAddress } from "../netlink/address.ts";
import { parseRoute } from "../netlink/route.ts";
import type { AdoptOptions, Device, DeviceOptions, OpenOptions } from "./types.ts";

/** The clone device, Documentation/networking/tuntap.rst section 2. */
export const DEFAULT_PATH = "/dev/net/tun";

/** What an fd is attached to is not known before the kernel is asked. */
type MaybeKind = Kind | undefined;

type Check = AnyCheck<MaybeKind>;

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
