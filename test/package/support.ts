/** What the tests of this folder have in common: programs in child processes, and folders that go away. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until } from "../support/system.ts";

/** The folder of the project. */
export const projectPath: string = resolve(import.meta.dir, "../..");

/** The wakers of src/reactor.ts, for test.each. */
export const wakers = ["aio", "thread"] as const;

/** Returns the path of a program of this folder; an absolute path stays as it is. */
export function programPath(name: string): string {
  return resolve(import.meta.dir, "programs", name);
}

/** A folder of its own, and how to remove it. */
export function temporaryFolder(): Disposable & { path: string } {
  const path = mkdtempSync(join(tmpdir(), "bun-tuntap-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export interface Output {
  stdout: string;
  stderr: string;
  exitCode: number;
}

/** Runs a command to its end, whatever that is; after two minutes the end is SIGTERM: a registry may be slow. */
export function runIn(cwd: string, ...command: string[]): Output {
  const { stdout, stderr, exitCode } = Bun.spawnSync(command, { cwd, stdin: "ignore", timeout: 120_000 });
  return { stdout: stdout.toString(), stderr: stderr.toString(), exitCode };
}

/** Runs a command like {@link runIn}, and throws if it fails. Returns what it wrote to stdout. */
export function mustRunIn(cwd: string, ...command: string[]): string {
  const { stdout, stderr, exitCode } = runIn(cwd, ...command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}:\n${stdout}${stderr}`);
  return stdout;
}

export interface Ending extends Output {
  /** The signal that ended it, "SIGSEGV" for one, or null. */
  signal: NodeJS.Signals | number | null;
}

export interface ChildOptions {
  args?: readonly (string | number)[];
  /** Flags of Bun's own. */
  flags?: readonly string[];
  env?: Record<string, string>;
  /** Gives it a network namespace to itself, with quiet IPv6: needs `unshare`. */
  ownNamespace?: boolean;
}

const inOwnNamespace = [
  ...["unshare", "--net", "sh", "-c"],
  'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; exec "$@"',
  "sh",
];

/** A program in a child process that is still running, or was; disposing of it ends it. */
export class Child implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #stderr: Promise<string>;
  readonly #reading: Promise<void>;
  #stdout = "";
  #linesTaken = 0;

  /** Starts a program of this folder with `bun`; stdin stays open until {@link end}. */
  constructor(program: string, { args = [], flags = [], env = {}, ownNamespace = false }: ChildOptions = {}) {
    const command = [process.execPath, ...flags, programPath(program), ...args.map(String)];
    this.#process = Bun.spawn(ownNamespace ? [...inOwnNamespace, ...command] : command, {
      env: { ...process.env, ...env },
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#stderr = this.#process.stderr.text();
    this.#reading = this.#read();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The next line of stdout. */
  async line(timeoutMs = 60_000): Promise<string> {
    const number = this.#linesTaken++;
    const lines = (): string[] => this.#stdout.split("\n").slice(0, -1);
    await until(() => lines().length > number || !this.isRunning, `line ${number + 1} of the child`, timeoutMs);
    await (this.isRunning ? undefined : this.#reading);
    const line = lines()[number];
    if (line === undefined) throw new Error(`The child ended instead: ${JSON.stringify(await this.ending())}`);
    return line;
  }

  /** Writes a line to the child's stdin. */
  tell(line: string): void {
    this.#process.stdin.write(`${line}\n`);
    this.#process.stdin.flush();
  }

  /** Closes the child's stdin, and waits for the child to end. */
  async end(timeoutMs?: number): Promise<Ending> {
    this.#process.stdin.end();
    return this.ending(timeoutMs);
  }

  /** Waits for the child to end by itself. */
  async ending(timeoutMs = 60_000): Promise<Ending> {
    await until(() => !this.isRunning, "the child ends", timeoutMs);
    await this.#reading;
    const exitCode = await this.#process.exited;
    return { stdout: this.#stdout, stderr: await this.#stderr, exitCode, signal: this.#process.signalCode };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) this.#stdout += decoder.decode(chunk, { stream: true });
  }
}
