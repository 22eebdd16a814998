/** Terminates a Worker whose devices are still being closed by the shim's thread; prints "gone" once all of them are. */
import { readFileSync } from "node:fs";
import { openTun } from "../../../src/index.ts";
import { interfaceNames, openFds, until } from "../../support/system.ts";

declare function postMessage(message: string): void;

/** Returns what the shim opens: devices, and the queues and eventfds of its threads. */
const ours = (): string[] => openFds(/\/net\/tun$|\[event(fd|poll)\]$|pipe:/);

/** Not by netlink, which waits for the lock that the closing thread takes again and again. */
const areThere = (): boolean => readFileSync("/proc/self/net/dev", "latin1").includes("worker");

if (Bun.isMainThread) {
  // Runs a command: Bun keeps an event loop for that from the first one on.
  interfaceNames();
  const before = ours().length;
  const worker = new Worker(import.meta.path);
  await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  // Most of them: closing one takes tens of milliseconds.
  console.log(areThere() ? "there" : "gone already");
  worker.terminate();
  await until(() => !areThere(), "the interfaces are gone", 20_000);
  await until(() => ours().length <= before, "every fd is closed", 20_000);
  console.log("gone");
} else {
  const devices = Array.from({ length: 30 }, () => openTun({ name: "worker%d" }));
  for (const device of devices) void device[Symbol.asyncDispose]();
  postMessage("closing");
  setInterval(() => {}, 1000);
}
