/**
 * Hosts of a tunnel, each in a network namespace of its own, joined by one bridge in a namespace that is the network:
 *
 *     host 1 ── eth0 ─┐
 *     host 2 ── eth0 ─┼─ bridge (the network)
 *     host 3 ── eth0 ─┘
 *
 * All share one mount namespace with a /run of its own, so that the sockets of /var/run/wireguard are the test's.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { top } from "../../support/programs.ts";
import { until } from "../../support/system.ts";

/** What the processes that hold namespaces wait for at most, whatever becomes of the test. */
const SECONDS_MAX = 900;

/** The program under test, as a command. */
export const ours: readonly string[] = [process.execPath, `${top}/apps/wireguard/index.ts`];

interface Holder {
  readonly pid: number;
  kill(): void;
}

async function hold(command: readonly string[], script: string): Promise<Holder> {
  const child = Bun.spawn([...command, "sh", "-c", `${script}; echo ready; exec sleep ${SECONDS_MAX}`], {
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  if (new TextDecoder().decode(value).trim() !== "ready") throw new Error("No namespace could be made");
  return { pid: child.pid, kill: () => child.kill("SIGKILL") };
}

/** A program that runs on a host. */
export type Running = Bun.Subprocess<"ignore", "pipe", "pipe">;

/** One host. */
export class Host {
  readonly number: number;
  readonly #holder: Holder;

  constructor(number: number, holder: Holder) {
    this.number = number;
    this.#holder = holder;
  }

  get ipv4(): string {
    return `192.0.2.${this.number}`;
  }

  get ipv6(): string {
    return `2001:db8:1::${this.number}`;
  }

  get netns(): string {
    return `/proc/${this.#holder.pid}/ns/net`;
  }

  inside(command: readonly string[]): string[] {
    return ["nsenter", "-t", String(this.#holder.pid), "-m", "-n", ...command];
  }

  /** Runs a program to its end; throws with its output if it fails. */
  run(...command: string[]): string {
    const { exitCode, stdout, stderr } = this.try(...command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${stderr}${stdout}`);
    return stdout;
  }

  try(...command: string[]): { exitCode: number | null; stdout: string; stderr: string } {
    const { exitCode, stdout, stderr } = Bun.spawnSync(this.inside(command), { timeout: 600_000 });
    return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  start(command: readonly string[], env: Record<string, string> = {}): Running {
    return Bun.spawn(this.inside(command), {
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /**
   * Waits until the IPv6 addresses of an interface can be used: even without duplicate address detection they are tentative
   * until the kernel's work queue has its turn, before which nobody answers at them, and bind() refuses them.
   */
  async usable(name: string): Promise<void> {
    const tentative = (): string => this.run("ip", "-6", "-o", "addr", "show", "dev", name, "tentative");
    await until(() => tentative() === "", `usable addresses of ${name}`);
  }

  /** Tells whether that path exists, seen by this host. */
  has(path: string): boolean {
    return this.try("test", "-e", path).exitCode === 0;
  }
}

/** A network with hosts. */
export class Rig implements Disposable {
  readonly hosts: readonly Host[];
  /** A folder for keys and configuration files. */
  readonly folder: string;
  readonly #holders: readonly Holder[];
  readonly #started: Running[] = [];

  private constructor(hosts: readonly Host[], holders: readonly Holder[]) {
    this.hosts = hosts;
    this.#holders = holders;
    this.folder = mkdtempSync("/tmp/bun-tuntap-wireguard-");
  }

  static async open(count: number): Promise<Rig> {
    const quiet = "cd /proc/sys/net/ipv6/conf/default && echo 0 >accept_dad && echo 0 >accept_ra";
    const mounts = await hold(
      ["unshare", "-m", "-n"],
      "mount -t tmpfs none /run && mkdir -p /run/wireguard && ip link add bridge type bridge && ip link set bridge up",
    );
    const inMounts = ["nsenter", "-t", String(mounts.pid), "-m"];
    const holders = [mounts];
    const hosts: Host[] = [];
    for (let number = 1; number <= count; number++) {
      const holder = await hold([...inMounts, "unshare", "-n"], `${quiet}; ip link set lo up`);
      holders.push(holder);
      const host = new Host(number, holder);
      hosts.push(host);
      const network = ["nsenter", "-t", String(mounts.pid), "-n", "ip", "link"];
      mustRun([
        ...network,
        "add",
        `port${number}`,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        String(holder.pid),
      ]);
      mustRun([...network, "set", `port${number}`, "master", "bridge", "up"]);
      host.run("ip", "link", "set", "eth0", "up");
      host.run("ip", "addr", "add", `${host.ipv4}/24`, "dev", "eth0");
      host.run("ip", "addr", "add", `${host.ipv6}/64`, "dev", "eth0");
    }
    return new Rig(hosts, holders);
  }

  host(number: number): Host {
    return this.hosts[number - 1] as Host;
  }

  /** Starts an implementation on a host, and waits for its configuration socket. */
  async serve(
    host: Host,
    command: readonly string[],
    name: string,
    env: Record<string, string> = {},
  ): Promise<Running> {
    const child = host.start([...command, "-f", name], { WG_PROCESS_FOREGROUND: "1", ...env });
    this.#started.push(child);
    // wg removes a socket that refuses it, as one does that is bound and does not listen yet.
    const listens = (): boolean => host.run("ss", "-Hxl").includes(`/run/wireguard/${name}.sock`);
    await until(() => listens() || child.exitCode !== null, `socket of ${name}`, 60_000);
    if (child.exitCode !== null) throw new Error(await child.stderr.text());
    return child;
  }

  /** A file of the test's with that text. */
  file(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  [Symbol.dispose](): void {
    // Tunnels in the background end when their sockets go.
    this.hosts[0]?.try("sh", "-c", "rm -f /run/wireguard/*.sock");
    for (const child of this.#started) child.kill("SIGKILL");
    for (const holder of this.#holders) holder.kill();
    rmSync(this.folder, { recursive: true });
  }
}

function mustRun(command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

/** A key pair as `wg` makes it. */
export function keys(): { private: string; public: string } {
  const made = Bun.spawnSync(["wg", "genkey"]).stdout.toString().trim();
  const derived = Bun.spawnSync(["wg", "pubkey"], { stdin: new TextEncoder().encode(made) });
  return { private: made, public: derived.stdout.toString().trim() };
}

/** What `wg show NAME dump` says of a peer. */
export interface ShownPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly allowedIps: string;
  readonly handshake: number;
  readonly received: number;
  readonly sent: number;
  readonly keepAlive: string;
}

export function shownPeers(host: Host, name: string): ShownPeer[] {
  const [, ...lines] = host.run("wg", "show", name, "dump").trim().split("\n");
  return lines.map((line) => {
    const [publicKey = "", , endpoint = "", allowedIps = "", handshake, received, sent, keepAlive = ""] =
      line.split("\t");
    return {
      publicKey,
      endpoint,
      allowedIps,
      keepAlive,
      handshake: Number(handshake),
      received: Number(received),
      sent: Number(sent),
    };
  });
}
