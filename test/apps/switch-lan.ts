/*
 * The network in which the tests of the switch run:
 *
 *   client 1 eth0 192.0.2.11 ───┐
 *   client 2 eth0 192.0.2.12 ───┼── br0 192.0.2.1, the switch's namespace
 *   client 3 eth0 192.0.2.13 ───┘
 *
 * Each end of a line is a network namespace; the LAN is what the switch makes over it.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { MESSAGE_MAX } from "../../apps/switch/framing.ts";
import type { ServeOptions } from "../../apps/switch/serve.ts";
import { Namespace } from "../io/offload/support/namespaces.ts";
import { type IpLink, interfaceNames, until } from "../support/system.ts";

export const tools: readonly string[] = ["ip", "nsenter", "unshare", "ping", "curl"];
export const example: readonly string[] = [process.execPath, `${import.meta.dir}/../../apps/switch/index.ts`];
export const URL_OF_SWITCH = "ws://192.0.2.1:7000";

/** The token of the switches that a test runs in its own process. */
export const TOKEN = "a-token-for-tests-only";

/** The options of a switch that a test runs in its own process: on loopback, with no addresses to give, noting what it logs. */
export function serveOptions(log: string[], own: Partial<ServeOptions> = {}): ServeOptions {
  return {
    hostname: "127.0.0.1",
    port: 0,
    token: TOKEN,
    mtu: 1500,
    ageMs: 300_000,
    portsMax: 256,
    perHostMax: 256,
    perPortMax: 8,
    queueMax: 2 * MESSAGE_MAX,
    timeout: 30,
    pool: undefined,
    leaseMs: 0,
    tls: undefined,
    log: (line) => void log.push(line),
    ...own,
  };
}

/** What is asserted of the JSON that the switch tells of itself. */
export interface Status {
  readonly rssBytes: number;
  readonly macAddresses: number;
  readonly ports: readonly {
    readonly id: string;
    readonly address?: string;
    readonly framesIn: number;
    readonly framesOut: number;
    readonly bytesOut: number;
    readonly dropped: { short: number; long: number; source: number; circle: number; backPressure: number };
    readonly queuedBytes: number;
    readonly macs: readonly string[];
  }[];
}

/** A switch or a client at work. */
export class Running {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  #log = "";

  readonly #read: Promise<unknown>;

  constructor(command: string[], env: Record<string, string>) {
    this.#child = Bun.spawn(command, { env: { ...process.env, ...env }, stdout: "pipe", stderr: "pipe" });
    this.#read = Promise.all([this.#child.stdout, this.#child.stderr].map((stream) => this.#readAll(stream)));
  }

  async #readAll(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) this.#log += decoder.decode(chunk, { stream: true });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** All that it has said so far. */
  get log(): string {
    return this.#log;
  }

