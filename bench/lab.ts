/**
 * bun bench/lab.ts [--rounds N] [--seconds S] [--only NAMES]
 *
 * Measures bun-tuntap/lab: its links against the plain relay, delay, rate, what a lab costs. Root and iperf3; everything
 * happens in labs. Prints a line for each figure, with the median over the rounds and their range.
 */
import { parseArgs } from "node:util";
import { openTap, relay } from "../src/index.ts";
import { createLab, type Host, type Lab, type Link, type LinkOptions } from "../src/lab/index.ts";
import { median } from "./median.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    only: { type: "string", default: "" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const wanted = values.only.split(",").filter((name) => name !== "");

interface Hosts {
  readonly lab: Lab;
  readonly client: Host;
  readonly server: Host;
}

function report(name: string, samples: readonly number[], unit: string, digits = 2): void {
  const text = (value: number): string => value.toFixed(digits);
  const range = `${text(Math.min(...samples))} to ${text(Math.max(...samples))}`;
  console.log(`${name.padEnd(64)} ${text(median([...samples])).padStart(10)} ${unit.padEnd(8)} (${range})`);
}

async function withLink<T>(options: LinkOptions, use: (hosts: Hosts, link: Link) => Promise<T>): Promise<T> {
  await using lab = await createLab({ seed: 7 });
  const [client, server] = [lab.host("client"), lab.host("server")];
  const link = lab.link(client, server, options);
  return await use({ lab, client, server }, link);
}

/** Gbit/s of TCP from the client to the server. */
async function iperf({ client, server }: Hosts, address: string, ...options: string[]): Promise<number> {
  const sink = server.spawn(["iperf3", "-s", "-1", "--forceflush"]);
  const lines = sink.stdout.getReader();
  await lines.read();
  lines.releaseLock();
  const source = client.spawn(["iperf3", "-c", address, "-t", String(seconds), "-J", ...options]);
  const result = JSON.parse(await source.stdout.text());
  await sink.exited;
  if (result.error !== undefined) throw new Error(result.error);
  return result.end.sum_received.bits_per_second / 1e9;
}

/** Two hosts joined by relay() in place of a link. */
async function tcpByRelay(): Promise<number> {
  await using lab = await createLab();
  const hosts = { lab, client: lab.host("client"), server: lab.host("server") };
  const tap = (host: Host, address: string) =>
    openTap({ netns: host.netns, addresses: [address], ipv6: false, offload: true, reuseBuffers: true });
  using a = tap(hosts.client, "192.0.2.1/24");
  using b = tap(hosts.server, "192.0.2.2/24");
  using _relay = relay(a, b, { full: "drop" });
  return await iperf(hosts, "192.0.2.2");
}

const tcpByLink = (options: LinkOptions = {}): Promise<number> =>
  withLink(options, (hosts) => iperf(hosts, hosts.server.address));

/** Sends a datagram each `gapMs` over a link with a delay; returns how much later than that each arrives, in ms. */
async function delayErrors(delay: number, perSecond: number, count: number): Promise<number[]> {
  return await withLink({ delay }, async ({ client, server }) => {
    // ARP first: until it has its answer, datagrams wait in the kernel.
    await client.ping(server);
    const errors: number[] = [];
    const receiver = await server.enter(() =>
      Bun.udpSocket({
        hostname: server.address,
        socket: { data: (_socket, data) => void errors.push(performance.now() - data.readDoubleBE(0) - delay) },
      }),
    );
    const sender = await client.enter(() => Bun.udpSocket({ hostname: client.address }));
    const data = Buffer.alloc(64);
    const start = performance.now();
    for (let i = 0; i < count; ) {
      // Those that are due. A loop that never sleeps would measure how a busy machine takes the processor away.
      for (; i < count && performance.now() >= start + (i * 1000) / perSecond; i++) {
        data.writeDoubleBE(performance.now(), 0);
        sender.send(data, receiver.port, server.address);
      }
      await Bun.sleep(1);
    }
    await Bun.sleep(delay + 100);
    sender.close();
    receiver.close();
    return errors.sort((a, b) => a - b);
  });
}

/** The rate of delivered frames over the one that was asked for, at a link that has always enough to send. */
async function rateRatio(rate: number): Promise<number> {
  return await withLink({ rate, queue: Math.max(65_536, rate / 40) }, async (hosts, link) => {
    let [first, last] = [
      { at: 0, bytes: 0 },
      { at: 0, bytes: 0 },
    ];
    const sampling = setInterval(() => {
      const now = { at: performance.now(), bytes: link.stats().forward.deliveredBytes };
      if (link.stats().forward.waitingBytes < 3028) return;
      if (first.at === 0) first = now;
      last = now;
    }, 20);
    // At 1 Mbit/s a frame takes 12 ms: the ends of the sample must not matter.
    const longer = rate < 1e7 ? String(4 * seconds) : String(seconds);
    await iperf(hosts, hosts.server.address, "-u", "-b", String(rate * 1.2), "-l", "1400", "-t", longer);
    clearInterval(sampling);
    return ((last.bytes - first.bytes) * 8000) / (last.at - first.at) / rate;
  });
}

