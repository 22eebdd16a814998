import { type Check, handler, integer, text } from "../checks.ts";
import { checkHostAddress } from "./addresses.ts";
import { linkImpairmentChecks } from "./settings.ts";
import type { Host, HostOptions, LabOptions, LinkOptions, PingOptions, SwitchOptions } from "./types.ts";

const SEED_MAX = 0xffff_ffff;

const seed: Check<unknown> = (value, option) => integer(value, option, 0, SEED_MAX);
const interfaceMtu: Check<unknown> = (value, option) => integer(value, option, 1280, 65_521);

/** Checks milliseconds to wait for something. */
export function timeout(value: unknown, option: string): void {
  if (typeof value === "number" && value > 0) return;
  throw new RangeError(`Option "${option}" must be milliseconds above 0, got ${Bun.inspect(value)}`);
}

/** Checks of {@link LabOptions}. */
export const labChecks: Readonly<Record<keyof LabOptions, Check<unknown>>> = { seed, error: handler };

/** Checks of {@link SwitchOptions}. */
export const switchChecks: Readonly<Record<keyof SwitchOptions, Check<unknown>>> = {
  name: text,
  subnet: text,
  subnet6: text,
  interfaceMtu,
};

/** Checks of {@link LinkOptions}. */
export const linkChecks: Readonly<Record<keyof LinkOptions, Check<unknown>>> = {
  ...linkImpairmentChecks,
  ...switchChecks,
};

/** Checks of {@link HostOptions}. */
export const hostChecks: Readonly<Record<keyof HostOptions, Check<unknown>>> = {
  address: (value, option) => checkHostAddress(value, option, 4),
  address6: (value, option) => checkHostAddress(value, option, 6),
};

/** Checks of {@link PingOptions}. */
export const pingChecks: Readonly<Record<keyof PingOptions, Check<unknown>>> = {
  timeout,
  size: (value, option) => integer(value, option, 16, 65_000),
};

/** Returns the seed of BUN_TUNTAP_LAB_SEED, by which a failed run is repeated, or one by chance. */
export function seedByDefault(): number {
  const named = process.env["BUN_TUNTAP_LAB_SEED"];
  if (named === undefined) return crypto.getRandomValues(new Uint32Array(1))[0] as number;
  if (/^\d{1,10}$/.test(named) && Number(named) <= SEED_MAX) return Number(named);
  throw new RangeError(`BUN_TUNTAP_LAB_SEED must be 0 to ${SEED_MAX}, got "${named}"`);
}

/** Returns `given`, or where that is undefined the first free name: "switch", "switch-2", … */
export function freeName(
  given: string | undefined,
  usual: string,
  taken: ReadonlyMap<string, unknown>,
  kind: string,
): string {
  if (given !== undefined) {
    if (taken.has(given)) throw new RangeError(`There is a ${kind} "${given}" already: names must differ`);
    return given;
  }
  let name = usual;
  for (let number = 2; taken.has(name); number++) name = `${usual}-${number}`;
  return name;
}

/** Returns environment variables with the addresses of all hosts that have one. */
export function environmentOf(
  hosts: readonly (Pick<Host, "name" | "address" | "address6"> & { readonly nics: readonly unknown[] })[],
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const host of hosts) {
    if (host.nics.length === 0) continue;
    const [name, name6] = variablesOf(host.name);
    found[name] = host.address;
    found[name6] = host.address6;
  }
  return found;
}

/** Returns the names of the environment variables of a host. Letters of all scripts stay, by which names differ. */
function variablesOf(host: string): [ipv4: string, ipv6: string] {
  const name = `LAB_${host.toUpperCase().replaceAll(/[^\p{L}\p{M}\p{N}]/gu, "_")}`;
  return [name, `${name}6`];
}

/**
 * Checks that a new host shares no environment variable with another one.
 *
 * @throws {RangeError} that names both
 */
export function checkVariables(host: string, others: Iterable<string>): void {
  const wanted = variablesOf(host);
  for (const other of others) {
    const shared = variablesOf(other).find((name) => wanted.includes(name));
    if (shared === undefined) continue;
    throw new RangeError(
      `The hosts "${other}" and "${host}" would share the environment variable ${shared}: their names must differ in letters or digits`,
    );
  }
}
