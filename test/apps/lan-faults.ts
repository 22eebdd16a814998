/**
 * Faults of a LAN of several hubs, in a lab: `sudo bun test/apps/lan-faults.ts --write bench/results/lan-faults.md`.
 *
 * A cluster of three NATS servers, three hubs and 30 clients. Every client reaches every other, once. Then each fault
 * meets a ping and an iperf3 between clients of different hubs: how long did nothing come, does the TCP connection live
 * on, and what is left of the fault when it is over?
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isolate } from "../../src/lab/index.ts";
import { until } from "../support/system.ts";
import { eventually, type LabClient, type LabHub, LanLab } from "./lan-lab.ts";
import { Captures, type Exchange, Exchanger, Ping, pingAllNodes, Stream } from "./lan-traffic.ts";
import type { NatsServer } from "./nats.ts";

/** The longest gap in which a fault may be mended where another hub or server is there. */
const GAP_MAX_MS = 3000;
const STREAM_BITS = 4_000_000;

/** Two clients of different hubs. */
interface Pair {
  readonly from: LabClient;
  readonly to: LabClient;
  /** The hub of `from`. */
  readonly hub: LabHub;
}

/** A fault, and how it ends. */
export interface Fault {
  readonly name: string;
  /** Brings it about; returns how to undo it. */
  begin(lan: LanLab, pair: Pair): Promise<() => Promise<void>>;
  /** Tells whether the LAN has got over it. */
  isOver?(lan: LanLab, pair: Pair): Promise<boolean>;
  /** True if the hub has no place in the LAN meanwhile. */
  readonly isDown?: boolean;
}

/** Outcome of a fault. */
export interface Outcome {
  readonly name: string;
  /** Longest time without an answer to ping, from either client. */
  readonly gapMs: number;
  readonly doubled: number;
  /** Longest time in which iperf3 sent nothing. */
  readonly stallMs: number;
  readonly alive: boolean;
  /** Milliseconds until nothing was wrong with the LAN while the fault went on. */
  readonly settledMs: number;
  /** Exchange of all after the fault. */
  readonly after: Exchange;
}

async function kill(lan: LanLab, hub: LabHub): Promise<() => Promise<void>> {
  await hub.running.end("SIGKILL");
  return () => lan.restart(hub);
}

async function killServer(lan: LanLab, number: number): Promise<() => Promise<void>> {
  const server = lan.nats[number];
  await server?.kill();
  return async () => server?.restart();
}

/** Stops a process, which keeps its connections, and lets it go on. */
async function hang(process: { signal(name: NodeJS.Signals): void }): Promise<() => Promise<void>> {
  process.signal("SIGSTOP");
  return async () => process.signal("SIGCONT");
}

/** Tells whether all clients are at other hubs. */
async function hasLeft(lan: LanLab, { hub }: Pair): Promise<boolean> {
  const places = await lan.places(lan.hubs.filter((other) => other !== hub));
  return places.size === lan.clients.length;
}

/** The number of the NATS server that a hub is connected to, by its last word about it. */
function serverOf(lan: LanLab, { running }: LabHub): number {
  const address = [...running.log.matchAll(/^nats {2}connected.* to ([\d.]+):/gm)].at(-1)?.[1];
  const number = lan.natsHosts.findIndex((host) => host.address === address);
  if (number < 0) throw new Error(`Connected to no server: ${running.log}`);
  return number;
}

