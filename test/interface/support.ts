/** What the tests of settings, addresses and routes share: `ip` as an independent witness of all that the library says, and frames. */
import { afterAll, beforeAll, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { Address, Device, InterfaceInfo, Route, Scope } from "../../src/index.ts";
import { openTap, openTun } from "../../src/index.ts";
import { run, until } from "../support/system.ts";

/** Runs `ip`, here unless `through` says where, and reads its JSON. */
export function ipJson<T = Record<string, unknown>>(command: string, through: readonly string[] = []): T[] {
  const text = run(...through, "ip", "-j", ...command.split(" "));
  // Where there is nothing to show it prints nothing, or an array of empty objects.
  const shown = JSON.parse(text.trim() || "[]") as T[];
  return shown.filter((each) => Object.keys(each as object).length > 0);
}

export const kinds: readonly { kind: "tun" | "tap"; open: (options?: object) => Device }[] = [
  { kind: "tun", open: openTun as () => Device },
  { kind: "tap", open: openTap as () => Device },
];

export interface ShownLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly txqlen?: number;
  readonly address?: string;
  readonly link_type: string;
  readonly ifalias?: string;
  readonly master?: string;
  readonly inet6_addr_gen_mode?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Record<string, unknown> };
}

/** Every interface as `ip -d link` shows it. */
export function shownLinks(through: readonly string[] = []): ShownLink[] {
  return ipJson<ShownLink>("-d link show", through);
}

/** The same of one. */
export function shownLink(name: string, through: readonly string[] = []): ShownLink {
  return ipJson<ShownLink>(`-d link show dev ${name}`, through)[0] as ShownLink;
}

/** Returns what `info()` should be, by what `ip` shows; without `carrier`, which `ip` shows only of an interface that is up. */
export function infoByIp(link: ShownLink, all: readonly ShownLink[] = shownLinks()): Omit<InterfaceInfo, "carrier"> {
  const { ifname, ifindex, flags, mtu, txqlen = 0, address, link_type, ifalias, master, linkinfo } = link;
  const data = linkinfo?.info_data ?? {};
  const number = (key: string): number | undefined => (data[key] === "root" ? 0 : (data[key] as number | undefined));
  return {
    kind: data["type"] as "tun" | "tap",
    name: ifname,
    index: ifindex,
    mac: link_type === "ether" ? address : undefined,
    mtu,
    txQueueLength: txqlen,
    alias: ifalias,
    master: all.find((each) => each.ifname === master)?.ifindex,
    owner: number("user"),
    group: number("group"),
    persistent: data["persist"] as boolean,
    packetInfo: data["pi"] as boolean,
    vnetHeader: data["vnet_hdr"] as boolean,
    multiQueue: data["multi_queue"] as boolean,
    queues: data["multi_queue"] ? number("numqueues") : data["persist"] ? undefined : 1,
    disabledQueues: number("numdisabled") ?? 0,
    up: flags.includes("UP"),
    promiscuous: flags.includes("PROMISC"),
    allMulticast: flags.includes("ALLMULTI"),
    multicast: flags.includes("MULTICAST"),
  };
}

/** A bridge that is up, until it is disposed of. */
export function bridge(name: string): Disposable {
  run("ip", "link", "add", name, "type", "bridge");
  run("ip", "link", "set", name, "up");
  return { [Symbol.dispose]: () => void Bun.spawnSync(["ip", "link", "delete", name]) };
}

const defaults = "/proc/sys/net/ipv6/conf/default";

/** In force for one file: IPv6 as the kernel does it by itself, whatever other files have asked for. */
export function withKernelsIPv6(): void {
  const settings = { disable_ipv6: "0", addr_gen_mode: "0" };
  const before: [path: string, value: string][] = [];
  beforeAll(() => {
    for (const [name, value] of Object.entries(settings)) {
      before.push([`${defaults}/${name}`, readFileSync(`${defaults}/${name}`, "latin1")]);
      writeFileSync(`${defaults}/${name}`, value);
    }
  });
  afterAll(() => {
    for (const [path, value] of before) writeFileSync(path, value);
  });
}

interface ShownAddress {
  readonly family: "inet" | "inet6";
  readonly local: string;
  readonly prefixlen: number;
  readonly address?: string;
  readonly broadcast?: string;
  readonly scope: string;
  readonly valid_life_time: number;
  readonly preferred_life_time: number;
  readonly nodad?: boolean;
  readonly noprefixroute?: boolean;
  readonly tentative?: boolean;
  readonly dadfailed?: boolean;
  readonly deprecated?: boolean;
}

