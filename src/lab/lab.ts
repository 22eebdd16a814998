import { checkOptions, text } from "../checks.ts";
import { TunTapError } from "../errors.ts";
import { type Undo, withRollback } from "../rollback.ts";
import { closeFd } from "../sys/tun.ts";
import { Addresses, nextFree, type Subnet } from "./addresses.ts";
import { type Clock, openClock, releaseClock } from "./clock.ts";
import { dump } from "./dump.ts";
import { LabHost } from "./host.ts";
import { type HostEnd, LabLink, type LinkSurroundings } from "./link.ts";
import { openHostNetns } from "./namespace.ts";
import { Nic } from "./nic.ts";
import {
  checkVariables,
  environmentOf,
  freeName,
  hostChecks,
  labChecks,
  linkChecks,
  seedByDefault,
  switchChecks,
} from "./options.ts";
import { Reaper } from "./reaper.ts";
import { isOn, setDefaultRoutes } from "./routing.ts";
import { linkImpairmentChecks } from "./settings.ts";
import { waitUntilSolicited } from "./solicited.ts";
import { LabSwitch } from "./switch.ts";
import type {
  Host,
  HostOptions,
  Lab,
  LabOptions,
  Link,
  LinkImpairments,
  LinkOptions,
  Switch,
  SwitchOptions,
} from "./types.ts";

/** The networks of a link or switch. */
interface Networks {
  readonly ipv4: Subnet;
  readonly ipv6: Subnet;
}

/**
 * Makes a lab: hosts in network namespaces, and links between them that lose,
 * delay and cut as a test says. All of it goes with the handle.
 *
 * @throws {TunTapError} `EPERM` without the right to make network namespaces; `hint` says what to type
 * @example
 * ```ts
 * import { createLab } from "bun-tuntap/lab";
 *
 * await using lab = await createLab({ seed: 7 });
 * const [client, server] = [lab.host("client"), lab.host("server")];
 * const link = lab.link(client, server, { delay: 20, loss: 0.01 });
 * console.log(await client.ping(server));
 * link.cut();
 * ```
 */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  checkOptions(options, labChecks, undefined);
  return new LabNetwork(options);
}

class LabNetwork implements Lab {
  readonly seed: number;
  readonly #clock: Clock;
  readonly #reaper: Reaper;
  readonly #addresses = new Addresses();
  readonly #hosts = new Map<string, LabHost>();
  readonly #links = new Map<string, LabLink>();
  readonly #switches = new Map<string, LabSwitch>();
  readonly #onInterceptorError: (error: unknown) => void;
  /** A namespace that shows that labs can be made, for the first host. */
  #spare: number | undefined;
  #macs = 0;
  #environment: Readonly<Record<string, string>> | undefined;
  #closing: Promise<void> | undefined;

