/*
 * A LAN of several hubs in a lab: every box is a host of its own, and all are on one switch of the lab, 192.0.2.0/24.
 *
 *   nats1 nats2 nats3      the cluster of NATS servers
 *   hub1  hub2  hub3       the hubs, which know each other by the cluster alone
 *   client1 … clientN      each with a TAP, lan0, 198.51.100.0/24 and 2001:db8:f::/64: the LAN that the hubs make
 *
 * The frames of the lab pass through this thread: while it computes, or waits for a program, they wait, too.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { createLab, type Host, type Interceptor, type Lab, type Switch } from "../../src/lab/index.ts";
import { until } from "../support/system.ts";
import { NatsServer } from "./nats.ts";
import { example, Running } from "./switch-lan.ts";

const TOKEN = "a-token-for-the-lab-of-hubs";
const JOIN_TOGETHER = 5;
const POOL = "198.51.100.0/24";
const PORT = 7000;
const NATS_PORT = 4222;
const MONITOR_PORT = 8222;

/** Sizes of a LAN. */
export interface LanLabOptions {
  readonly hubs: number;
  readonly clients: number;
  readonly servers: number;
}

/** A hub, which is started again as another process of the same name. */
export interface LabHub {
  readonly name: string;
  readonly host: Host;
  running: Running;
}

/** A client with its interface. */
export interface LabClient {
  readonly id: string;
  readonly host: Host;
  readonly running: Running;
  readonly address: string;
  readonly address6: string;
  readonly mac: string;
}

interface StoreView {
  readonly leader?: string;
  readonly replicas?: readonly { readonly name: string; readonly current: boolean }[];
}

/** The status of the LAN, as far as it is looked at. */
export interface LanView {
  readonly addresses: { readonly trouble?: string };
  readonly backbone: { readonly hubs: readonly { id: string; clients: number; macs: number; lost: number }[] };
  readonly ports: readonly { id: string; address?: string; macs: readonly string[]; dropped: Record<string, number> }[];
}

/** Runs a program on a host to its end, while the frames of the lab go on. */
export async function runOn(host: Host, ...command: string[]): Promise<string> {
  const child = Bun.spawn(["nsenter", `--net=${host.netns}`, ...command], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (exitCode !== 0)
    throw new Error(`${command.join(" ")} on ${host.name} exited with ${exitCode}: ${stderr}${stdout}`);
  return stdout;
}

/** Resolves to what `look` finds, once that is not undefined. */
export async function eventually<Value>(
  look: () => Promise<Value | undefined>,
  what: string,
  timeoutMs = 60_000,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await Bun.sleep(20);
  }
}

