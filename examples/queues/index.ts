/**
 * sudo bun examples/queues/index.ts               a Worker for each core
 * sudo bun examples/queues/index.ts --workers 4   as many as are named
 * sudo bun examples/queues/index.ts --seconds 10  longer than the 3 seconds of the default
 * bun build --compile examples/queues/index.ts examples/queues/relay.ts --outfile queues && sudo ./queues
 *
 * A relay between two network namespaces that is shared by Workers: each has a
 * queue of both interfaces, and the kernel spreads the flows over the queues.
 * iperf3 sends eight flows through it. Both namespaces are made for this run,
 * and gone at the end.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { openTun, type Tun, TunTapError } from "../../src/index.ts";
import { enterOwnNamespace } from "../support/own-namespace.ts";
import type { Task } from "./relay.ts";

const usage = `Usage: sudo bun examples/queues/index.ts [--workers N] [--seconds N]

A relay between two network namespaces of its own, shared by Workers.

  --workers N  1 to 64; default: one for each core
  --seconds N  that iperf3 sends, 1 to 60; default 3
  --help`;

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const settings = parseSettings();
    if (settings === "help") console.log(usage);
    return settings === "help" ? 0 : await run(settings);
  } catch (error) {
    const { code = "", message } = error as Partial<TunTapError>;
    const isUsage = code.startsWith("ERR_PARSE_ARGS") || error instanceof RangeError;
    if (!isUsage && !(error instanceof TunTapError)) throw error;
    console.error(isUsage ? `${message}\n\n${usage}` : message);
    return isUsage ? 2 : 1;
  }
}

interface Settings {
  workers: number;
  seconds: number;
}

function parseSettings(): Settings | "help" {
  const { values } = parseArgs({
    options: {
      workers: { type: "string", default: String(availableParallelism()) },
      seconds: { type: "string", default: "3" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const [workers, seconds] = [Number(values.workers), Number(values.seconds)];
  if (workers >= 1 && workers <= 64 && seconds >= 1 && seconds <= 60) return { workers, seconds };
  throw new RangeError("--workers is a number from 1 to 64, --seconds one from 1 to 60");
}

async function run({ workers, seconds }: Settings): Promise<number> {
  for (const tool of ["iperf3", "nsenter", "unshare"]) {
    if (Bun.which(tool) !== null) continue;
    console.error(`This needs ${tool}: install it with your package manager`);
    return 1;
  }
  if (!enterOwnNamespace()) {
    console.error(`This makes network namespaces, which takes root. Type\n\n  sudo ${process.execPath} ${Bun.main}`);
    return 1;
  }
  const holder = Bun.spawn(["unshare", "--net", "sh", "-c", "echo made; exec sleep 100"]);
  try {
    await holder.stdout.getReader().read();
    const options = { multiQueue: true, offload: true, ipv6: false } as const;
    using left = openTun({ ...options, name: "left0", addresses: ["192.0.2.1/24"] });
    using right = openTun({ ...options, name: "right0", netns: holder.pid, addresses: ["192.0.2.2/24"] });
    return await relay(left, right, holder.pid, { workers, seconds });
  } finally {
    holder.kill();
  }
}

async function relay(left: Tun, right: Tun, netns: number, { workers, seconds }: Settings): Promise<number> {
  const crew = await Promise.all(Array.from({ length: workers }, async () => startWorker(left, right)));
  // The two devices here are queues too, which nobody reads.
  left.setQueue(false);
  right.setQueue(false);
  console.log(`${left.name} and ${right.name} have ${left.info().queues} queues, one for each Worker`);

  const inside = ["nsenter", "--target", `${netns}`, "--net"];
  const server = Bun.spawn([...inside, "iperf3", "--server", "--one-off", "--forceflush"]);
  await server.stdout.getReader().read();
  const command = ["iperf3", "--client", "192.0.2.2", "--parallel", "8", "--time", `${seconds}`, "--json"];
  console.log(`$ ${command.join(" ")}\n`);
  const client = Bun.spawn(command);
  const { end, error } = await client.stdout.json();
  await server.exited;
  if (error !== undefined) {
    console.error(`iperf3: ${error}`);
    return 1;
  }
  const relayed = await Promise.all(crew.map(endWorker));
  relayed.forEach((packets, i) => {
    console.log(`Worker ${i}  ${String(packets).padStart(9)} packets`);
  });
  console.log(`together  ${(end.sum_received.bits_per_second / 1e9).toFixed(2)} Gbit/s in ${seconds} s`);
  return 0;
}

async function startWorker(left: Tun, right: Tun): Promise<Worker> {
  const worker = new Worker(new URL("./relay.ts", import.meta.url).href);
  using leftQueue = left.openQueue();
  using rightQueue = right.openQueue();
  const ready = nextMessage(worker);
  // Released: from here on they are the Worker's.
  worker.postMessage({ left: leftQueue.release(), right: rightQueue.release() } satisfies Task);
  await ready;
  return worker;
}

async function endWorker(worker: Worker): Promise<unknown> {
  const packets = nextMessage(worker);
  worker.postMessage("end");
  return packets;
}

async function nextMessage(worker: Worker): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.addEventListener("message", ({ data }) => resolve(data), { once: true });
  worker.addEventListener("error", ({ message }) => reject(new Error(message)), { once: true });
  return promise;
}
