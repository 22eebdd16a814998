/**
 * Tries the calls named in the last argument, an array of [call, netns], and
 * prints what came of each, which namespace this thread was in before and
 * after, and which fds are left. Runs as other users, and as a Worker.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { workerData } from "node:worker_threads";
import { listDevices, type NetnsLike, openTap, openTun, TunTapError } from "../../src/index.ts";

export type Try = readonly [call: "openTun" | "openTap" | "listDevices" | "moveToNetns", netns: NetnsLike];

export interface Tried {
  /** The name of the device, or the names of those listed. */
  value?: string;
  error?: { code: string; syscall: string | undefined; message: string; hint: string | undefined };
  netns: [before: string, after: string];
  fdsLeft: string[];
}

const ownNetns = (): string => readlinkSync("/proc/thread-self/ns/net");

function fds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return /\/tun$|^socket:|^net:|^mnt:/.test(target) ? [`${fd} -> ${target}`] : [];
    } catch {
      return [];
    }
  });
}

function call([name, netns]: Try): string {
  if (name === "listDevices")
    return listDevices({ netns })
      .map((device) => device.name)
      .join();
  if (name === "moveToNetns") {
    using tun = openTun({ name: "try0" });
    try {
      tun.moveToNetns(netns);
    } catch (error) {
      if (readFileSync("/proc/thread-self/net/dev", "latin1").includes("try0:")) throw error;
      return `moved, although it threw ${error}`;
    }
    return tun.name;
  }
  const open = name === "openTun" ? openTun : openTap;
  using device = open({ name: "try0", netns, ipv6: false, addresses: ["192.0.2.1/24"] });
  return device.info().up ? device.name : "down";
}

export function attempt(wanted: Try): Tried {
  const [before, open] = [ownNetns(), fds()];
  const result: Pick<Tried, "value" | "error"> = {};
  try {
    result.value = call(wanted);
  } catch (error) {
    const { code = "?", syscall, hint, message } = error as TunTapError;
    result.error = { code: error instanceof TunTapError ? code : "?", syscall, message, hint };
  }
  return { ...result, netns: [before, ownNetns()], fdsLeft: fds().filter((fd) => !open.includes(fd)) };
}

declare function postMessage(message: Tried[]): void;

if (!Bun.isMainThread) postMessage((workerData as Try[]).map(attempt));
else if (import.meta.main) console.log(JSON.stringify((JSON.parse(process.argv.at(-1) ?? "[]") as Try[]).map(attempt)));
