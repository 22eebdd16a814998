/** NATS servers for tests: one, or a cluster of three, in a network namespace that the test gives. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { until } from "../support/system.ts";
import { Running } from "./switch-lan.ts";

/** Program that the tests of the backbone need, for `describeWithTools`: Debian's package has its name. */
export const NATS: string = "nats-server";

/** One server. */
export interface NatsOptions {
  readonly name?: string;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: 4222. The namespace is the test's own, so that no port is taken. */
  readonly port?: number;
  /** Names a network namespace, as "/proc/123/ns/net"; default: that of the test. */
  readonly netns?: string;
  /** True for a JetStream, with a folder that goes with the server. */
  readonly jetStream?: boolean;
  /** Lines for the configuration, such as "authorization { … }". */
  readonly config?: string;
  /** Other members of the cluster, "192.0.2.2", and the host itself. */
  readonly cluster?: readonly string[];
}

const CLUSTER_PORT = 6222;

/** A server at work. Its folder stays over restarts, and goes with it. */
export class NatsServer {
  readonly url: string;
  readonly folder: string = mkdtempSync(`${tmpdir()}/bun-tuntap-nats-`);
  #running: Running;
  readonly #command: string[];

  private constructor(options: NatsOptions) {
    const { host = "127.0.0.1", port = 4222, netns } = options;
    this.url = `nats://${host}:${port}`;
    writeFileSync(`${this.folder}/nats.conf`, configOf(options, this.folder));
    const enter = netns === undefined ? [] : ["nsenter", `--net=${netns}`];
    this.#command = [...enter, NATS, "-c", `${this.folder}/nats.conf`];
    this.#running = new Running(this.#command, {});
  }

  /** Resolves once the server takes connections. */
  static async start(options: NatsOptions = {}): Promise<NatsServer> {
    const server = new NatsServer(options);
    await server.#running.says("Server is ready");
    return server;
  }

  /** Resolves once a cluster with a server at each of the addresses has a leader; all have JetStream. */
  static async startCluster(
    hosts: readonly string[],
    optionsOf: (server: number) => NatsOptions = () => ({}),
  ): Promise<NatsServer[]> {
    const servers = await Promise.all(
      hosts.map((host, i) =>
        NatsServer.start({ ...optionsOf(i), host, name: `nats${i + 1}`, jetStream: true, cluster: hosts }),
      ),
    );
    await until(() => servers.some(({ log }) => log.includes("JetStream cluster new metadata leader")), "a leader");
    return servers;
  }

  get pid(): number {
    return this.#running.pid;
  }

  get log(): string {
    return this.#running.log;
  }

  signal(name: NodeJS.Signals): void {
    this.#running.signal(name);
  }

  /** Kills the server; its store stays. */
  async kill(): Promise<void> {
    await this.#running.end("SIGKILL");
  }

  /** Starts the server again, with its store. */
  async restart(): Promise<void> {
    this.#running = new Running(this.#command, {});
    await this.#running.says("Server is ready");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function configOf({ name = "nats", host = "127.0.0.1", port = 4222, ...rest }: NatsOptions, folder: string): string {
  const lines = [`server_name: ${name}`, `listen: "${host}:${port}"`];
  if (rest.jetStream === true) lines.push(`jetstream { store_dir: "${folder}/store" }`);
  if (rest.cluster !== undefined) {
    const routes = rest.cluster.map((other) => `"nats://${other}:${CLUSTER_PORT}"`);
    lines.push(`cluster { name: lan, listen: "${host}:${CLUSTER_PORT}", routes: [${routes}] }`);
  }
  return `${[...lines, rest.config ?? ""].join("\n")}\n`;
}
