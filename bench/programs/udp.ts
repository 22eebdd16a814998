/**
 * udp.ts send [--bun] [--single] ADDRESS PORT SIZE PEERS SECONDS
 * udp.ts receive [--bun] [--single] PORT PEERS SECONDS SECONDS_MAX
 *
 * What udp.c does, with this library, or with --bun with Bun.udpSocket. --single: without segmentation. --cold: counts
 * from the start. --each: of send, to several peers: a call for each datagram.
 */
import { parseArgs } from "node:util";
import { openUdp } from "../../src/udp/index.ts";

const { values, positionals } = parseArgs({
  options: {
    bun: { type: "boolean" },
    single: { type: "boolean" },
    cold: { type: "boolean" },
    each: { type: "boolean" },
    run: { type: "string", default: "1" },
    turns: { type: "string", default: "1" },
  },
  allowPositionals: true,
});
const [mode, ...rest] = positionals;
/** Datagrams to each of several peers in turn. */
const run = Number(values.run);
/** Times that each of several peers has its turn in one call. */
const turns = Number(values.turns);
const segmentation = values.single !== true;
const seconds = Number(mode === "send" ? rest[4] : rest[2]);
/** Datagrams of one call: as many as UDP_SEGMENT takes. */
const batchOf = (size: number): number => Math.min(64, Math.floor(65_507 / size));
/** Time before anything is counted: the engine compiles in the background for a second or two. */
const WARM_MS = values.cold ? 0 : 2000;
/** The time that the event loop waits for its turn while this sends. */
const TURN_MS = 5;

let [datagrams, bytes, started, began] = [0, 0, 0, 0];
let calls = (): number => Number.NaN;
let callsBefore = 0;
let cpuBefore = process.cpuUsage();

/** Begins to count once it is warm, and ends the program when the time is over. */
function lookAtClock(): void {
  const now = performance.now();
  started ||= now;
  if (began === 0 && now - started > WARM_MS) {
    began = now;
    [datagrams, bytes] = [0, 0];
    callsBefore = calls();
    cpuBefore = process.cpuUsage();
  }
  if (began === 0 || now - began < seconds * 1000) return;
  const { user, system } = process.cpuUsage(cpuBefore);
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const result = { datagrams, bytes, calls: calls() - callsBefore, seconds: (now - began) / 1000 };
  console.log(JSON.stringify({ ...result, cpuSeconds: (user + system) / 1e6, peakMb }));
  process.exit(0);
}

function count(received: readonly Uint8Array[]): void {
  datagrams += received.length;
  for (let i = 0; i < received.length; i++) bytes += (received[i] as Uint8Array).length;
  lookAtClock();
}

/** Calls `send` again and again, with turns for the event loop. */
async function sendForEver(send: () => number): Promise<never> {
  console.log("ready");
  for (;;) {
    for (const end = performance.now() + TURN_MS; performance.now() < end; ) datagrams += send();
    lookAtClock();
    await new Promise(setImmediate);
  }
}

async function send(address: string, port: number, size: number, peers: number): Promise<void> {
  const datagram = new Uint8Array(size);
  // One behind the other, as what was received from a device is, or what was sealed into one buffer.
  const buffer = new Uint8Array(8 + batchOf(size) * size);
  const batch = Array.from({ length: batchOf(size) }, (_, i) => buffer.subarray(8 + i * size, 8 + (i + 1) * size));
  const ports = Array.from({ length: peers }, (_, i) => port + i);
  if (values.bun) {
    if (peers === 1) {
      const socket = await Bun.udpSocket({ connect: { hostname: address, port } });
      return sendForEver(() => socket.sendMany(batch));
    }
    const socket = await Bun.udpSocket({});
    const once = ports.flatMap((to) => Array.from({ length: run }, () => [datagram, to, address])).flat();
    const packets = Array.from({ length: turns }, () => once).flat();
    return sendForEver(() => socket.sendMany(packets));
  }
  if (peers === 1) {
    const socket = openUdp({ peer: { address, port }, segmentation });
    calls = () => socket.counters().sendCalls;
    return sendForEver(() => socket.sendMany(batch));
  }
  const socket = openUdp({ address: "0.0.0.0", segmentation });
  calls = () => socket.counters().sendCalls;
  const to = ports.map((each) => socket.endpoint(address, each));
  if (run > 1) {
    const each = batch.slice(0, run);
    return sendForEver(() => to.reduce((sum, endpoint) => sum + socket.sendMany(each, endpoint), 0));
  }
  if (!values.each) {
    const inTurn = Array.from({ length: turns }, () => to).flat();
    const same = inTurn.map(() => datagram);
    return sendForEver(() => socket.sendMany(same, inTurn));
  }
  return sendForEver(() => {
    for (const endpoint of to) socket.send(datagram, endpoint);
    return to.length;
  });
}

async function receive(port: number, peers: number): Promise<void> {
  const ports = Array.from({ length: peers }, (_, i) => port + i);
  if (values.bun) {
    const data = (_: unknown, received: Uint8Array): void => {
      datagrams++;
      bytes += received.length;
      if (datagrams % 64 === 0) lookAtClock();
    };
    await Promise.all(ports.map(async (each) => Bun.udpSocket({ port: each, socket: { data } })));
  } else {
    const sockets = ports.map((each) =>
      openUdp({
        ...{ address: "0.0.0.0", port: each, receiveBuffer: 4 << 20, segmentation, reuseBuffers: true },
        data: (_, received) => count(received),
      }),
    );
    calls = () => sockets.reduce((sum, socket) => sum + socket.counters().receiveCalls, 0);
  }
  console.log("ready");
  setTimeout(() => process.exit(1), Number(rest[3]) * 1000);
}

if (mode === "send") await send(rest[0] as string, Number(rest[1]), Number(rest[2]), Number(rest[3]));
else await receive(Number(rest[0]), Number(rest[1]));