  constructor({ seed = seedByDefault(), error = reportError }: LabOptions) {
    this.seed = seed;
    this.#onInterceptorError = error;
    this.#spare = openHostNetns();
    [this.#reaper, this.#clock] = withRollback((undo) => {
      undo.push(() => closeFd(this.#spare as number));
      const reaper = new Reaper();
      undo.push(() => void reaper.close());
      return [reaper, openClock()];
    });
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  host(name: string, options: HostOptions = {}): Host {
    return this.#host(name, options, false);
  }

  router(name: string, options: HostOptions = {}): Host {
    return this.#host(name, options, true);
  }

  link(a: Host, b: Host, options: LinkOptions = {}): Link {
    this.#assertOpen();
    checkOptions(options, linkChecks, undefined);
    const [first, second] = [this.#own(a, "a"), this.#own(b, "b")];
    if (first === second) throw new TypeError(`"a" and "b" must be two hosts, got "${a.name}" twice`);
    const name = this.#nameOfLink(options.name, `${first.name}-${second.name}`);
    const networks = this.#networks(options, "link");
    return withRollback((undo) => {
      const near = this.#end(first, name, networks, options.interfaceMtu, undo);
      const far = this.#end(second, name, networks, options.interfaceMtu, undo);
      const link = new LabLink(name, near, far, options, this.#surroundings([first, second]));
      undo.push(() => link.close());
      this.#joined(link, link, [near, far]);
      setDefaultRoutes(first, second);
      waitUntilSolicited(link.hostEnds);
      return link;
    });
  }

  switch(hosts: readonly Host[] = [], impairments: LinkImpairments = {}, options: SwitchOptions = {}): Switch {
    this.#assertOpen();
    checkOptions(options, switchChecks, undefined);
    checkOptions(impairments, linkImpairmentChecks, undefined);
    if (!Array.isArray(hosts)) throw new TypeError(`"hosts" must be an array of hosts, got ${Bun.inspect(hosts)}`);
    for (const host of hosts) this.#own(host, "hosts");
    const name = freeName(options.name, "switch", this.#switches, "switch");
    const networks = this.#networks(options, "switch");
    const made = new LabSwitch(
      name,
      (port, host, wanted) => this.#port(port, this.#own(host, "host"), wanted, networks, options.interfaceMtu),
      () => this.#switches.delete(name),
    );
    this.#switches.set(name, made);
    return withRollback((undo) => {
      undo.push(() => made.close());
      made.attachAll(hosts, impairments);
      return made;
    });
  }

  async dump(folder: string): Promise<void> {
    this.#assertOpen();
    dump(folder, this.seed, [...this.#hosts.values()], [...this.#links.values()]);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.dispose](): void {
    void this.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Programs first, which might look for what is gone; then links, and the namespaces last. */
  async #close(): Promise<void> {
    const hosts = [...this.#hosts.values()];
    this.#reaper.kill(new Set(hosts.map(({ netnsName }) => netnsName)));
    const closing = [...this.#links.values()].map((link) => link.closeInThread());
    if (this.#spare !== undefined) closeFd(this.#spare);
    this.#spare = undefined;
    for (const host of hosts) host.release();
    releaseClock();
    this.#hosts.clear();
    this.#switches.clear();
    await Promise.all([...closing, ...hosts.map((host) => host.ended()), this.#reaper.close()]);
  }

  #host(name: string, options: HostOptions, isRouter: boolean): Host {
    this.#assertOpen();
    text(name, "name", undefined);
    if (name.includes("/")) throw new TypeError(`Option "name" must have no slash, got ${Bun.inspect(name)}`);
    checkOptions(options, hostChecks, undefined);
    if (this.#hosts.has(name)) throw new RangeError(`There is a host "${name}" already: names must differ`);
    checkVariables(name, this.#hosts.keys());
    const netns = this.#spare ?? openHostNetns();
    this.#spare = undefined;
    return withRollback((undo) => {
      undo.push(() => closeFd(netns));
      const host = new LabHost({
        ...options,
        name,
        netns,
        isRouter,
        reaper: this.#reaper,
        environment: () => this.#environmentNow(),
        onClosed: (closed) => this.#hosts.delete(closed.name),
      });
      this.#hosts.set(name, host);
      return host;
    });
  }

  #port(
    made: LabSwitch,
    host: LabHost,
    impairments: LinkImpairments,
    networks: Networks,
    mtu: number | undefined,
  ): LabLink {
    checkOptions(impairments, linkImpairmentChecks, undefined);
    const name = this.#nameOfLink(undefined, `${host.name}-${made.name}`);
    return withRollback((undo) => {
      const end = this.#end(host, name, networks, mtu, undo);
      const sink = (frames: Uint8Array[]): number => {
        made.forward(link, frames);
        return frames.length;
      };
      const surroundings = this.#surroundings([host], made);
      const link: LabLink = new LabLink(name, end, { name: made.name, sink }, impairments, surroundings);
      undo.push(() => link.close());
      this.#joined(made, link, [end]);
      for (const other of this.#hosts.values()) if (isOn(other, made)) setDefaultRoutes(host, other);
      return link;
    });
  }

  #end(host: LabHost, link: string, networks: Networks, mtu: number | undefined, undo: Undo): HostEnd {
    const wanted = host.wantedAddresses;
    const given = [...this.#hosts.values()].flatMap(({ givenAddresses }) => givenAddresses);
    const nic = new Nic({
      name: host.nextNicName(),
      netns: host.netns,
      mac: this.#nextMac(),
      mtu: mtu ?? 1500,
      address: wanted.address ?? nextFree(networks.ipv4, given),
      address6: wanted.address6 ?? nextFree(networks.ipv6, given),
      hasIPv6: host.hasIPv6,
      linkLocal: host.isRouter ? `fe80::${this.#macs.toString(16)}/64` : undefined,
      place: `the host "${host.name}", the link "${link}"`,
    });
    undo.push(() => nic.device.close());
    return { host, nic };
  }

  #joined(network: Link | Switch, link: LabLink, ends: readonly HostEnd[]): void {
    this.#links.set(link.name, link);
    this.#environment = undefined;
    for (const { host, nic } of ends) host.attached(network, link, nic);
  }

  #surroundings(hosts: readonly LabHost[], made?: LabSwitch): LinkSurroundings {
    return {
      seed: this.seed,
      clock: this.#clock,
      onInterceptorError: this.#onInterceptorError,
      onClosed: (link) => {
        this.#links.delete(link.name);
        this.#environment = undefined;
        made?.detached(link);
        for (const host of hosts) host.detached(made ?? link, link);
      },
    };
  }

  #networks({ subnet, subnet6 }: { subnet?: string; subnet6?: string }, kind: "link" | "switch"): Networks {
    return { ipv4: this.#addresses[kind](subnet), ipv6: this.#addresses.network6(subnet6) };
  }

  /** Returns the next MAC address, which is locally administered, and the same in every run. */
  #nextMac(): string {
    const number = (++this.#macs).toString(16).padStart(6, "0");
    return `02:00:5e:${number.slice(0, 2)}:${number.slice(2, 4)}:${number.slice(4)}`;
  }

  #nameOfLink(given: string | undefined, usual: string): string {
    if (given?.includes("/")) throw new TypeError(`Option "name" must have no slash, got ${Bun.inspect(given)}`);
    return freeName(given, usual, this.#links, "link");
  }

  #environmentNow(): Readonly<Record<string, string>> {
    this.#environment ??= environmentOf([...this.#hosts.values()]);
    return this.#environment;
  }

  /** @throws {TypeError} if it is no open host of this lab */
  #own(host: Host, name: string): LabHost {
    if (host instanceof LabHost) {
      if (this.#hosts.get(host.name) === host) return host;
      if (host.closed) throw new TunTapError("ERR_TUNTAP_CLOSED", `the host "${host.name}" is closed`);
    }
    throw new TypeError(`"${name}" must be a host of this lab, got ${Bun.inspect(host)}`);
  }

  #assertOpen(): void {
    if (this.closed) throw new TunTapError("ERR_TUNTAP_CLOSED", "the lab is closed");
  }
}