async function labOf(count: number): Promise<{ openMs: number; closeMs: number; megabytes: number }> {
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const start = performance.now();
  const lab = await createLab();
  const hosts = Array.from({ length: count }, (_, i) => lab.host(`host-${i}`));
  if (count === 2) lab.link(hosts[0] as Host, hosts[1] as Host);
  else lab.switch(hosts);
  const openMs = performance.now() - start;
  Bun.gc(true);
  const megabytes = (process.memoryUsage().rss - before) / 2 ** 20;
  const closing = performance.now();
  await lab.close();
  return { openMs, closeMs: performance.now() - closing, megabytes };
}

async function repeated<T>(measure: () => Promise<T>): Promise<T[]> {
  const samples: T[] = [];
  for (let round = 0; round < rounds; round++) samples.push(await measure());
  return samples;
}

const cases: Readonly<Record<string, () => Promise<void>>> = {
  tcp: async () => {
    const pairs = await repeated(async () => [await tcpByLink(), await tcpByRelay()] as const);
    report(
      "TCP over a link without impairments",
      pairs.map(([link]) => link),
      "Gbit/s",
    );
    report(
      "TCP over relay(), the same interfaces",
      pairs.map(([, relay]) => relay),
      "Gbit/s",
    );
    report(
      "the first over the second",
      pairs.map(([link, relay]) => link / relay),
      "",
    );
  },
  impaired: async () => {
    const pairs = await repeated(async () => [await tcpByLink({ delay: 0.05 }), await tcpByLink()] as const);
    report(
      "TCP over a link with 50 µs of delay",
      pairs.map(([delayed]) => delayed),
      "Gbit/s",
    );
    report(
      "over one without, the ratio",
      pairs.map(([delayed, plain]) => delayed / plain),
      "",
    );
  },
  window: async () => {
    // A window that is full all the time: the rate is inverse to the round trip, which is the two delays.
    const at = (delay: number): Promise<number> =>
      withLink({ delay }, async (hosts) => {
        await hosts.client.ping(hosts.server);
        return await iperf(hosts, hosts.server.address, "-w", "64K", "-O", "1", "-t", String(3 * seconds));
      });
    const pairs = await repeated(async () => [await at(20), await at(40)] as const);
    report(
      "TCP with a 64 KiB buffer, 20 ms each way",
      pairs.map(([near]) => near * 1000),
      "Mbit/s",
    );
    report(
      "over the rate that the window allows at that delay, by 40 ms each way",
      pairs.map(([near, far]) => near / far / 2),
      "",
    );
    const rtts = await repeated(() =>
      withLink({ delay: 20 }, async ({ client, server }) => {
        await client.ping(server);
        return (await client.ping(server)) ?? Number.NaN;
      }),
    );
    report("ping over 20 ms each way", rtts, "ms");
  },
  delay: async () => {
    for (const delay of [0.5, 5, 20]) {
      const rows = await repeated(() => delayErrors(delay, 1000, 1000 * seconds));
      const at = (q: number) => rows.map((row) => row[Math.floor((row.length - 1) * q)] as number);
      report(`later than the delay of ${delay} ms, 1,000 packets/s: p50`, at(0.5), "ms", 3);
      report(`later than the delay of ${delay} ms, 1,000 packets/s: p99`, at(0.99), "ms", 3);
    }
    const idle = await repeated(() => delayErrors(0, 1000, 1000 * seconds));
    report(
      "the same without delay: p50",
      idle.map((row) => row[Math.floor(row.length / 2)] as number),
      "ms",
      3,
    );
  },
  rate: async () => {
    for (const rate of [1e6, 1e7, 1e8, 1e9]) {
      report(`delivered over asked, rate of ${rate / 1e6} Mbit/s`, await repeated(() => rateRatio(rate)), "", 4);
    }
  },
  mathis: async () => {
    // MSS / RTT * sqrt(3/2) / sqrt(p), for TCP without CUBIC (Mathis et al., CCR 27(3), 1997).
    const [mss, rttSeconds, loss] = [1448, 0.04, 0.01];
    const predicted = ((mss * 8) / rttSeconds / 1e6) * Math.sqrt(1.5 / loss);
    const samples = await repeated(() =>
      withLink({ delay: 20, forward: { loss } }, async (hosts) => {
        const rate = await iperf(hosts, hosts.server.address, "-C", "reno", "-t", String(10 * seconds));
        return (rate * 1000) / predicted;
      }),
    );
    report(`TCP (Reno) at 1 % loss and 20 ms each way, over the ${predicted.toFixed(1)} Mbit/s of Mathis`, samples, "");
  },
  labs: async () => {
    for (const count of [2, 100]) {
      const samples = await repeated(() => labOf(count));
      report(
        `a lab of ${count} hosts: open`,
        samples.map(({ openMs }) => openMs),
        "ms",
        1,
      );
      report(
        `a lab of ${count} hosts: close`,
        samples.map(({ closeMs }) => closeMs),
        "ms",
        1,
      );
      report(
        `a lab of ${count} hosts: memory`,
        samples.map(({ megabytes }) => megabytes),
        "MiB",
        1,
      );
    }
  },
};

for (const [name, measure] of Object.entries(cases)) {
  if (wanted.length === 0 || wanted.includes(name)) await measure();
}
