/** What the tests of the command share: the command in a child process, run to its end or while it runs. */
import { join } from "node:path";
import { runToEnd, top } from "../support/programs.ts";
import { until } from "../support/system.ts";

export const program: string = join(top, "bin/bun-tuntap.ts");

/** Bun takes these from its surroundings, too; and whoever tests by sudo owns nothing. */
const quiet = { FORCE_COLOR: undefined, NO_COLOR: undefined, BUN_TUNTAP_WAKER: undefined, SUDO_UID: undefined };

/** The environment of a child, as it would be without the tests around it. */
export function environment(env: Record<string, string> = {}): Record<string, string> {
  return { ...(quiet as object), ...env };
}

/** Runs the command to its end. */
export function command(args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof runToEnd> {
  return runToEnd([process.execPath, program, ...args], { env: environment(env) });
}

/** As {@link command}, on a terminal: `script` makes one, and passes on how it ended. */
export function onTerminal(args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof runToEnd> {
  const line = [process.execPath, program, ...args].join(" ");
  return runToEnd(["script", "-qec", line, "/dev/null"], { env: environment({ TERM: "xterm", ...env }) });
}

/** Returns what the command prints with `--json`, read again; it has to end with 0 and say nothing else. */
export function jsonOf<T>(...args: string[]): T {
  const { stdout, stderr, exitCode } = command([...args, "--json"]);
  if (exitCode !== 0 || stderr !== "") throw new Error(`${args.join(" ")} ended with ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** The command while it runs. */
export class Running implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #reading: Promise<void>;
  stdout = "";

  constructor(line: readonly string[]) {
    this.#child = Bun.spawn([...line], { env: { ...process.env, ...environment() }, stdin: "ignore", stderr: "pipe" });
    this.#reading = this.#read();
  }

  static start(...args: string[]): Running {
    return new Running([process.execPath, program, ...args]);
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when what was printed has `text`. */
  async prints(text: string): Promise<void> {
    await until(() => this.stdout.includes(text) || this.hasEnded, `"${text}" is printed`);
    await (this.hasEnded ? this.#reading : undefined);
    if (!this.stdout.includes(text)) throw new Error(`It ended without: ${this.stdout}${await this.stderr()}`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  stderr(): Promise<string> {
    return this.#child.stderr.text();
  }

  /** Waits for its end. */
  async ended(): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const [code, stderr] = await Promise.all([this.#child.exited, this.stderr(), this.#reading]);
    return { code, stdout: this.stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) this.stdout += decoder.decode(chunk, { stream: true });
  }
}
