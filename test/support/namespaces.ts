/** What the tests of changes and namespaces share: namespaces, changes as text, and `ip` as an independent witness of both. */
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import type { Address, Device, LinkChange, NetnsLike } from "../../src/index.ts";
import { otherNamespace } from "../device/support.ts";
import { answersIn, type IpLink, run, until } from "./system.ts";

/** A network namespace, where programs run. */
export interface Place {
  /** The command line prefix that runs a program there. */
  readonly through: readonly string[];
  run(...command: string[]): string;
}

function placeBehind(...through: string[]): Place {
  return { through, run: (...command) => run(...through, ...command) };
}

/** The namespace of this thread. */
export const here: Place = placeBehind();

/** A namespace with a name, as `ip netns` makes them; disposing of it takes the name away. */
function namedNamespace(): Place & Disposable & { like: string } {
  const name = `bun-tuntap-${randomBytes(4).toString("hex")}`;
  run("ip", "netns", "add", name);
  return {
    like: name,
    ...placeBehind("ip", "netns", "exec", name),
    [Symbol.dispose]: () => void Bun.spawnSync(["ip", "netns", "delete", name]),
  };
}

/** Why namespaces cannot have names here, or undefined. */
export function noNames(): string | undefined {
  if (Bun.which("ip") === null) return "needs ip: install with your package manager";
  try {
    namedNamespace()[Symbol.dispose]();
    return undefined;
  } catch {
    return "needs to mount in /run/netns: run `sudo bun test`";
  }
}

/** The network namespace that this thread is in. */
export function ownNetns(): string {
  return readlinkSync("/proc/thread-self/ns/net");
}

/** The interface there as iproute2 sees it. */
export function linkIn(place: Pick<Place, "run">, name: string): IpLink {
  return (JSON.parse(place.run("ip", "-j", "-d", "-s", "address", "show", "dev", name)) as IpLink[])[0] as IpLink;
}

/** The names of the interfaces there. */
export function namesIn(place: Place): string[] {
  return (JSON.parse(place.run("ip", "-j", "link", "show")) as IpLink[]).map(({ ifname }) => ifname).sort();
}

/** What changes() and a `change` handler tell, and what {@link linkIn} shows of an interface in the same words. */
export interface Shown {
  readonly name: string;
  readonly mtu: number;
  readonly mac: string;
  readonly up: boolean;
  readonly addresses: string[];
}

export function shownIn(place: Pick<Place, "run">, name: string): Shown {
  const { ifname, mtu, address = "", flags, addr_info = [], link_type } = linkIn(place, name);
  const mac = link_type === "ether" ? address : "00:00:00:00:00:00";
  const addresses = addr_info.map(({ local, prefixlen, address: peer }) =>
    textOfAddress({ address: `${local}/${prefixlen}`, ...(peer === undefined ? {} : { peer }) }),
  );
  return { name: ifname, mtu, mac, up: flags.includes("UP"), addresses: addresses.sort() };
}

function textOfAddress({ address, peer }: Pick<Address, "address" | "peer">): string {
  return peer === undefined ? address : `${address} peer ${peer}`;
}

/** `first` after `changes`. */
export function replayed(first: Shown, changes: readonly LinkChange[]): Shown {
  const addresses = new Set(first.addresses);
  const now: { -readonly [K in keyof Shown]: Shown[K] } = { ...first };
  for (const change of changes) {
    if (change.type === "up" || change.type === "down") now.up = change.type === "up";
    if (change.type === "mtu") now.mtu = change.mtu;
    if (change.type === "name") now.name = change.name;
    if (change.type === "mac") now.mac = change.mac;
    if (change.type === "address-added") addresses.add(textOfAddress(change.address));
    if (change.type === "address-removed") addresses.delete(textOfAddress(change.address));
  }
  return { ...now, addresses: [...addresses].sort() };
}

/** "mtu 1400", "address-added 192.0.2.1/24": what tells changes apart. */
export function textOf(change: LinkChange): string {
  if ("address" in change) return `${change.type} ${textOfAddress(change.address)}`;
  const value = Object.entries(change).find(([key]) => key === change.type || key === "index")?.[1];
  return [change.type, ...(value === undefined && change.type !== "master" ? [] : [value])].join(" ");
}

