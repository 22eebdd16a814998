/** Traffic over a LAN in a lab, and counts of it: who got what, how often, and for how long nothing came. */
import { statSync } from "node:fs";
import { type LabClient, type LanLab, runOn } from "./lan-lab.ts";

const PORT = 9000;
/** A socket of IPv6 takes the port of IPv4 as well. */
const PORT6 = 9001;
const ALL_HOSTS = "224.0.0.1";

/** Clients that say something at a time. */
const GROUP = 8;
const ATTEMPTS = 3;

/** Ways to reach another client. */
export type Kind = "IPv4" | "IPv6" | "multicast";

/** Result of an exchange. */
export interface Exchange {
  /** Datagrams that had to come. */
  readonly wanted: number;
  /** Datagrams that did not, "client1 → client2 by IPv6". */
  readonly missing: readonly string[];
  /** Datagrams that came more than once, or to somebody else. */
  readonly extra: readonly string[];
  /** Datagrams that were sent again. */
  readonly again: number;
}

type Udp = Bun.udp.Socket<"buffer">;
type Sockets = { readonly ipv4: Udp; readonly ipv6: Udp };

/** One attempt to reach some clients. */
interface Attempt {
  /** Begins all of its datagrams. */
  readonly name: string;
  /** Datagrams that are sent, with the pair that each is of. */
  readonly sent: Map<string, string>;
  readonly wanted: Set<string>;
  /** Pairs that have not been reached. */
  readonly left: ReadonlySet<string>;
}

/** What an earlier datagram met (no answer to ARP) is thrown at the next one. */
function trySend(socket: Udp, text: string, port: number, address: string): void {
  try {
    socket.send(text, port, address);
  } catch {
    // It is said again.
  }
}

/** Sockets on all clients of a LAN, by which they say something to each other. */
export class Exchanger implements AsyncDisposable {
  readonly #lan: LanLab;
  readonly #sockets = new Map<LabClient, Sockets>();
  #got = new Map<string, number>();
  #round = 0;

  private constructor(lan: LanLab) {
    this.#lan = lan;
  }

  static async open(lan: LanLab): Promise<Exchanger> {
    const exchanger = new Exchanger(lan);
    for (const client of lan.clients) {
      const data = (_: unknown, payload: Buffer): void => {
        const key = `${payload} to ${client.id}`;
        exchanger.#got.set(key, (exchanger.#got.get(key) ?? 0) + 1);
      };
      const open = (hostname: string, port: number) =>
        client.host.enter(() => Bun.udpSocket({ hostname, port, socket: { data, error: () => {} } }));
      const [ipv4, ipv6] = await Promise.all([open("0.0.0.0", PORT), open("::", PORT6)]);
      ipv4.setMulticastInterface(client.address);
      ipv4.setMulticastLoopback(false);
      exchanger.#sockets.set(client, { ipv4, ipv6 });
    }
    return exchanger;
  }