const FOREVER = 0xffff_ffff;
const ifSet = <T>(key: string, value: T, unless: T | undefined = undefined): Record<string, T> =>
  value === unless ? {} : { [key]: value };

/** Returns what `addresses()` should be, by what `ip` shows. */
export function addressesByIp(name: string, through: readonly string[] = []): Address[] {
  const [link] = ipJson<{ addr_info: ShownAddress[] }>(`address show dev ${name}`, through);
  return (link?.addr_info ?? []).map((shown) => ({
    address: `${shown.local}/${shown.prefixlen}`,
    ...ifSet("peer", shown.address),
    family: shown.family === "inet" ? 4 : 6,
    scope: (/^\d+$/.test(shown.scope) ? Number(shown.scope) : shown.scope) as Scope,
    ...ifSet("broadcast", shown.broadcast),
    ...ifSet("validLifetime", shown.valid_life_time, FOREVER),
    ...ifSet("preferredLifetime", shown.preferred_life_time, FOREVER),
    ...ifSet("noDad", shown.nodad),
    ...ifSet("noPrefixRoute", shown.noprefixroute),
    ...ifSet("tentative", shown.tentative),
    ...ifSet("duplicate", shown.dadfailed),
    ...ifSet("deprecated", shown.deprecated),
  }));
}

type Lifetime = "validLifetime" | "preferredLifetime";

/** The lifetimes of `said` that lie between what `ip` showed before and after; it has ticked meanwhile. */
function ticked(before: Address | undefined, said: Address, after: Address | undefined): Partial<Address> {
  const names: Lifetime[] = ["validLifetime", "preferredLifetime"];
  const isBetween = (name: Lifetime): boolean =>
    Number(before?.[name]) >= Number(said[name]) && Number(said[name]) >= Number(after?.[name]);
  return Object.fromEntries(names.filter(isBetween).map((name) => [name, after?.[name]]));
}

/** Waits until no address is tentative (on a TUN, at once) and `addresses()` is what `ip` shows; a lifetime may tick between the two. */
export async function addressesAgree(device: Device): Promise<Address[]> {
  await until(() => !device.addresses().some(({ tentative }) => tentative), "no tentative address");
  const before = addressesByIp(device.name);
  const said = device.addresses();
  const after = addressesByIp(device.name);
  const ours = said.map((each, i) => ({ ...each, ...ticked(before[i], each, after[i]) }));
  expect(ours).toEqual(after);
  return ours;
}

interface ShownRoute {
  /** Absent of a unicast route. */
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly table?: string;
  readonly protocol: string;
  readonly scope?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly flags: readonly string[];
  readonly metrics?: readonly Record<string, number>[];
  readonly nexthops?: readonly unknown[];
}

const numbers = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

/** Returns what `routes()` should be, by what `ip` shows. */
export function routesByIp(name: string, through: readonly string[] = []): Route[] {
  return ([4, 6] as const).flatMap((family) =>
    ipJson<ShownRoute>(`-${family} route show table all dev ${name}`, through)
      .filter(({ type, nexthops }) => type === undefined && nexthops === undefined)
      .map((shown) => ({
        to: prefixOf(shown.dst, family),
        family,
        table: shown.table === undefined ? 254 : Number(shown.table),
        scope: numbers(shown.scope ?? "global") as Scope,
        // What is not shown is boot, that of `ip` itself (iproute2, print_route()).
        protocol: numbers(shown.protocol ?? "boot") as Route["protocol"],
        ...ifSet("via", shown.gateway ?? shown.via?.host),
        ...ifSet("metric", shown.metric || undefined),
        ...ifSet("source", shown.prefsrc),
        ...ifSet("onLink", shown.flags.includes("onlink") || undefined),
        ...ifSet("mtu", shown.metrics?.[0]?.["mtu"]),
        ...ifSet("advmss", shown.metrics?.[0]?.["advmss"]),
      })),
  );
}

function prefixOf(dst: string, family: 4 | 6): string {
  if (dst === "default") return family === 4 ? "0.0.0.0/0" : "::/0";
  return dst.includes("/") ? dst : `${dst}/${family === 4 ? 32 : 128}`;
}
