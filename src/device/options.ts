/** Checks the options and arguments that users give, before anything is done. Pure. */

import { boolean, checkOptions, handler, signal, text, wrong } from "../checks.ts";
import { checkName, type Kind } from "../interface/checks.ts";
import { checkNetns } from "../interface/namespace.ts";
import { type Check, ownership, persistence, settings } from "./configure.ts";
import type { AdoptOptions, DeviceOptions, OpenOptions } from "./option-types.ts";
import type { Device } from "./types.ts";

/** The clone device, Documentation/networking/tuntap.rst section 2. */
export const DEFAULT_PATH = "/dev/net/tun";

const allSettings = { ...settings, ...ownership, ...persistence };

/** The check of each setting. A loop, as Object.fromEntries() and map() take a thirtieth of an import. */
const settingChecks = {} as Record<keyof typeof allSettings, Check>;
for (const option in allSettings) {
  const setting = option as keyof typeof allSettings;
  settingChecks[setting] = allSettings[setting].check;
}

const deviceChecks: { readonly [K in keyof Required<DeviceOptions<Device>>]: Check } = {
  ...settingChecks,
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
  signal,
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

/**
 * Checks the options of `openTun` and `openTap`. @throws {TypeError | RangeError} naming the option, the value given
 * and the value wanted
 */
export function checkOpenOptions(options: unknown, kind: Kind): void {
  checkOptions(options, openChecks, kind);
  const { packetInfo, offload } = options as OpenOptions;
  if (packetInfo && offload) throw new TypeError('Options "packetInfo" and "offload" exclude each other');
}

/** Checks the options of `adopt`; errors are those of {@link checkOpenOptions}. */
export function checkAdoptOptions(options: unknown, kind: Kind | undefined): void {
  checkOptions(options, adoptChecks, kind);
}

/** Checks the options of a call that has `names` alone; errors are those of {@link checkOpenOptions}. */
export function checkCallOptions(options: unknown, ...names: (keyof typeof callChecks)[]): void {
  checkOptions(options, Object.fromEntries(names.map((name) => [name, callChecks[name]])), undefined);
}