  /**
   * Has every client say something to every other, in each of the ways, and waits until all has come, and then for what
   * comes too much. A loop would bring more and more. What is lost, as UDP may be, is said again, under another number.
   */
  async exchange(kinds: readonly Kind[], timeoutMs = 30_000): Promise<Exchange> {
    const round = ++this.#round;
    this.#got = new Map();
    const wanted = new Set<string>();
    const sent = new Map<string, string>();
    const missing = (): string[] => {
      const there = new Set([...this.#got.keys()].map((key) => sent.get(key)));
      return [...wanted].filter((pair) => !there.has(pair));
    };
    const { clients } = this.#lan;
    for (let i = 0; i < clients.length; i += GROUP) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const left = new Set(missing());
        for (const from of clients.slice(i, i + GROUP))
          for (const kind of kinds) this.#send(from, kind, { name: `${round}.${attempt}`, sent, wanted, left });
        const deadline = performance.now() + timeoutMs / ATTEMPTS;
        while (missing().length > 0 && performance.now() < deadline) await Bun.sleep(10);
        if (missing().length === 0) break;
      }
      if (clients.length > GROUP) await this.#forgetNeighbours();
    }
    const deadline = performance.now() + timeoutMs;
    let before = -1;
    for (let total = this.#total(); total !== before && performance.now() < deadline; total = this.#total()) {
      before = total;
      await Bun.sleep(300);
    }
    const extra = [...this.#got]
      .filter(([key, times]) => times > 1 || !sent.has(key))
      .map(([key, times]) => `${times} times ${key}`);
    return { wanted: wanted.size, missing: missing(), extra, again: Math.max(0, sent.size - wanted.size) };
  }

  /** The kernel's table of neighbours is one for all network namespaces, with 1024 entries (net/core/neighbour.c). */
  async #forgetNeighbours(): Promise<void> {
    await Promise.all(this.#lan.clients.map(({ host }) => runOn(host, "ip", "neigh", "flush", "dev", "lan0")));
  }

  #total(): number {
    return [...this.#got.values()].reduce((sum, times) => sum + times, 0);
  }

  /** Says something to all others, or again to those that it has not reached. */
  #send(from: LabClient, kind: Kind, { name, sent, wanted, left }: Attempt): void {
    const { ipv4, ipv6 } = this.#sockets.get(from) as Sockets;
    const pairOf = (to: LabClient): string => `${from.id} → ${to.id} by ${kind}`;
    const others = this.#lan.clients.filter((to) => to !== from);
    const due = others.filter((to) => !wanted.has(pairOf(to)) || left.has(pairOf(to)));
    if (due.length === 0) return;
    const say = (to: string): string => `${name} ${kind} ${from.id} > ${to}`;
    for (const to of kind === "multicast" ? others : due) {
      const text = say(kind === "multicast" ? "all" : to.id);
      wanted.add(pairOf(to));
      sent.set(`${text} to ${to.id}`, pairOf(to));
      if (kind === "IPv4") trySend(ipv4, text, PORT, to.address);
      if (kind === "IPv6") trySend(ipv6, text, PORT6, to.address6);
    }
    if (kind === "multicast") trySend(ipv4, say("all"), PORT, ALL_HOSTS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { ipv4, ipv6 } of this.#sockets.values()) for (const socket of [ipv4, ipv6]) socket.close();
  }
}

/** Captures of what comes in at lan0 of every client, by tcpdump. */
export class Captures implements AsyncDisposable {
  readonly #files: { readonly client: LabClient; readonly file: string; readonly program: Bun.Subprocess }[] = [];

  static async open(lan: LanLab): Promise<Captures> {
    const captures = new Captures();
    await Promise.all(
      lan.clients.map(async (client) => {
        const file = `${lan.folder}/${client.id}.pcap`;
        const command = [
          "tcpdump",
          "-Z",
          "root",
          "-i",
          "lan0",
          "-Q",
          "in",
          "--immediate-mode",
          "-U",
          "-n",
          "-w",
          file,
          "udp",
          "portrange",
          `${PORT}-${PORT6}`,
        ];
        const program = client.host.spawn(command, { stdout: "ignore", stderr: "pipe" });
        captures.#files.push({ client, file, program });
        // "listening on lan0": from then on it sees everything.
        await program.stderr.getReader().read();
      }),
    );
    return captures;
  }

