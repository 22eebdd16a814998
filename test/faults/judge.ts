/** What a run of a scenario has left behind, and whether another device of the same thread still works. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openTun, type Tun } from "../../src/index.ts";
import { bystanderRequest, isAnswer } from "./packets.ts";
import { PATIENCE_MS, type World } from "./scenario.ts";

/** Everything that must be the same after a run as before. */
export function resources({ other, folder }: World): string[] {
  return [
    ...fds(),
    ...interfaces("thread-self", "here"),
    ...interfaces(`${other}`, "elsewhere"),
    ...threads(),
    ...files(folder),
    ...rings(),
    ...zombies(),
  ];
}

/** Returns what each fd leads to, without numbers: which is free may differ. */
function fds(): string[] {
  return openFds().map(([, target]) => `fd of ${target.replace(/:\[\d+\]/, "")}`);
}

export function openFds(): [number, string][] {
  return readdirSync("/proc/self/fd").flatMap((fd): [number, string][] => {
    try {
      return [[Number(fd), readlinkSync(`/proc/self/fd/${fd}`)]];
    } catch {
      return [];
    }
  });
}

function interfaces(process: string, where: string): string[] {
  const lines = readFileSync(`/proc/${process}/net/dev`, "latin1").split("\n").slice(2, -1);
  return lines.map((line) => `interface ${line.split(":")[0]?.trim()} ${where}`);
}

/** Threads by their names; those of Bun's pool come and go as it likes. */
function threads(): string[] {
  return readdirSync("/proc/self/task").flatMap((task) => {
    try {
      const name = readFileSync(`/proc/self/task/${task}/comm`, "latin1").trim();
      return /^bun$/.test(name) ? [`thread ${name}`] : [];
    } catch {
      return [];
    }
  });
}

function files(folder: string): string[] {
  return readdirSync(folder).map((file) => `file ${file}`);
}

/** Contexts of kernel AIO, each of which has a ring of its own. */
function rings(): string[] {
  const maps = readFileSync("/proc/self/maps", "latin1").split("\n");
  return maps.filter((line) => line.includes("[aio]")).map(() => "ring of AIO");
}

/** Children that have ended and that nobody has waited for. */
function zombies(): string[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "latin1").trim();
  return children.split(" ").flatMap((child) => {
    try {
      return / Z /.test(readFileSync(`/proc/${child}/stat`, "latin1")) ? ["zombie"] : [];
    } catch {
      return [];
    }
  });
}

/** Counts the mappings of this process. */
export function mappings(): number {
  return readFileSync("/proc/self/maps", "latin1").split("\n").length - 1;
}

/** Returns what is in `now` and not in `before`, and the other way round. */
export function difference(before: readonly string[], now: readonly string[]): string[] {
  const left = [...now];
  const gone: string[] = [];
  for (const each of before) {
    const at = left.indexOf(each);
    if (at < 0) gone.push(each);
    else left.splice(at, 1);
  }
  return [...left.map((each) => `left: ${each}`), ...gone.map((each) => `gone: ${each}`)];
}

/** What the waiting thread holds, which takes over where AIO is refused. */
export const waitingThread: readonly string[] = ["left: thread bun", "left: fd of anon_inode:[eventfd]"];

/**
 * The difference to `before` that stays, but for what `isHarmless` knows: streams of Bun let go of what they hold a moment
 * later.
 */
export async function settledDifference(
  before: readonly string[],
  world: World,
  isHarmless: (each: string) => boolean = () => false,
): Promise<string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = difference(before, resources(world)).filter((each) => !isHarmless(each));
    if (found.length === 0 || performance.now() > deadline) return found;
    await Bun.sleep(5);
  }
}

/** The other device. */
export class Bystander implements Disposable {
  readonly #device: Tun;
  /** The fds of the device alone. */
  readonly fds: readonly number[];
  #sent = 0;
  #answers = 0;

  constructor() {
    const before = new Set(openFds().map(([fd]) => fd));
    this.#device = openTun({
      addresses: ["203.0.113.1/24"],
      ipv6: false,
      data: (_device, frames) => {
        this.#answers += frames.filter((frame) => isAnswer(frame)).length;
      },
    });
    const sockets = openFds().filter(([fd, target]) => !before.has(fd) && target.startsWith("socket:"));
    this.fds = [this.#device.fd, ...sockets.map(([fd]) => fd)];
  }

  /** Sends a packet of which the answer arrives meanwhile. */
  poke(): void {
    if (!this.#device.closed && this.#device.send(bystanderRequest)) this.#sent++;
  }

  /** Returns what is wrong with it, or undefined: each packet is answered, the last as the first. */
  async complaint(): Promise<string | undefined> {
    const deadline = performance.now() + PATIENCE_MS;
    this.poke();
    while (this.#answers < this.#sent) {
      if (this.#device.closed) return `the bystander has closed: ${this.#device.closeReason?.message}`;
      if (performance.now() > deadline) return "the bystander is silent";
      await Bun.sleep(1);
    }
    // Asked over its socket, which somebody may have closed for another of that number.
    return this.#device.isUp ? undefined : "the bystander has closed, or is down";
  }

  [Symbol.dispose](): void {
    this.#device.close();
  }
}
