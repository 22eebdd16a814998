/**
 * bun bench/lan-growth.ts [--rounds N] [--write]
 *
 * What a LAN of several hubs costs as it grows: the hubs' own code on a bus in memory, without sockets and clients. Prints
 * tables; with --write they replace a section of bench/results/lan.md.
 */
import { parseArgs } from "node:util";
import { pack } from "../apps/switch/framing.ts";
import { Port } from "../apps/switch/learning-switch.ts";
import { frameOf, type SimulatedHub, SimulatedLan } from "../test/apps/switch-bus.ts";
import { median } from "./median.ts";
import { tableOf, writeSection } from "./section.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, write: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);

const HUBS = [1, 2, 4, 8, 16, 32] as const;
const MACS = [1000, 10_000, 100_000] as const;
/** Frames in one message of a client: a batch of its TAP. */
const BATCH = 32;
const BATCHES = 300;
const LENGTH = 1400;
const BROADCAST = 0xffffffffffff;
const FIRST_MAC = 0x0200_0000_0000;

/** A client that counts what it gets. */
class Client {
  bytes = 0;
  readonly hub: SimulatedHub;
  readonly port: Port = new Port((message) => {
    this.bytes += message.length;
    return true;
  });

  constructor(hub: SimulatedHub) {
    this.hub = hub;
    hub.lan.attach(this.port);
    hub.backbone.clientsChanged();
  }

  send(message: Uint8Array): void {
    this.hub.lan.receive(this.port, message);
  }
}

interface Built {
  readonly lan: SimulatedLan;
  readonly clients: readonly Client[];
  readonly joinMs: number;
  readonly goneMs: number;
  readonly bytesPerMac: number;
}

/** Hubs with a client each, that share so many addresses; and what it takes to come into such a LAN, and to leave it. */
async function build(hubs: number, macs: number): Promise<Built> {
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  const lan = await SimulatedLan.of(hubs);
  const clients = lan.hubs.map((hub) => new Client(hub));
  const each = Math.floor(macs / hubs);
  clients.forEach((client, i) => {
    for (let n = 0; n < each; n += BATCH) {
      const frames = Array.from({ length: Math.min(BATCH, each - n) }, (_, k) => macOf(i * each + n + k));
      client.send(messageOf(frames.map((mac) => frameOf(mac, mac))));
    }
    lan.settle();
  });
  Bun.gc(true);
  const bytesPerMac = (process.memoryUsage().heapUsed - before) / hubs / macs;
  const since = cpuNs();
  const late = await lan.add("late");
  const joinMs = (cpuNs() - since) / 1e6;
  if (late.lan.table.size !== each * hubs) throw new Error(`It knows ${late.lan.table.size} addresses`);
  const [peer] = late.backbone.roster.peers.values();
  const left = cpuNs();
  if (peer !== undefined) late.backbone.roster.leave(peer, "measured");
  const goneMs = (cpuNs() - left) / 1e6;
  late.backbone.close();
  lan.hubs.pop();
  lan.settle();
  return { lan, clients, joinMs, goneMs, bytesPerMac };
}

/** CPU time of this process, in nanoseconds. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system);
}

function messageOf(frames: Uint8Array[]): Uint8Array {
  const messages: Uint8Array[] = [];
  pack(frames, (message) => void messages.push(new Uint8Array(message)));
  return messages[0] as Uint8Array;
}

function macOf(index: number): number {
  return FIRST_MAC + index;
}

interface Cost {
  /** Nanoseconds a frame at the hub that it comes from, and at each that it goes to. */
  readonly out: number;
  readonly in: number;
  readonly messages: number;
}

/** Sends frames of one client to destinations, and takes the time on both sides. */
async function measure({ lan, clients }: Built, destinationOf: (n: number) => number): Promise<Cost> {
  const [client] = clients as [Client];
  const { sender } = client.hub.backbone;
  const batches = Array.from({ length: BATCHES }, (_, batch) =>
    messageOf(
      Array.from({ length: BATCH }, (_, i) => {
        const n = batch * BATCH + i;
        const frame = frameOf(destinationOf(n), FIRST_MAC, 0, LENGTH);
        // No two are alike.
        new DataView(frame.buffer).setUint32(24, n);
        return frame;
      }),
    ),
  );
  for (const each of clients) each.bytes = 0;
  let [outNs, inNs, messages] = [0, 0, 0];
  for (const batch of batches) {
    const start = cpuNs();
    client.send(batch);
    sender.flush();
    const sent = cpuNs();
    messages += lan.broker.deliver();
    inNs += cpuNs() - sent;
    outNs += sent - start;
    // Confirmations come.
    lan.settle();
    await new Promise(setImmediate);
    lan.now += 1;
  }
  const frames = BATCH * BATCHES;
  const received = clients.slice(1).reduce((sum, { bytes }) => sum + bytes, 0) / (LENGTH + 2);
  const dropped = client.hub.backbone.summary().dropped.backPressure;
  if (dropped > 0) throw new Error(`${dropped} frames were dropped`);
  return { out: outNs / frames, in: received === 0 ? 0 : inNs / received, messages: messages / BATCHES };
}