  /**
   * Ends the captures. Returns how often each datagram came to each client, as tshark sees it: "1 IPv4 client1 > client2
   * to client2".
   */
  async counts(): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    const size = (): number => this.#files.reduce((sum, { file }) => sum + statSync(file).size, 0);
    // On a busy machine a capture is behind, and what it has not read yet would be lost.
    for (let before = -1, now = size(); now !== before; now = size()) {
      before = now;
      await Bun.sleep(500);
    }
    for (const { program } of this.#files) program.kill("SIGINT");
    await Promise.all(this.#files.map(({ program }) => program.exited));
    for (const { client, file } of this.#files) {
      const command = ["tshark", "-r", file, "-T", "fields", "-e", "udp.payload"];
      const payloads = (await Bun.spawn(command, { stdout: "pipe", stderr: "ignore" }).stdout.text())
        .trim()
        .split("\n");
      for (const payload of payloads.filter(Boolean)) {
        const key = `${Buffer.from(payload, "hex")} to ${client.id}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { program } of this.#files) program.kill("SIGKILL");
  }
}

/** A ping that goes on, and the gaps in its answers. */
export class Ping implements Disposable {
  readonly #child: Program;
  readonly #output: Promise<string>;

  constructor(from: LabClient, to: LabClient) {
    this.#child = Bun.spawn(["nsenter", `--net=${from.host.netns}`, "ping", "-D", "-n", "-i", "0.02", to.address], {
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#output = this.#child.stdout.text();
  }

  /** Ends it. Returns the longest time without an answer, and how many answers came twice. */
  async end(): Promise<{ readonly gapMs: number; readonly answers: number; readonly doubled: number }> {
    this.#child.kill("SIGINT");
    const output = await this.#output;
    const times = [...output.matchAll(/^\[([\d.]+)\] \d+ bytes from/gm)].map(([, time]) => Number(time) * 1000);
    const now = Date.now();
    const gaps = times.map((time, i) => (times[i + 1] ?? now) - time);
    return {
      gapMs: Math.round(Math.max(0, ...gaps)),
      answers: times.length,
      doubled: output.split("(DUP!)").length - 1,
    };
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

type Program = Bun.Subprocess<"ignore", "pipe", "pipe">;

/** An iperf3 that goes on: one TCP connection. */
export class Stream implements Disposable {
  readonly #server: Program;
  readonly #client: Program;
  readonly #output: Promise<string>;

  private constructor(server: Program, client: Program) {
    this.#server = server;
    this.#client = client;
    this.#output = client.stdout.text();
  }

  static async open(from: LabClient, to: LabClient, bitsPerSecond: number): Promise<Stream> {
    const start = (client: LabClient, ...options: string[]) =>
      Bun.spawn(["nsenter", `--net=${client.host.netns}`, "iperf3", "--forceflush", ...options], {
        stdout: "pipe",
        stderr: "pipe",
      });
    const server = start(to, "-s", "-1");
    await server.stdout.getReader().read();
    return new Stream(server, start(from, "-c", to.address, "-t", "600", "-i", "0.1", "-b", `${bitsPerSecond}`));
  }

  /** Ends it. Tells whether the connection was there to the end, and the longest time in which nothing was sent. */
  async end(): Promise<{ readonly alive: boolean; readonly stallMs: number; readonly bytes: number }> {
    const alive = this.#client.exitCode === null;
    this.#client.kill("SIGINT");
    const output = await this.#output;
    this.#server.kill("SIGKILL");
    const units: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
    const intervals = [...output.matchAll(/ sec +([\d.]+) ([KMG]?)Bytes .*\d+ +[\d.]+ [KM]?Bytes *$/gm)].map(
      ([, value, unit = ""]) => Number(value) * (units[unit] as number),
    );
    let [stall, longest] = [0, 0];
    for (const bytes of intervals) {
      stall = bytes > 0 ? 0 : stall + 100;
      longest = Math.max(longest, stall);
    }
    return { alive, stallMs: longest, bytes: intervals.reduce((sum, bytes) => sum + bytes, 0) };
  }

  [Symbol.dispose](): void {
    for (const program of [this.#client, this.#server]) program.kill("SIGKILL");
  }
}

/**
 * Asks all nodes by ICMPv6 multicast, again and again until `wanted` have answered, or the time is up. Returns those that
 * answered, and the answers that came more than once to one request.
 */
export async function pingAllNodes(
  from: LabClient,
  wanted: number,
  timeoutMs = 30_000,
): Promise<{ readonly nodes: ReadonlySet<string>; readonly doubled: readonly string[] }> {
  const command = ["nsenter", `--net=${from.host.netns}`, "ping", "-6", "-n", "-i", "0.5", "ff02::1%lan0"];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
  const nodes = new Set<string>();
  const answers = new Map<string, number>();
  const read = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      for (const [, node = "", request = ""] of text.matchAll(/bytes from ([\da-f:]+)%lan0: icmp_seq=(\d+) /g)) {
        nodes.add(node);
        const key = `${node} to request ${request}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
      }
    }
  })();
  const deadline = performance.now() + timeoutMs;
  while (nodes.size < wanted && performance.now() < deadline) await Bun.sleep(20);
  // An answer that comes twice needs a little longer.
  await Bun.sleep(200);
  child.kill("SIGINT");
  await read;
  const doubled = [...answers].filter(([, times]) => times > 1).map(([key, times]) => `${times} answers of ${key}`);
  return { nodes, doubled };
}