/** A LAN at work. */
export class LanLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly network: Switch;
  readonly natsHosts: readonly Host[];
  nats: readonly NatsServer[] = [];
  readonly hubs: LabHub[] = [];
  readonly clients: LabClient[] = [];
  readonly folder: string = mkdtempSync(`${tmpdir()}/bun-tuntap-lan-`);
  readonly #all: Running[] = [];

  private constructor(lab: Lab, { hubs, clients, servers }: LanLabOptions) {
    this.lab = lab;
    const make = (name: string, count: number): Host[] =>
      Array.from({ length: count }, (_, i) => lab.host(`${name}${i + 1}`));
    this.natsHosts = make("nats", servers);
    this.#hubHosts = make("hub", hubs);
    this.#clientHosts = make("client", clients);
    this.network = lab.switch([...this.natsHosts, ...this.#hubHosts, ...this.#clientHosts]);
  }

  readonly #hubHosts: readonly Host[];
  readonly #clientHosts: readonly Host[];

  /** Starts everything. Resolves when all clients are in the LAN, and all hubs know each other. */
  static async open(options: LanLabOptions): Promise<LanLab> {
    const lan = new LanLab(await createLab({ seed: 16 }), options);
    try {
      await lan.#start();
      return lan;
    } catch (error) {
      await lan[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const addresses = this.natsHosts.map(({ address }) => address);
    this.nats = await NatsServer.startCluster(addresses, (i) => ({
      netns: (this.natsHosts[i] as Host).netns,
      config: `http: "127.0.0.1:${MONITOR_PORT}"`,
    }));
    for (const host of this.#hubHosts) this.hubs.push({ name: host.name, host, running: this.#serve(host) });
    await Promise.all(this.hubs.map(({ running }) => running.says("listening on ")));
    // All at once would keep a small machine busy for so long that hubs count as gone.
    for (let i = 0; i < this.#clientHosts.length; i += JOIN_TOGETHER) {
      const some = this.#clientHosts.slice(i, i + JOIN_TOGETHER);
      await Promise.all(some.map((host, j) => this.#join(host, i + j + 1)));
    }
    await this.settled();
  }

  #run(host: Host, args: readonly string[]): Running {
    const running = new Running(["nsenter", `--net=${host.netns}`, ...example, ...args], { SWITCH_TOKEN: TOKEN });
    this.#all.push(running);
    return running;
  }

  #serve(host: Host): Running {
    const servers = this.natsHosts.map(({ address }) => `nats://${address}:${NATS_PORT}`).join();
    const listen = `${host.address}:${PORT}`;
    const own = ["--lan", "lab", "--hub", host.name, "--pool", POOL];
    return this.#run(host, ["serve", "--listen", listen, "--backbone", servers, ...own]);
  }

  async #join(host: Host, number: number): Promise<void> {
    const urls = this.#hubHosts.map(({ address }) => `ws://${address}:${PORT}`);
    const address6 = `2001:db8:f::${number}`;
    const running = this.#run(host, ["join", ...urls, "--id", host.name]);
    const addressOf = (): string | undefined => /is in the LAN: ([\d.]+)\//.exec(running.log)?.[1];
    await until(
      () => addressOf() !== undefined,
      () => `an address of ${host.name}: ${running.log}`,
    );
    const address = addressOf() as string;
    await runOn(host, "ip", "address", "add", `${address6}/64`, "dev", "lan0", "nodad");
    await runOn(host, "ip", "route", "add", "224.0.0.0/4", "dev", "lan0");
    const [link] = JSON.parse(await runOn(host, "ip", "-j", "link", "show", "dev", "lan0")) as [{ address: string }];
    this.clients.push({ id: host.name, host, running, address, address6, mac: link.address });
  }

  /** Starts a hub again, after its process has ended. */
  async restart(hub: LabHub): Promise<void> {
    hub.running = this.#serve(hub.host);
    await hub.running.says("listening on ");
  }

  /** Hubs whose process is there. */
  get liveHubs(): LabHub[] {
    return this.hubs.filter(({ running }) => !running.ended);
  }

  /** The status of one hub; undefined if it does not answer. */
  async status(hub: LabHub): Promise<LanView | undefined> {
    const header = `Authorization: Bearer ${TOKEN}`;
    const url = `http://${hub.host.address}:${PORT}/status`;
    try {
      return JSON.parse(await runOn(hub.host, "curl", "-sf", "--max-time", "3", "-H", header, url)) as LanView;
    } catch {
      return undefined;
    }
  }

  /** Returns what is wrong with the LAN as its hubs tell it: clients at no hub or at two, MAC addresses and hubs that are stale. */
  async defects(hubs: readonly LabHub[] = this.liveHubs): Promise<string[]> {
    const views = new Map<LabHub, LanView>();
    const found: string[] = [];
    for (const [i, view] of (await Promise.all(hubs.map((hub) => this.status(hub)))).entries()) {
      if (view === undefined) found.push(`${hubs[i]?.name} does not answer`);
      else views.set(hubs[i] as LabHub, view);
    }
    for (const { id, mac, address } of this.clients) {
      const at = [...views].flatMap(([{ name }, { ports }]) => ports.filter((port) => port.id === id).map(() => name));
      if (at.length !== 1) found.push(`${id} is at ${at.join(" and ") || "no hub"}`);
      for (const [{ name }, { ports }] of views)
        for (const port of ports)
          if (port.id === id && port.address !== `${address}/24`)
            found.push(`${id} has ${port.address} at ${name}, and had ${address}`);
      const owners = [...views].filter(([, { ports }]) => ports.some(({ macs }) => macs.includes(mac)));
      if (owners.length > 1) found.push(`${mac} of ${id} is at ${owners.map(([{ name }]) => name).join(" and ")}`);
    }
    for (const [{ name }, { backbone }] of views) {
      for (const [other, { ports }] of views) {
        if (other.name === name) continue;
        const known = backbone.hubs.find(({ id }) => id === other.name);
        const [macs, clients] = [ports.flatMap((port) => port.macs).length, ports.length];
        if (known === undefined) found.push(`${name} does not know ${other.name}`);
        else if (known.clients !== clients || known.macs !== macs)
          found.push(
            `${name} takes ${other.name} for one of ${known.clients} clients and ${known.macs} MAC addresses: it has ${clients} and ${macs}`,
          );
      }
      const names = [...views.keys()].map((hub) => hub.name);
      for (const { id } of backbone.hubs) if (!names.includes(id)) found.push(`${name} still knows ${id}`);
    }
    return found;
  }

  /** Resolves when nothing is wrong with the LAN. */
  async settled(hubs?: readonly LabHub[], timeoutMs = 60_000): Promise<void> {
    let last: string[] = [];
    const look = async (): Promise<true | undefined> => {
      last = await this.defects(hubs ?? this.liveHubs);
      return last.length === 0 ? true : undefined;
    };
    await eventually(look, "a LAN without defects", timeoutMs).catch((error: Error) => {
      throw new Error(`${error.message}: ${last.slice(0, 5).join("; ")}`);
    });
  }

  /** The hub that each client is at. */
  async places(hubs: readonly LabHub[] = this.liveHubs): Promise<Map<LabClient, LabHub>> {
    const places = new Map<LabClient, LabHub>();
    for (const hub of hubs) {
      const view = await this.status(hub);
      for (const client of this.clients) if (view?.ports.some(({ id }) => id === client.id)) places.set(client, hub);
    }
    return places;
  }

  /** Returns what a NATS server says of the store of addresses; undefined if it is down, or has none. */
  async #store(host: Host): Promise<StoreView | undefined> {
    try {
      const url = `http://127.0.0.1:${MONITOR_PORT}/jsz?streams=true`;
      const { account_details } = JSON.parse(await runOn(host, "curl", "-sf", "--max-time", "2", url));
      return account_details?.[0]?.stream_detail?.[0]?.cluster;
    } catch {
      return undefined;
    }
  }

  /**
   * The number of the NATS server that leads the store of addresses, once it does, and all others have what it has, and
   * the hubs know: a fault is to meet a cluster that has got over the last one.
   */
  async storeLeader(): Promise<number> {
    const look = async (): Promise<number | undefined> => {
      const views = await Promise.all(this.natsHosts.map((host) => this.#store(host)));
      const at = this.natsHosts.findIndex(({ name }, i) => views[i]?.leader === name);
      const { replicas = [] } = views[at] ?? {};
      if (replicas.length < this.natsHosts.length - 1 || !replicas.every(({ current }) => current)) return undefined;
      const hubs = await Promise.all(this.liveHubs.map((hub) => this.status(hub)));
      return hubs.every((hub) => hub !== undefined && hub.addresses.trouble === undefined) ? at : undefined;
    };
    return eventually(look, "a leader of the store, and replicas");
  }

  /** Has all frames between a host and any of `others` decided by `interceptor`. */
  between(host: Host, others: readonly Host[], interceptor: Interceptor): Disposable {
    const addresses = others.map(({ address }) => Uint8Array.from(address.split(".").map(Number)));
    const has = (frame: Uint8Array, at: number): boolean =>
      addresses.some((address) => address.every((octet, i) => frame[at + i] === octet));
    return this.network.port(host).intercept((frame, direction) => {
      const isIPv4 = frame[12] === 0x08 && frame[13] === 0x00;
      return isIPv4 && (has(frame, 26) || has(frame, 30)) ? interceptor(frame, direction) : "pass";
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#all.map((running) => running.end("SIGKILL")));
    for (const server of this.nats) await server[Symbol.asyncDispose]();
    await this.lab.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