/** Chance of the slow link, by a seed. */
function* chances(): Generator<number, never> {
  for (let state = 16; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** The faults, in order. Each is over before the next. */
export const faults: Readonly<Record<string, Fault>> = {
  hub: {
    name: "SIGKILL of the client's hub",
    begin: (lan, { hub }) => kill(lan, hub),
  },
  leader: {
    name: "SIGKILL of the NATS server that leads the store",
    begin: async (lan) => killServer(lan, await lan.storeLeader()),
  },
  server: {
    name: "SIGKILL of the NATS server that the hub is connected to",
    async begin(lan, { hub }) {
      const number = serverOf(lan, hub);
      const undo = await killServer(lan, number);
      await until(() => serverOf(lan, hub) !== number, "another server");
      return undo;
    },
  },
  hubHangs: {
    name: "SIGSTOP of the client's hub",
    begin: async (_, { hub }) => hang(hub.running),
    isOver: hasLeft,
    isDown: true,
  },
  serverHangs: {
    name: "SIGSTOP of the NATS server that the hub is connected to",
    async begin(lan, { hub }) {
      const number = serverOf(lan, hub);
      const undo = await hang(lan.nats[number] as NatsServer);
      await until(() => serverOf(lan, hub) !== number, "another server");
      return undo;
    },
  },
  hubCut: {
    name: "hub cut off from NATS",
    async begin(lan, { hub }) {
      const cut = lan.between(hub.host, lan.natsHosts, () => "drop");
      return async () => cut[Symbol.dispose]();
    },
    isOver: hasLeft,
    isDown: true,
  },
  clientCut: {
    name: "client cut off from its hub",
    async begin(lan, { from, hub }) {
      const cut = lan.between(from.host, [hub.host], () => "drop");
      return async () => cut[Symbol.dispose]();
    },
    isOver: async (lan, { from, hub }) => ((await lan.places()).get(from) ?? hub) !== hub,
  },
  slow: {
    name: "5 % loss and 50 ms each way between the hub and NATS",
    async begin(lan, { hub }) {
      const chance = chances();
      const slow = lan.between(hub.host, lan.natsHosts, () => (chance.next().value < 0.05 ? "drop" : { delay: 50 }));
      await Bun.sleep(5000);
      return async () => slow[Symbol.dispose]();
    },
  },
  restarts: {
    name: "all hubs restarted, one by one",
    async begin(lan) {
      for (const hub of lan.hubs) {
        await hub.running.end("SIGINT");
        await lan.restart(hub);
        await lan.settled();
      }
      return async () => {};
    },
  },
};

/** Pairs of clients of different hubs: the first of each is at the hub that has most. */
async function pairs(lan: LanLab): Promise<[Pair, Pair]> {
  const places = await lan.places();
  const count = (hub: LabHub): number => [...places.values()].filter((other) => other === hub).length;
  const [hub] = [...lan.liveHubs].sort((a, b) => count(b) - count(a)) as [LabHub];
  const here = lan.clients.filter((client) => places.get(client) === hub);
  const there = lan.clients.filter((client) => places.get(client) !== hub);
  const pair = (i: number): Pair => ({
    from: here[i % here.length] as LabClient,
    to: there[i % there.length] as LabClient,
    hub,
  });
  if (there.length === 0) {
    // By chance, or as all others have been away: when it goes, its clients spread again.
    await hub.running.end("SIGINT");
    await lan.restart(hub);
    await lan.settled();
    return await pairs(lan);
  }
  return [pair(0), pair(1)];
}

/** Brings a fault about under traffic, undoes it, and looks at what is left. */
export async function suffer(lan: LanLab, exchanger: Exchanger, fault: Fault): Promise<Outcome> {
  await lan.storeLeader();
  const [pair, second] = await pairs(lan);
  using ping = new Ping(pair.from, pair.to);
  using back = new Ping(pair.to, pair.from);
  using stream = await Stream.open(pair.from, second.to, STREAM_BITS);
  await Bun.sleep(1000);
  const began = performance.now();
  const undo = await fault.begin(lan, pair);
  const inOrder = fault.isDown ? lan.hubs.filter((hub) => hub !== pair.hub) : undefined;
  await eventually(async () => ((await fault.isOver?.(lan, pair)) === false ? undefined : true), `over: ${fault.name}`);
  await lan.settled(inOrder);
  const settledMs = Math.round(performance.now() - began);
  await Bun.sleep(500);
  await undo();
  await lan.settled();
  await Bun.sleep(500);
  const [there, here, sent] = [await ping.end(), await back.end(), await stream.end()];
  return {
    name: fault.name,
    gapMs: Math.max(there.gapMs, here.gapMs),
    doubled: there.doubled + here.doubled,
    stallMs: sent.stallMs,
    alive: sent.alive,
    settledMs,
    after: await exchanger.exchange(["IPv4", "multicast"]),
  };
}

/** Returns what is wrong with an outcome; nothing, if all is well. */
export function defectsOf({ name, gapMs, doubled, alive, after }: Outcome, gapMaxMs: number = GAP_MAX_MS): string[] {
  return [
    ...(gapMs < gapMaxMs ? [] : [`a gap of ${gapMs} ms`]),
    ...(doubled === 0 ? [] : [`${doubled} answers twice`]),
    ...(alive ? [] : ["the TCP connection is gone"]),
    ...(after.missing.length === 0
      ? []
      : [`afterwards ${after.missing.length} do not arrive: ${after.missing.slice(0, 3).join("; ")}`]),
    ...(after.extra.length === 0 ? [] : [`afterwards too much arrives: ${after.extra.slice(0, 3).join("; ")}`]),
  ].map((defect) => `${name}: ${defect}`);
}

/** Every client reaches every other in each way, and captures at all clients say that each datagram came once. */
export async function reachAll(
  lan: LanLab,
  exchanger: Exchanger,
): Promise<Exchange & { readonly captured: number; readonly nodes: number }> {
  await using captures = await Captures.open(lan);
  const found = await exchanger.exchange(["IPv4", "IPv6", "multicast"]);
  const counts = await captures.counts();
  const twice = [...counts].filter(([, times]) => times !== 1).map(([key, times]) => `${times} frames ${key}`);
  // A frame for an address that nobody knows yet is for everybody, as on every Ethernet.
  const isWanted = (key: string): boolean => / > (?:all to |(\S+) to \1$)/.test(key);
  const pairs = new Set([...counts.keys()].filter(isWanted).map((key) => key.replace(/^[\d.]+ /, "")));
  const { nodes, doubled } = await pingAllNodes(lan.clients[0] as LabClient, lan.clients.length);
  return { ...found, extra: [...found.extra, ...twice, ...doubled], captured: pairs.size, nodes: nodes.size };
}

/** A line of the table of results: the worst of all rounds. */
function row(outcomes: readonly Outcome[]): string {
  const worst = (of: (outcome: Outcome) => number): number => Math.max(...outcomes.map(of));
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, outcome) => all + of(outcome), 0);
  const after = `${sum(({ after }) => after.wanted - after.missing.length)} of ${sum(({ after }) => after.wanted)}, ${sum(({ after }) => after.again)} said again, ${sum(({ after }) => after.extra.length)} too many`;
  const alive = outcomes.every((outcome) => outcome.alive) ? "yes" : "no";
  return `| ${outcomes[0]?.name} | ${worst(({ gapMs }) => gapMs)} | ${worst(({ stallMs }) => stallMs)} | ${alive} | ${worst(({ settledMs }) => settledMs)} | ${after} |`;
}

