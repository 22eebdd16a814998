import { TunTapError, withDetails } from "../errors.ts";
import type { RouteLike } from "../index.ts";
import { closeFd } from "../sys/tun.ts";
import { withoutLength } from "./addresses.ts";
import { inNetns } from "./namespace.ts";
import { hasIPv6, type Nic } from "./nic.ts";
import { ping } from "./ping.ts";
import type { Reaper } from "./reaper.ts";
import type { Host, HostOptions, Link, PingOptions, SpawnOptions, Switch } from "./types.ts";

const { readlinkSync, writeFileSync } = process.getBuiltinModule("node:fs");

/** The parts of a {@link LabHost}. */
export interface HostParts extends HostOptions {
  readonly name: string;
  /** An fd, which is the host's to close. */
  readonly netns: number;
  readonly isRouter: boolean;
  readonly reaper: Reaper;
  /** Returns the environment of all programs in the lab. */
  readonly environment: () => Readonly<Record<string, string>>;
  readonly onClosed: (host: LabHost) => void;
}

/** A host of a lab: see {@link Host}. */
export class LabHost implements Host {
  readonly name: string;
  readonly isRouter: boolean;
  /** "net:[4026532000]": the namespace as /proc calls it. */
  readonly netnsName: string;
  readonly #parts: HostParts;
  /** The interfaces, by their link, or by their switch. */
  readonly #nics = new Map<Link | Switch, Nic>();
  readonly #links = new Set<Link>();
  readonly #workers = new Set<Worker>();
  readonly #programs = new Set<Bun.Subprocess>();
  /** Ends the pings that wait. */
  readonly #end = new AbortController();
  #netns: number;
  #nicCount = 0;

  constructor(parts: HostParts) {
    this.name = parts.name;
    this.isRouter = parts.isRouter;
    this.#parts = parts;
    this.#netns = parts.netns;
    this.netnsName = readlinkSync(`/proc/self/fd/${parts.netns}`);
    this.enter(() => setForwarding(parts));
  }

  get closed(): boolean {
    return this.#netns < 0;
  }

  get netns(): string {
    return `/proc/${process.pid}/fd/${this.#openNetns()}`;
  }

