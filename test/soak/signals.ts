/**
 * 10,000 signals a second, which interrupt every call that can be, while
 * devices carry traffic, are referenced and unreferenced, handed over, and wait
 * for addresses. Nothing may fail, end or stand still.
 *
 *     sudo bun test/soak/signals.ts [--seconds N] [--rate N]
 */
import "../support/preload.ts";
import { cc } from "bun:ffi";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { handOver, openTap, openTun, takeOver } from "../../src/index.ts";
import { echoRequest, isAnswer } from "../faults/packets.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    rate: { type: "string", default: "10000" },
    /** The process that gets the signals: given to the one that sends them. */
    to: { type: "string" },
  },
});

/** Sends signals to a process and to its first thread in turn. */
const senderSource = `
extern void *dlsym(void *handle, const char *name);
int send_signals(int pid, int count) {
  int (*kill)(int, int) = dlsym(0, "kill");
  long (*syscall)(long, ...) = dlsym(0, "syscall");
  int i;
  for (i = 0; i < count; i++) {
    if ((i & 1 ? kill(pid, 12) : (int)syscall(${process.arch === "arm64" ? 131 : 234}L, (long)pid, (long)pid, 12L)) < 0)
      return i;
  }
  return i;
}
`;

/** Sends until the process is gone; prints how many. */
function sendSignals(pid: number): void {
  const folder = mkdtempSync("/tmp/bun-tuntap-signals-");
  const source = `${folder}/signals.c`;
  writeFileSync(source, senderSource);
  const { symbols } = cc({
    source,
    flags: ["-nostdlib"],
    symbols: { send_signals: { args: ["i32", "i32"], returns: "i32" } },
  });
  rmSync(folder, { recursive: true });
  const slices = 100;
  const rate = Number(values.rate);
  const started = performance.now();
  let sent = 0;
  for (let slice = 1; slice <= slices * Number(values.seconds); slice++) {
    const due = Math.floor((rate * slice) / slices) - sent;
    const now = symbols.send_signals(pid, due);
    sent += now;
    if (now < due) break;
    const early = (1000 * slice) / slices - (performance.now() - started);
    if (early > 0) Bun.sleepSync(early);
  }
  console.log(sent);
}

/** Longer than anything of this takes on a busy machine. */
const PATIENCE_MS = 30_000;

const patience = (): AbortSignal => AbortSignal.timeout(PATIENCE_MS);

/** Sends pings until `isOver`, each as soon as the one before is answered. */
async function traffic(isOver: () => boolean): Promise<number> {
  let answers = 0;
  let next = Promise.withResolvers<void>();
  using device = openTun({
    addresses: ["192.0.2.1/24"],
    ipv6: false,
    data: (_device, frames) => {
      answers += frames.filter((frame) => isAnswer(frame)).length;
      next.resolve();
    },
  });
  // Only what is ref'd counts, which is to be the device that toggles.
  device.unref();
  while (!isOver()) {
    next = Promise.withResolvers();
    device.send(echoRequest);
    const lost = setTimeout(() => next.reject(new Error(`no answer came; closed: ${device.closeReason}`)), PATIENCE_MS);
    await next.promise;
    clearTimeout(lost);
  }
  return answers;
}

/** Changes the way in which the event loop listens, which asks the kernel whether a poll is still pending. */
async function toggling(isOver: () => boolean): Promise<number> {
  let count = 0;
  using device = openTun();
  for (; !isOver(); count++) {
    if (count % 2 === 0) device.unref();
    else device.ref();
    await new Promise((resolve) => setImmediate(resolve));
    if (device.closed) throw new Error(`the device has ended: ${device.closeReason}`);
  }
  return count;
}

/** Closing an interface blocks for some 30 ms: what is to be interrupted needs the time in between. */
const PAUSE_MS = 300;

/** Hands a device over, and receives from it. */
async function handing(isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; !isOver(); count++) {
    const path = `@bun-tuntap-signals-${process.pid}-${count}`;
    const signal = patience();
    using device = openTun({ addresses: ["198.51.100.1/24"], ipv6: false });
    const given = handOver(device, { path, signal, allow: ({ pid }) => pid === process.pid });
    using taken = await takeOver(path, { signal });
    taken.unref();
    await given;
    if (!device.closed || taken.closed) throw new Error("the device was not handed over");
    await Bun.sleep(PAUSE_MS);
  }
  return count;
}

/** Waits for the end of duplicate address detection. */
async function waiting(isOver: () => boolean): Promise<number> {
  let count = 0;
  for (; !isOver(); count++) {
    using tap = openTap({ up: true });
    tap.unref();
    await tap.addAddress("2001:db8::1/64", { untilUsable: true, signal: patience() });
  }
  return count;
}

async function main(): Promise<void> {
  let handled = 0;
  process.on("SIGUSR2", () => void handled++);
  const options = ["--to", `${process.pid}`, "--seconds", values.seconds, "--rate", values.rate];
  const sender = Bun.spawn([process.execPath, import.meta.path, ...options], { stdin: "ignore", stdout: "pipe" });
  let over = false;
  void sender.exited.then(() => {
    over = true;
  });
  const isOver = (): boolean => over;
  const sent = sender.stdout.text();
  const toggled = toggling(isOver);
  // First alone: what is interrupted while nothing comes is not cleared away by what comes.
  const quiet = Promise.withResolvers<void>();
  setTimeout(quiet.resolve, (Number(values.seconds) * 1000) / 3);
  await Promise.race([quiet.promise, toggled]);
  const all = [traffic(isOver), toggled, handing(isOver), waiting(isOver)];
  const [pings, toggles, handOvers, waits] = await Promise.all(all);
  console.log(JSON.stringify({ signals: Number(await sent), handled, pings, toggles, handOvers, waits }));
}

if (values.to === undefined) await main();
else sendSignals(Number(values.to));