/** Collects what a device tells from now on. */
export function listenTo(
  device: Device,
  signal?: AbortSignal,
): { told: LinkChange[]; texts: () => string[]; ended: Promise<void> } {
  const told: LinkChange[] = [];
  const changes = device.changes(signal && { signal });
  const ended = (async () => {
    for await (const change of changes) told.push(change);
  })();
  return { told, texts: () => told.map(textOf), ended };
}

/** `ip -o monitor` at work; everything that happens from the moment on that the promise is resolved. */
export async function ipMonitor(...through: string[]): Promise<{ lines(): string[] } & Disposable> {
  const child = Bun.spawn([...through, "ip", "-o", "monitor", "link", "address"], { stderr: "ignore" });
  let output = "";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) output += decoder.decode(chunk, { stream: true });
  })();
  await until(() => listensToGroups(child.pid), "ip monitor listens");
  // It reads a list of all interfaces first, by the same socket, and throws away what it is told meanwhile (ll_init_map()).
  const lines = (): string[] => output.split("\n").slice(0, -1);
  let nudge = 0;
  await until(() => {
    nudge++;
    for (const verb of ["add", "delete"]) run(...through, "ip", "tuntap", verb, "mode", "tun", "name", `nudge${nudge}`);
    return lines().length > 0;
  }, "ip monitor tells what it is told");
  await until(() => lines().some((line) => line.startsWith("Deleted") && line.includes(`nudge${nudge}:`)), "all of it");
  output = "";
  return { lines, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

/** Tells whether the process has an rtnetlink socket that has joined groups: fields 3 and 4 of /proc/net/netlink. */
function listensToGroups(pid: number): boolean {
  const sockets = readFileSync(`/proc/${pid}/net/netlink`, "latin1").split("\n").slice(1);
  return sockets
    .map((line) => line.split(/\s+/))
    .some(([, , portId, groups]) => portId === `${pid}` && groups !== "00000000");
}

/** Returns what `ip -o monitor` has told of the interface of that index, in the words of {@link textOf}; `masters` by name. */
export function monitored(
  lines: readonly string[],
  index: number,
  first: Shown,
  masters: Record<string, number> = {},
): string[] {
  const now: Record<string, unknown> = { ...first, carrier: true, master: undefined };
  const addresses = new Map(first.addresses.map((address) => [address, ""]));
  const told: string[] = [];
  const tell = (key: string, value: unknown, text: string): void => {
    if (now[key] !== value) told.push(text);
    now[key] = value;
  };
  for (const line of lines) {
    const link = /^(Deleted )?(\d+): (\S+): <(.*?)> mtu (\d+) (.*?)\\\s+link\/(\S+) (\S*)/.exec(line);
    if (link !== null && Number(link[2]) === index) {
      const [, deleted, , name, flagList = "", mtu, rest = "", type, mac = ""] = link;
      // Only what is about the interface itself has a group; the rest is about it as a port of a bridge.
      if (!rest.includes("group ")) continue;
      if (deleted) {
        told.push("deleted");
        continue;
      }
      const flags = flagList.split(",");
      const master = masters[/master (\S+)/.exec(rest)?.[1] ?? ""];
      tell("name", name, `name ${name}`);
      tell("mtu", Number(mtu), `mtu ${mtu}`);
      if (type === "ether") tell("mac", mac, `mac ${mac}`);
      tell("master", master, `master ${master ?? ""}`);
      tell("up", flags.includes("UP"), flags.includes("UP") ? "up" : "down");
      if (now["up"]) tell("carrier", flags.includes("LOWER_UP"), `carrier ${flags.includes("LOWER_UP")}`);
    }
    const found = /^(Deleted )?(\d+): \S+\s+inet6? (\S+)(?: peer (\S+))? (.*?)\\/.exec(line);
    if (found === null || Number(found[2]) !== index) continue;
    const [, deleted, , own = "", peer, flags = ""] = found;
    const text = peer === undefined ? own : `${own}/${peer.split("/")[1]} peer ${peer.split("/")[0]}`;
    const settled = (flags.match(/tentative|dadfailed|deprecated|nodad|noprefixroute/g) ?? []).join(" ");
    const before = addresses.get(text);
    if (deleted) addresses.delete(text);
    else addresses.set(text, settled);
    if (deleted) told.push(`address-removed ${text}`);
    else if (before === undefined) told.push(`address-added ${text}`);
    else if (before !== settled) told.push(`address-changed ${text}`);
  }
  return told;
}

/** The ways to name a namespace, each of which tests try. */
export type Naming = "name" | "path" | "process id";

/** Another namespace, in which IPv6 says nothing unasked, and what the `netns` option calls it. */
export async function another(naming: Naming): Promise<Place & Disposable & { like: NetnsLike }> {
  const place = naming === "name" ? namedNamespace() : await heldNamespace(naming);
  place.run("sh", "-c", "cd /proc/sys/net/ipv6/conf/default; echo 0 > disable_ipv6; echo 1 > addr_gen_mode");
  return place;
}

async function heldNamespace(naming: "path" | "process id"): Promise<Place & Disposable & { like: NetnsLike }> {
  const { pid, [Symbol.dispose]: dispose } = await otherNamespace();
  return {
    ...placeBehind("nsenter", "--target", `${pid}`, "--net"),
    like: naming === "path" ? `/proc/${pid}/ns/net` : pid,
    [Symbol.dispose]: dispose,
  };
}

/** Everything that a namespace has, as text: equal before and after means that nothing changed. What changes by itself is left out. */
export function stateOf(place: Place): string {
  const volatile = ["operstate", "qdisc", "tentative", "nodad", "stats64", "ifindex"];
  const settled = (key: string, value: unknown): unknown => {
    if (key === "flags") return (value as string[]).filter((flag) => !["NO-CARRIER", "LOWER_UP"].includes(flag));
    return volatile.includes(key) ? undefined : value;
  };
  const commands = ["-d link show", "address show", "route show table all", "-6 route show table all"];
  const shown = commands.map((command) => place.run("ip", "-j", ...command.split(" ")));
  return shown.map((text) => JSON.stringify(JSON.parse(text || "[]"), settled, 1)).join("\n");
}

/** The answer to an IPv4 echo request, or null if it is none (RFC 792). */
export function answerTo(packet: Uint8Array): Uint8Array | null {
  const isEcho = (packet[0] as number) === 0x45 && packet[9] === 1 && packet[20] === 8;
  if (!isEcho) return null;
  const answer = packet.slice();
  answer.set(packet.subarray(12, 16), 16);
  answer.set(packet.subarray(16, 20), 12);
  answer[20] = 0;
  // RFC 1624: the type has become less by 8, so the checksum becomes more by that.
  const sum = (((packet[22] as number) << 8) | (packet[23] as number)) + 0x0800;
  const folded = (sum & 0xffff) + (sum >> 16);
  answer.set([folded >> 8, folded & 0xff], 22);
  return answer;
}

/** Pings `neighbour` from the interface's side of a TUN, which is `place`; we answer. */
export async function pingThrough(tun: Device, place: Place, neighbour: string): Promise<void> {
  // -w: until there are three answers. Without it ping waits for a late one no longer than the others took.
  const ping = ["ping", "-q", "-c", "3", "-i", "0.05", "-w", "30", neighbour];
  const pinging = Bun.spawn([...place.through, ...ping], { stderr: "pipe" });
  const stop = new AbortController();
  void pinging.exited.then(() => stop.abort("pinged"));
  for (;;) {
    const packet = await tun.receive({ signal: stop.signal }).catch(() => null);
    if (packet === null) break;
    const answer = answerTo(packet);
    if (answer !== null) tun.send(answer);
  }
  const output = await pinging.stdout.text();
  if (!(answersIn(output) >= 3)) throw new Error(output + (await pinging.stderr.text()));
}
