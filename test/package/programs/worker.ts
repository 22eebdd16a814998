/**
 * A Worker with a TUN device of its own, on the /30 network of its number. It
 * says "ready", receives as many datagrams as it is told, says which, closes
 * the device, and has nothing left to live for.
 */
import { workerData } from "node:worker_threads";
import { openTun } from "../../../src/index.ts";
import { parseIPv4 } from "../../../src/packet/index.ts";

/** What a Worker is to do. */
export interface Task {
  number: number;
  /** Datagrams to receive; Infinity: until it is terminated. */
  count: number;
  /** Who sends them: the Worker itself, or somebody else once it is ready. */
  sends: boolean;
}

/** What it says: "ready" first, then what it received. */
export interface Said {
  name: string;
  received?: string[];
}

/** The neighbour on the network of that Worker's device. */
export function neighbourOf(number: number): string {
  return `198.51.100.${4 * number + 2}`;
}

declare function postMessage(message: Said): void;

if (!Bun.isMainThread) {
  const { number, count, sends } = workerData as Task;
  using tun = openTun({ addresses: [`198.51.100.${4 * number + 1}/30`] });
  postMessage({ name: tun.name });
  if (sends) {
    const socket = await Bun.udpSocket({});
    for (let i = 0; i < count; i++) socket.send(`${i} for ${number}`, 9, neighbourOf(number));
    socket.close();
  }
  const received: string[] = [];
  for await (const packet of tun) {
    received.push(new TextDecoder().decode(parseIPv4(packet).payload.subarray(8)));
    if (received.length === count) break;
  }
  postMessage({ name: tun.name, received });
}
