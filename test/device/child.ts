/**
 * What tests run in another process, as another user, or with few fds left:
 * opens a device as the request in its last argument says, calls it, prints
 * what came of each, and ends by itself.
 */
import { dlopen } from "bun:ffi";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import { adopt, type Device, deleteDevice, listDevices, openTap, openTun, TunTapError } from "../../src/index.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd } from "../../src/sys/tun.ts";
import type { ChildReport, ChildRequest, Outcome } from "./in-child.ts";

// include/uapi/asm-generic/resource.h
const RLIMIT_NOFILE = 7;
const HIGHEST = 4096;

function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof Error)) return { error: { type: "?", message: String(error) } };
  const known = error instanceof TunTapError ? error : undefined;
  const { code, errno, syscall, hint, option } = known ?? {};
  const type = known === undefined ? error.constructor.name : "TunTapError";
  return { error: { type, message: error.message, code, errno, syscall, hint, option } };
}

function attempt<T>(call: () => T): { result?: T; error?: unknown } {
  try {
    return { result: call() };
  } catch (error) {
    return { error };
  }
}

function open({ call, options, fd = -1 }: ChildRequest): Device {
  return call === "adopt" ? adopt(fd, options) : call === "openTap" ? openTap(options) : openTun(options);
}

/** The next packet that is none of those that IPv6 sends unasked. */
async function receiveIPv4(device: Device): Promise<Uint8Array | null> {
  const signal = AbortSignal.timeout(30_000);
  for (let frames = 0; frames < 100; frames++) {
    const packet = await device.receive({ signal });
    if (packet === null || (packet[0] as number) >> 4 === 4) return packet;
  }
  return null;
}

let lines: AsyncIterator<string> | undefined;

/** Until {@link inChildWhile} has done what is to be done meanwhile. */
async function pause(): Promise<null> {
  console.log("paused");
  lines ??= console[Symbol.asyncIterator]();
  await lines.next();
  return null;
}

/** Steps that are no members of the device. */
const functions: Readonly<Record<string, (...args: never[]) => unknown>> = { pause, listDevices, deleteDevice };

async function step(device: Device, [name, ...args]: readonly [string, ...unknown[]]): Promise<Outcome> {
  try {
    if (name in functions) return { value: (await functions[name]?.(...(args as never[]))) ?? null };
    if (name === "send") return { value: device.send(Uint8Array.fromHex(String(args[0]))) };
    if (name === "receive") return { value: (await receiveIPv4(device))?.toHex() ?? null };
    const member = device[name as keyof Device] as unknown;
    const value: unknown = typeof member === "function" ? member.apply(device, args) : member;
    return { value: value ?? null };
  } catch (error) {
    return outcomeOf(error);
  }
}

function fds(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    const target = attempt(() => readlinkSync(`/proc/self/fd/${fd}`)).result;
    return target === undefined ? [] : [`${fd} -> ${target}`];
  });
}

const libc = dlopen("libc.so.6", { setrlimit: { args: ["i32", "ptr"], returns: "i32" } });

function limitFds(files: number): void {
  const failed = libc.symbols.setrlimit(RLIMIT_NOFILE, new BigUint64Array([BigInt(files), BigInt(HIGHEST)]));
  if (failed !== 0) throw new Error("setrlimit failed");
}

/** Runs `call` while exactly `left` fds can be opened. */
function withFdsLeft<T>(left: number, call: () => T): T {
  // open(2) gives the lowest free number: fill the gaps, so that only those behind the last are free.
  const top = Math.max(...readdirSync("/proc/self/fd").map(Number));
  const fillers = [openSync("/dev/null", "r")];
  while ((fillers.at(-1) as number) < top) fillers.push(openSync("/dev/null", "r"));
  limitFds((fillers.at(-1) as number) + 1 + left);
  try {
    return call();
  } finally {
    limitFds(HIGHEST);
    for (const fd of fillers) closeSync(fd);
  }
}

const request = JSON.parse(process.argv.at(-1) ?? "{}") as ChildRequest;
const { fdsLeft, compiled = true, steps = [], tries = 1 } = request;
// The first call of the shim compiles it, which takes fds, too.
if (compiled) attempt(() => closeFd(openClone("/dev/net/tun")));

const before = new Set(fds());
const opened: Outcome[] = [];
const outcomes: Outcome[] = [];
for (let i = 0; i < tries; i++) {
  const tried = (): ReturnType<typeof attempt<Device>> => attempt(() => open(request));
  const { result: device, error } = fdsLeft === undefined ? tried() : withFdsLeft(fdsLeft, tried);
  opened.push(device === undefined ? outcomeOf(error) : { value: device.name });
  if (device !== undefined) for (const wanted of steps) outcomes.push(await step(device, wanted));
  device?.close();
}
const left = fds().filter((fd) => !before.has(fd));
const report: ChildReport = { opened: opened[0] as Outcome, outcomes, left };
if (request.again) {
  const { result: device, error } = attempt(() => open(request));
  report.again = device === undefined ? outcomeOf(error) : { value: device.name };
  device?.close();
}
console.log(JSON.stringify(report));