  async says(text: string, timeoutMs = 60_000): Promise<void> {
    await until(() => this.#log.includes(text) || this.ended, `"${text}" in ${this.#log}`, timeoutMs);
    // The last words of one that has ended may still be under way.
    if (this.ended) await this.#read;
    if (!this.#log.includes(text)) throw new Error(`It ended without "${text}": ${this.#log}`);
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves to its exit code once it has ended. */
  async end(name: NodeJS.Signals = "SIGINT"): Promise<number> {
    this.#child.kill(name);
    return this.#child.exited;
  }

  get exited(): Promise<number> {
    return this.#child.exited;
  }
}

export class Lan {
  readonly hub: Namespace;
  readonly sites: readonly Namespace[];
  readonly folder: string = mkdtempSync(`${tmpdir()}/bun-tuntap-switch-`);
  readonly #command: readonly string[];
  readonly #started: Running[] = [];
  readonly #inodes: string[];
  readonly #interfaces: string[] = interfaceNames();

  private constructor(hub: Namespace, sites: readonly Namespace[], command: readonly string[]) {
    this.hub = hub;
    this.sites = sites;
    this.#command = command;
    this.#inodes = [hub, ...sites].map(({ path }) => readlinkSync(path));
  }

  static async open(clients: number, command: readonly string[] = example): Promise<Lan> {
    const hub = await Namespace.open();
    hub.run("sh", "-c", "ip link add br0 type bridge && ip address add 192.0.2.1/24 dev br0 && ip link set br0 up");
    const sites: Namespace[] = [];
    for (let number = 1; number <= clients; number++) {
      const site = await Namespace.open();
      sites.push(site);
      hub.run("ip", "link", "add", `port${number}`, "type", "veth", "peer", "name", "eth0", "netns", site.path);
      hub.run("ip", "link", "set", `port${number}`, "master", "br0", "up");
      site.run("sh", "-c", `ip address add 192.0.2.${10 + number}/24 dev eth0 && ip link set eth0 up`);
      // The LAN has link-local addresses, and answers to broadcasts.
      site.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/default/addr_gen_mode");
      site.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts");
    }
    return new Lan(hub, sites, command);
  }

  get tokenFile(): string {
    return `${this.folder}/token`;
  }

  /** What the clients must know; there once a switch has been started. */
  get token(): string {
    return readFileSync(this.tokenFile, "utf8").trim();
  }

  /** The namespace of a client, which are counted from 1. */
  site(number: number): Namespace {
    return this.sites[number - 1] as Namespace;
  }

  #start(place: Namespace, args: readonly string[], env: Record<string, string> = {}): Running {
    const running = new Running(["nsenter", `--net=${place.path}`, ...this.#command, ...args], env);
    this.#started.push(running);
    return running;
  }

  async serve(...args: string[]): Promise<Running> {
    const own = ["--listen", "192.0.2.1:7000", "--token-file", this.tokenFile, "--pool", "198.51.100.0/24"];
    const running = this.#start(this.hub, ["serve", ...own, ...args]);
    await running.says("listening on ");
    return running;
  }

  /** Starts a hub at the place of a client, at port 7000 of its address. */
  async serveAt(number: number, ...args: string[]): Promise<Running> {
    const own = ["--listen", `192.0.2.${10 + number}:7000`, "--token-file", this.tokenFile];
    const running = this.#start(this.site(number), ["serve", ...own, ...args]);
    await running.says("listening on ");
    return running;
  }

  /** Starts a client without waiting for anything. */
  startJoin(number: number, args: readonly string[], env?: Record<string, string>): Running {
    return this.#start(this.site(number), ["join", ...args], env);
  }

  /** Resolves once the client is in the LAN. */
  async join(number: number, ...args: string[]): Promise<Running> {
    const own = [URL_OF_SWITCH, "--token-file", this.tokenFile, "--id", `client${number}`];
    const running = this.startJoin(number, [...own, ...args]);
    await running.says("lan0 is in the LAN");
    return running;
  }

  status(): Status {
    const authorization = `Authorization: Bearer ${this.token}`;
    return JSON.parse(this.hub.run("curl", "-sf", "--max-time", "30", "-H", authorization, "192.0.2.1:7000/status"));
  }

  port(number: number): Status["ports"][number] {
    const port = this.status().ports.find(({ id }) => id === `client${number}`);
    if (port === undefined) throw new Error(`client${number} is not at the switch`);
    return port;
  }

  /** lan0 of a client, as iproute2 sees it. */
  interfaceOf(number: number): IpLink {
    return JSON.parse(this.site(number).run("ip", "-j", "-d", "address", "show", "dev", "lan0"))[0] as IpLink;
  }

  /** The summary of a ping from one client, which ends with three answers. */
  ping(from: number, target: string, ...options: string[]): string {
    return this.site(from).run("ping", "-q", "-c", "3", "-i", "0.05", "-w", "30", ...options, target);
  }

  /** Ends all that is left, and resolves to what is there nevertheless: nothing, if all is well. */
  async end(): Promise<string[]> {
    await Promise.all(this.#started.map((running) => running.end("SIGKILL")));
    for (const namespace of [this.hub, ...this.sites]) namespace[Symbol.dispose]();
    rmSync(this.folder, { recursive: true });
    const left = (): string[] => [
      ...this.#started.filter(({ pid }) => existsSync(`/proc/${pid}`)).map(({ pid }) => `process ${pid}`),
      ...this.#inodes.filter((inode) => namespacesInUse().has(inode)),
      ...interfaceNames().filter((name) => !this.#interfaces.includes(name)),
    ];
    await until(() => left().length === 0, `${left()} gone`).catch(() => {});
    return left();
  }
}

/** The network namespaces of all processes. */
function namespacesInUse(): Set<string> {
  const found = new Set<string>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      found.add(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}