function report(
  clients: number,
  rounds: number,
  reached: Awaited<ReturnType<typeof reachAll>>,
  all: readonly Outcome[],
): string {
  const head = [
    "# Faults of a LAN of three hubs",
    "",
    `By \`sudo bun test/apps/lan-faults.ts --write bench/results/lan-faults.md\` on ${new Date().toISOString().slice(0, 10)}: a lab of three NATS servers (a cluster), three hubs and ${clients} clients, all on one machine. Each fault meets a ping each way (every 20 ms) and an iperf3 of ${STREAM_BITS / 1e6} Mbit/s between clients of different hubs; ${rounds === 1 ? "one round" : `the worst of ${rounds} rounds`}. The slow link is there for 5 s, and the hubs are restarted within the time of their line.`,
    "",
    `Before any fault: of ${reached.wanted} datagrams by IPv4, IPv6 and multicast, one from each client to each other, ${reached.wanted - reached.missing.length} arrived (${reached.again} were said again, as UDP may be lost), and ${reached.extra.length} arrived twice or elsewhere; captures at all clients have ${reached.captured} of them. ${reached.nodes} of ${clients} nodes answer an ICMPv6 multicast, the one that asks included.`,
    "",
    "| Fault | Gap of the ping, ms | iperf3 sent nothing for, ms | TCP connection lives on | LAN in order after, ms | Afterwards arrive |",
    "| ----- | ------------------: | --------------------------: | ----------------------- | ----------------------: | ----------------- |",
  ];
  const rows = [...new Set(all.map(({ name }) => name))].map((name) =>
    row(all.filter((outcome) => outcome.name === name)),
  );
  return `${[...head, ...rows].join("\n")}\n`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      write: { type: "string" },
      clients: { type: "string", default: "30" },
      rounds: { type: "string", default: "3" },
      only: { type: "string", default: Object.keys(faults).join() },
    },
  });
  await isolate();
  const [clients, rounds] = [Number(values.clients), Number(values.rounds)];
  await using lan = await LanLab.open({ hubs: 3, clients, servers: 3 });
  // No program outlives this one.
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => void lan[Symbol.asyncDispose]().then(() => process.exit(1)));
  await using exchanger = await Exchanger.open(lan);
  const reached = await reachAll(lan, exchanger);
  const defects = [...reached.missing, ...reached.extra];
  const outcomes: Outcome[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const name of values.only.split(",")) {
      const outcome = await suffer(lan, exchanger, faults[name] as Fault);
      outcomes.push(outcome);
      defects.push(...defectsOf(outcome));
      console.error(`${round} ${row([outcome])}`);
    }
  }
  const text = report(clients, rounds, reached, outcomes);
  if (values.write !== undefined) writeFileSync(values.write, text);
  console.log(text);
  for (const defect of defects) console.error(defect);
  return defects.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main());