/** Milliseconds of a second that a hub spends on signs of life, its own and those of the others. */
function idleMs({ lan }: Built): number {
  const start = cpuNs();
  lan.pass(5000);
  return (cpuNs() - start) / 1e6 / 5 / lan.hubs.length;
}

const of = (samples: readonly number[], digits = 0): string => median([...samples]).toFixed(digits);

async function rowOf(hubs: number, macs: number): Promise<string[]> {
  const built = await build(hubs, macs);
  const each = Math.floor(macs / hubs);
  const other = macOf(hubs === 1 ? 1 : each);
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return macOf(hubs === 1 ? seed % each : each + (seed % (each * (hubs - 1))));
  };
  const costs: Record<"one" | "many" | "all", Cost[]> = { one: [], many: [], all: [] };
  const idle: number[] = [];
  for (let round = 0; round < rounds; round++) {
    costs.one.push(await measure(built, () => other));
    costs.many.push(await measure(built, random));
    costs.all.push(await measure(built, () => BROADCAST));
    idle.push(idleMs(built));
  }
  const cost = (samples: readonly Cost[]): string =>
    `${of(samples.map((sample) => sample.out))} + ${of(samples.map((sample) => sample.in))}`;
  return [
    String(hubs),
    macs.toLocaleString("en"),
    cost(costs.one),
    cost(costs.many),
    of(
      costs.many.map(({ messages }) => messages),
      1,
    ),
    cost(costs.all),
    of(idle, 2),
    built.joinMs.toFixed(1),
    built.goneMs.toFixed(2),
    built.bytesPerMac.toFixed(0),
  ];
}

const rows: string[][] = [];
for (const hubs of HUBS) for (const macs of MACS) rows.push(await rowOf(hubs, macs));
const head = [
  "hubs",
  "MACs",
  "unicast to one MAC, ns",
  "unicast to random MACs, ns",
  "messages of 32 such",
  "broadcast, ns",
  "signs of life, ms/s",
  "join, ms",
  "hub gone, ms",
  "bytes/MAC",
];
const table = tableOf(head, rows);
console.log(table);

const file = new URL("results/lan.md", import.meta.url);
const TITLE = "A LAN of several hubs";

/** 1,000 hubs, which no simulation here has: from the lengths of messages and the costs above. */
const PAPER = `With 1,000 hubs of 100 addresses, from the costs above and the lengths of messages in the code:

| Part | Grows with | At 1,000 hubs | Breaks |
| --- | --- | --- | --- |
| Signs of life, at NATS | hubs² | 1,000 · 999 · 2 a second of 2.7 KB: 5.4 GB/s out of the servers | **first**: one server of 1 GB/s is full at some 430 hubs |
| Signs of life, at a hub | hubs | 2,000 a second of 2.7 KB: 5.4 MB/s, 12 µs each to check: 2.5 % of a core | no |
| Number of hubs that a hub takes in | – | 1,024 | the next thing: it is a constant |
| All come again after all NATS servers were away | hubs² | a million tables of 0.7 KB: 0.7 GB, and 50 ms of CPU time a hub | no, but for seconds |
| A broadcast of 1,400 bytes | hubs, at NATS | 999 copies: 1.4 MB; 700 a second fill a server of 1 GB/s | with the stations, not with the hubs |
| The MAC table | addresses | 100,000 at 150 to 210 bytes: some 20 MB | no |
| A unicast | nothing | one message, one receiver | no |

Reports of loss take turns, 64 in a sign of life, so that it stays below 3 KB; without that it would be 40 KB. What would move the limit: signs of life less often the more hubs there are, or to some hubs that pass them on.`;

if (values.write) {
  const text = `\`bun bench/lan-growth.ts --write\`, ${new Date().toISOString().slice(0, 10)}, medians of ${rounds} rounds on a machine that did other work, too. A cost is that of a frame of ${LENGTH} bytes, in batches of ${BATCH}, at the hub that it comes from + at each hub that it goes to; CPU time of this process, without sockets, with one copy by the bus. "Join" is the CPU time of all hubs together.

${table}

A table that grows costs cache misses, and nothing else: a Map finds an address in the same number of steps. With the number of hubs grow: what random destinations cost, as each hub gets a message of its own, and signs of life. A broadcast costs its hub the same, however many hubs there are, as NATS makes the copies.`;
  writeSection(file, TITLE, "Growth, simulated", text);
  writeSection(file, TITLE, "Growth, on paper", PAPER);
}