  get address(): string {
    return withoutLength(this.#firstNic().address);
  }

  get address6(): string {
    return withoutLength(this.#firstNic().address6);
  }

  get environment(): Readonly<Record<string, string>> {
    return this.#parts.environment();
  }

  addressOn(network: Link | Switch): { readonly address: string; readonly address6: string } {
    const nic = this.#nics.get(network);
    if (nic === undefined) throw noAddress(`the host "${this.name}" is not on "${network?.name}"`);
    return { address: withoutLength(nic.address), address6: withoutLength(nic.address6) };
  }

  spawn<
    const In extends Bun.SpawnOptions.Writable = "ignore",
    const Out extends Bun.SpawnOptions.Readable = "pipe",
    const Err extends Bun.SpawnOptions.Readable = "inherit",
  >(command: string[], options?: SpawnOptions<In, Out, Err>): Bun.Subprocess<In, Out, Err> {
    const env = { ...process.env, ...this.environment, ...options?.env };
    const program = this.enter(() => {
      this.#parts.reaper.watch(this.netnsName);
      return Bun.spawn<In, Out, Err>(command, { ...options, env } as typeof options & object);
    });
    this.#programs.add(program);
    void program.exited.then(() => this.#programs.delete(program));
    return program;
  }

  worker(module: string | URL, options?: WorkerOptions): Worker {
    const worker = this.enter(() => new Worker(module, options));
    this.#workers.add(worker);
    worker.addEventListener("close", () => this.#workers.delete(worker));
    return worker;
  }

  enter<T>(use: () => T): T {
    if (typeof use !== "function" || use.constructor.name === "AsyncFunction") {
      throw new TypeError(
        `"use" must be a function that is not async, for this thread is on the host "${this.name}" until it returns, got ${Bun.inspect(use)}`,
      );
    }
    return inNetns(this.#openNetns(), use);
  }

  ping(to: Host | string, options: PingOptions = {}): Promise<number | null> {
    const { signal } = this.#end;
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    const answer = async (): Promise<number | null> =>
      ping(this, to instanceof LabHost ? to.address : to, options, signal);
    answer().then(resolve, (error: unknown) => {
      // A ping that nobody waits for is no fault of a test that closes its host.
      if (error === signal.reason) promise.catch(() => {});
      reject(error);
    });
    return promise;
  }

  route(to: RouteLike, via?: Host | string): void {
    this.#openNetns();
    const destination = typeof to === "string" ? to : String(to?.to);
    const gateway = via instanceof LabHost ? this.#gatewayOf(via, destination) : via;
    if (gateway !== undefined && typeof gateway !== "string") {
      throw new TypeError(`"via" must be a host or an IP address, got ${Bun.inspect(via)}`);
    }
    const settings = typeof to === "string" ? { to } : to;
    const nic = this.#nicFor(gateway);
    try {
      nic.device.addRoute(gateway === undefined ? settings : { ...settings, via: gateway });
    } catch (error) {
      throw withDetails(error, { detail: `the host "${this.name}", route to ${destination}` });
    }
  }

  /** True if interfaces of this host have IPv6: a program of the test may have switched it off. */
  get hasIPv6(): boolean {
    return this.enter(hasIPv6);
  }

  get hasDefaultRoute(): boolean {
    return this.nics.some(({ device }) => device.routes().some(({ to }) => to === "0.0.0.0/0"));
  }

  /** The name of the next interface: eth0, eth1, … */
  nextNicName(): string {
    return `eth${this.#nicCount++}`;
  }

  /** The addresses that the caller has given, with prefix length. */
  get givenAddresses(): readonly string[] {
    const { address, address6 } = this.#parts;
    return [address, address6].filter((text) => text !== undefined);
  }

  /** The address that the caller wants for this host's first interface. */
  get wantedAddresses(): HostOptions {
    return this.#nics.size === 0 ? this.#parts : {};
  }

  /** Tells the host of its interface on a link, which may be a port of a switch. */
  attached(network: Link | Switch, link: Link, nic: Nic): void {
    this.#nics.set(network, nic);
    this.#nics.set(link, nic);
    this.#links.add(link);
  }

  detached(network: Link | Switch, link: Link): void {
    this.#nics.delete(network);
    this.#nics.delete(link);
    this.#links.delete(link);
  }

  /** The links and the interfaces on them. */
  get nics(): readonly Nic[] {
    return [...new Set(this.#nics.values())];
  }

  close(): void {
    if (this.closed) return;
    this.#parts.reaper.kill(new Set([this.netnsName]));
    for (const link of [...this.#links]) link.close();
    this.release();
    this.#parts.onClosed(this);
  }

  /** Ends the Workers and pings, and gives the namespace up. Programs and links are gone already. */
  release(): void {
    for (const worker of this.#workers) worker.terminate();
    this.#workers.clear();
    closeFd(this.#netns);
    this.#netns = -1;
    this.#end.abort(this.#closedError());
  }

  /** Resolves when all its programs have ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#programs].map(({ exited }) => exited));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openNetns(): number {
    if (this.closed) throw this.#closedError();
    return this.#netns;
  }

  #closedError(): TunTapError {
    return new TunTapError("ERR_TUNTAP_CLOSED", `the host "${this.name}" is closed`);
  }

  #firstNic(): Nic {
    this.#openNetns();
    const [first] = this.#nics.values();
    if (first === undefined) throw noAddress(`the host "${this.name}" is on no network yet`);
    return first;
  }

  /** The interface on whose network `gateway` is, as the kernel has it; the first one where it is on none. */
  #nicFor(gateway: string | undefined): Nic {
    const first = this.#firstNic();
    if (gateway === undefined) return first;
    return this.nics.find((nic) => sameNetwork(nic, gateway)) ?? first;
  }

  /** The address of another host on a network that this one is on, too. */
  #gatewayOf(via: LabHost, to: string): string {
    const isIPv6 = to.includes(":");
    for (const [network, nic] of via.#nics) {
      if (this.#nics.has(network)) return withoutLength(isIPv6 ? nic.address6 : nic.address);
    }
    throw noAddress(`the hosts "${this.name}" and "${via.name}" have no network in common`);
  }
}

function noAddress(text: string): TunTapError {
  return new TunTapError("EADDRNOTAVAIL", text, { hint: "join them by lab.link() or lab.switch() first" });
}

/** Tells whether `address` is in the network of the interface. */
function sameNetwork({ address, address6 }: Nic, gateway: string): boolean {
  const list = new (process.getBuiltinModule("node:net").BlockList)();
  const own = gateway.includes(":") ? address6 : address;
  const family = gateway.includes(":") ? "ipv6" : "ipv4";
  list.addSubnet(withoutLength(own), Number(own.slice(own.indexOf("/") + 1)), family);
  return list.check(gateway, family);
}

/**
 * Makes the settings of a host. A new namespace has the IPv4 settings of the machine (net/ipv4/devinet.c
 * devinet_init_net()), which are not a lab's: forwarding, and the reverse path
 * filter, which drops packets that arrive on another interface than answers leave by.
 */
function setForwarding({ name, isRouter }: HostParts): void {
  const on = isRouter ? "1" : "0";
  try {
    writeFileSync("/proc/sys/net/ipv4/ip_forward", on);
    for (const scope of ["all", "default"]) writeFileSync(`/proc/sys/net/ipv4/conf/${scope}/rp_filter`, "0");
    if (hasIPv6()) writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", on);
  } catch (cause) {
    // Read-only in a container: the machine's settings are most likely good enough for a host.
    if (!isRouter) return;
    throw new TunTapError("EROFS", `the router "${name}" cannot be told to forward`, {
      hint: "/proc/sys must be writable: run the container with --privileged, or with --security-opt systempaths=unconfined",
      cause,
    });
  }
}
