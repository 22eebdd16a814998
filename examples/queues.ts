/**
 * Queues: a relay between two network namespaces that is shared by Workers. Each Worker has a queue of both interfaces,
 * and the kernel spreads the flows over the queues.
 *
 *   sudo bun examples/queues.ts [SECONDS]
 *   bun build --compile examples/queues.ts --outfile queues && sudo ./queues
 *
 * iperf3 sends eight flows through it. Both namespaces are made for this run, and gone at the end.
 */
import { availableParallelism } from "node:os";
import { adopt, type Device, openTun, type Tun } from "../src/index.ts";

/** Tasks of a Worker: file descriptors of a queue of each interface, which the Worker closes. */
interface Task {
  readonly left: number;
  readonly right: number;
}

const WORKERS = Math.min(availableParallelism(), 8);
const SECONDS = Number(process.argv[2] ?? 3);
/** The variable that tells the program that it runs in a namespace of its own. */
const INSIDE = "QUEUES_NETNS";

if (!Bun.isMainThread) relayInWorker();
else process.exitCode = process.env[INSIDE] === undefined ? startInside() : await main();

/** Starts this program again, in a network namespace of its own. */
function startInside(): number {
  const tools = ["iperf3", "nsenter", "unshare"].filter((tool) => Bun.which(tool) === null);
  if (tools.length > 0 || process.getuid?.() !== 0) {
    console.error(
      tools.length > 0 ? `This needs ${tools.join(", ")}` : "This makes network namespaces: run it as root",
    );
    return 1;
  }
  const self = Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main];
  const env = { ...process.env, [INSIDE]: "1" };
  return Bun.spawnSync(["unshare", "--net", ...self, `${SECONDS}`], { env, stdio: ["ignore", "inherit", "inherit"] })
    .exitCode;
}

async function main(): Promise<number> {
  const holder = Bun.spawn(["unshare", "--net", "sh", "-c", "echo made; exec sleep 100"]);
  try {
    await holder.stdout.getReader().read();
    const options = { multiQueue: true, offload: true, ipv6: false } as const;
    using left = openTun({ ...options, name: "left0", addresses: ["192.0.2.1/24"] });
    using right = openTun({ ...options, name: "right0", netns: holder.pid, addresses: ["192.0.2.2/24"] });
    const workers = await Promise.all(Array.from({ length: WORKERS }, () => startWorker(left, right)));
    // The two devices here are queues too, which nobody reads.
    left.setQueue(false);
    right.setQueue(false);
    console.log(`${left.name} and ${right.name} have ${left.info().queues} queues, one for each Worker`);
    const gigabits = await measure(holder.pid);
    const counts = await Promise.all(workers.map(endWorker));
    for (const [i, packets] of counts.entries()) console.log(`Worker ${i}  ${String(packets).padStart(9)} packets`);
    console.log(`together  ${gigabits.toFixed(2)} Gbit/s in ${SECONDS} s`);
    return 0;
  } finally {
    holder.kill();
  }
}

/** Sends through the relay with iperf3, and returns Gbit/s. */
async function measure(netns: number): Promise<number> {
  const inside = ["nsenter", "--target", `${netns}`, "--net"];
  const server = Bun.spawn([...inside, "iperf3", "--server", "--one-off", "--forceflush"]);
  await server.stdout.getReader().read();
  const command = ["iperf3", "--client", "192.0.2.2", "--parallel", "8", "--time", `${SECONDS}`, "--json"];
  console.log(`$ ${command.join(" ")}\n`);
  const { end, error } = await Bun.spawn(command).stdout.json();
  await server.exited;
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  return end.sum_received.bits_per_second / 1e9;
}

async function startWorker(left: Tun, right: Tun): Promise<Worker> {
  const worker = new Worker(import.meta.url);
  using leftQueue = left.openQueue();
  using rightQueue = right.openQueue();
  const ready = nextMessage(worker);
  // Released: from here on the Worker owns them.
  worker.postMessage({ left: leftQueue.release(), right: rightQueue.release() } satisfies Task);
  await ready;
  return worker;
}

async function endWorker(worker: Worker): Promise<unknown> {
  const packets = nextMessage(worker);
  worker.postMessage("end");
  return packets;
}

function nextMessage(worker: Worker): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
  worker.addEventListener("error", ({ message }) => reject(new Error(message)), { once: true });
  return promise;
}

/** The part of a Worker: relays between two queues until it is told to end, and tells how many packets it received. */
function relayInWorker(): void {
  const self = globalThis as unknown as Worker;
  let end = (): void => {};
  self.addEventListener("message", ({ data }: MessageEvent<Task | "end">) => {
    if (data === "end") return end();
    const options = { offload: true, reuseBuffers: true };
    const left: Device = adopt(data.left, { ...options, data: (_, packets) => void right.sendMany(packets) });
    const right: Device = adopt(data.right, { ...options, data: (_, packets) => void left.sendMany(packets) });
    end = () => {
      postMessage(left.counters().framesReceived + right.counters().framesReceived);
      left.close();
      right.close();
      process.exit();
    };
    postMessage("ready");
  });
}
