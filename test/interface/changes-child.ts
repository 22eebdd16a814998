/** What the tests of changes run in a process of its own: one way of listening, named by the argument. Stdin's end is the end. */
import { closeSync, openSync, readdirSync } from "node:fs";
import { type Device, openTap, openTun, TunTapError } from "../../src/index.ts";
import { textOf } from "../support/namespaces.ts";

const devices: Device[] = [];
const tell = (device: Device, text: string): void => console.log(`${device.name} ${text}`);

async function iterate(device: Device): Promise<void> {
  for await (const change of device.changes()) tell(device, textOf(change));
}

/** A device with listeners of both kinds. */
function listening(name: string, open: typeof openTun | typeof openTap = openTun): Device {
  const device = open({ name, ipv6: false, change: (it: Device, change) => tell(it, textOf(change)) });
  devices.push(device);
  void iterate(device);
  return device;
}

/** Fills the table of fds but for `left` places, while `use` runs. */
function withFdsLeft<T>(left: number, use: () => T): T {
  const fillers: number[] = [];
  try {
    for (;;) fillers.push(openSync("/dev/null", "r"));
  } catch {
    for (const fd of fillers.splice(0, left)) closeSync(fd);
  }
  try {
    return use();
  } finally {
    for (const fd of fillers) closeSync(fd);
  }
}

function tryOrUndefined(use: () => Device | undefined): string {
  try {
    use()?.close();
    return "done";
  } catch (error) {
    return error instanceof TunTapError ? `${error.code}: ${error.hint}` : String(error);
  }
}

const ways: Record<string, () => void> = {
  listening: () => void listening("ch0"),
  "unref()": () => listening("ch0").unref(),
  /** Something else keeps the process alive until a change is told. */
  "unref(), told"() {
    const alive = setInterval(() => {}, 1000);
    const device = openTun({
      change(it, change) {
        tell(it, textOf(change));
        clearInterval(alive);
      },
    });
    device.unref();
    device.setMtu(1400);
  },
  idle: () => ["ch0", "ch1"].forEach((name, i) => void listening(name, i === 0 ? openTun : openTap).up()),
  "a handler that throws"() {
    const tun = openTun({
      change() {
        throw new Error("boom");
      },
    });
    process.on("uncaughtException", (error) => {
      console.log("uncaught", error.message);
      process.exit(7);
    });
    tun.setMtu(1400);
  },
  /** Prints what comes of both ways of listening with 0, 1, 2 … fds left, and whether any fd is left over. */
  "few fds"() {
    const tun = openTun();
    const fds = (): number => readdirSync("/proc/self/fd").length;
    const before = fds();
    for (let left = 0; left < 12; left++) {
      const handler = withFdsLeft(left, () => tryOrUndefined(() => openTun({ change() {} })));
      const changes = withFdsLeft(left, () => tryOrUndefined(() => void tun.changes().return?.()));
      console.log(JSON.stringify({ left, handler, changes, leaked: fds() - before - (changes === "done" ? 1 : 0) }));
    }
    tun.close();
  },
};

process.stdin.on("data", () => {});
process.stdin.on("end", () => {
  for (const device of devices) device.close();
});
process.stdin.unref?.();
ways[process.argv[2] as string]?.();
console.log("open");
