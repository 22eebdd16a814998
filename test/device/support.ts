/** What the tests of opening share: errors caught, the network as it was, frames that the kernel answers. */
import { afterAll, beforeAll, expect } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import type { Device } from "../../src/index.ts";
import { openTun, TunTapError } from "../../src/index.ts";
import { openFds, run, soon, until } from "../support/system.ts";

/** The TunTapError that `call` throws; anything else that happens fails the test. */
export function refusal(call: () => unknown): TunTapError {
  try {
    call();
  } catch (error) {
    if (error instanceof TunTapError) return error;
    throw error;
  }
  throw new Error("It did not throw");
}

/**
 * Keys of what changes by itself: the carrier and what follows from it, as the state of a bridge port does; duplicate address
 * detection; the timers of a bridge.
 */
const volatile = new Set(["operstate", "qdisc", "state", "tentative", "dadfailed", "nodad"]);

const BOUNDARY = "\n---\n";

/** Every interface with its settings and addresses, as text: equal before and after means that nothing changed. */
export function networkState(): string {
  const shown = [run("ip", "-j", "-d", "link", "show"), run("ip", "-j", "address", "show")];
  const settled = (key: string, value: unknown): unknown => {
    if (key === "flags") return (value as string[]).filter((flag) => !["NO-CARRIER", "LOWER_UP"].includes(flag));
    return volatile.has(key) || key.endsWith("_timer") ? undefined : value;
  };
  return shown.map((text) => JSON.stringify(JSON.parse(text), settled, 1)).join(BOUNDARY);
}

/** Fds of the kinds that this library opens. */
const ourFds = /\/tun$|socket:|eventpoll|eventfd|memfd/;

/** Fails if there is an interface that was not there `before`, or one that has changed; an earlier test's may have gone since. */
function expectNothingNew(before: string): void {
  const [links, addresses] = networkState().split(BOUNDARY) as [string, string];
  const names = new Set((JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname));
  const still = before
    .split(BOUNDARY)
    .map((text) => (JSON.parse(text) as { ifname: string }[]).filter(({ ifname }) => names.has(ifname)));
  expect([links, addresses].map((text) => JSON.parse(text))).toEqual(still);
}

/** Fails unless `call` leaves interfaces, addresses and settings as they were, and no fd; returns what it returned. */
export async function leavingNothing<T>(call: () => T | Promise<T>): Promise<T> {
  warmUp();
  const [network, fds] = [networkState(), openFds(ourFds)];
  const value = await call();
  expectNothingNew(network);
  // What Bun holds for a stream goes a moment later.
  const left = (): string[] => openFds(ourFds).filter((fd) => !fds.includes(fd));
  await until(
    () => left().length === 0,
    () => `no new fds: ${left().join(", ")} (there were ${fds.join(", ")})`,
  );
  return value;
}

let isWarm = false;

/** Makes the reactor, whose fds stay for the life of the thread, before anybody counts fds. */
export function warmUp(): void {
  if (isWarm) return;
  openTun().close();
  isWarm = true;
}

/** In force for one file: IPv6 works, but says nothing unasked (no link-local address, so no solicitations). */
export function withQuietIPv6(): void {
  const disabled = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
  const mode = "/proc/sys/net/ipv6/conf/default/addr_gen_mode";
  let before: [string, string] | undefined;
  beforeAll(() => {
    before = [readFileSync(disabled, "latin1"), readFileSync(mode, "latin1")];
    writeFileSync(disabled, "0");
    writeFileSync(mode, "1");
  });
  afterAll(() => {
    if (before === undefined) return;
    writeFileSync(disabled, before[0]);
    writeFileSync(mode, before[1]);
  });
}

/** A user and a group that this user namespace knows (root's alone in a rootless one), and how `ip` shows them. */
export function someIds(): { ids: { owner: number; group: number }; shown: { user: unknown; group: unknown } } {
  const whole = readFileSync("/proc/self/uid_map", "latin1").trim().endsWith("4294967295");
  return whole
    ? { ids: { owner: 1234, group: 5678 }, shown: { user: 1234, group: 5678 } }
    : { ids: { owner: 0, group: 0 }, shown: { user: "root", group: "root" } };
}

/** ICMP echo request from 192.0.2.2 to 192.0.2.1, checksums included: RFC 791, RFC 792. */
export const echoRequest: Uint8Array = Uint8Array.fromHex("4500001c000100004001f6dcc0000202c00002010800a4fd53010001");

/** Tells whether it is the answer to {@link echoRequest}, behind a header of `offset` bytes. */
export function isEchoReply(packet: Uint8Array, offset = 0): boolean {
  const [ip, icmp] = [packet.subarray(offset), packet.subarray(offset + 20)];
  return ip[0] === 0x45 && ip[15] === 1 && ip[19] === 2 && icmp[0] === 0 && icmp[4] === 0x53 && icmp[5] === 1;
}

/** Frames go both ways: the kernel, at 192.0.2.1 behind a TUN, answers a ping from 192.0.2.2. */
export async function ping(device: Device): Promise<void> {
  device.send(echoRequest);
  const signal = soon();
  for (let frames = 0; frames < 100; frames++) {
    const packet = await device.receive({ signal });
    if (packet === null) throw new Error("The device closed");
    if (isEchoReply(packet)) return;
  }
  throw new Error("No reply among 100 packets");
}

/** Another network namespace, held by a process of ours until it is disposed of. */
export async function otherNamespace(): Promise<{ pid: number; run(...command: string[]): string } & Disposable> {
  const holder = Bun.spawn(["unshare", "--net", "sleep", "infinity"]);
  const netns = (pid: number | "thread-self"): string => run("readlink", `/proc/${pid}/ns/net`).trim();
  const ours = run("readlink", "/proc/self/ns/net").trim();
  try {
    await until(() => netns(holder.pid) !== ours, "a network namespace of the holder's own");
  } catch (error) {
    holder.kill("SIGKILL");
    throw error;
  }
  return {
    pid: holder.pid,
    run: (...command) => run("nsenter", "--target", `${holder.pid}`, "--net", ...command),
    [Symbol.dispose]: () => holder.kill("SIGKILL"),
  };
}

/** Makes persistent interfaces with `ip`, and deletes them. */
export function persistentInterface(name: string, ...how: string[]): Disposable {
  run("ip", "tuntap", "add", "dev", name, "mode", ...how);
  return { [Symbol.dispose]: () => void Bun.spawnSync(["ip", "link", "delete", name]) };
}
