/** The programs that a run starts, none of which outlives it. */
import type { Subprocess } from "bun";

/** The time that anything that ought to happen at once may take. */
const PATIENCE_MS = 10_000;

const running = new Set<Program>();
let interrupted = false;

export interface StartOptions {
  /** The network namespace that it runs in: this process's, or a fresh one. */
  netns: number | "fresh";
  stdin?: string;
}

/** One program, started by us and ended by us. */
export class Program {
  readonly #command: string;
  readonly #process: Subprocess<"pipe", "pipe", "pipe">;
  readonly #errorsRead: Promise<void>;
  readonly #output: AsyncIterator<string>;
  #text = "";
  #errors = "";

  constructor(command: readonly string[], options: StartOptions) {
    if (interrupted) throw new Error("Interrupted");
    const enter = options.netns === "fresh" ? ["unshare", "--net"] : ["nsenter", `--net=/proc/${options.netns}/ns/net`];
    this.#command = command.join(" ");
    // setpriv and the two above replace themselves, so that the pid is the program's
    // own. The kernel kills it when this process ends, even by SIGKILL.
    this.#process = Bun.spawn(["setpriv", "--pdeathsig", "KILL", "--", ...enter, "--", ...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#process.stdin.write(options.stdin ?? "");
    this.#process.stdin.end();
    this.#errorsRead = this.#readErrors();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
    running.add(this);
    void this.#process.exited.then(() => running.delete(this));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** What it has written to standard error by now. */
  get errors(): string {
    return this.#errors;
  }

  /** Resolves once the program has printed "ready". */
  async ready(): Promise<void> {
    while (!this.#text.includes("ready\n")) {
      if (!(await this.#within(PATIENCE_MS, this.#readMore()))) throw await this.#failure("ended before it was ready");
    }
    this.#text = this.#text.replace("ready\n", "");
  }

  /** Returns what the program prints until it ends of itself. */
  async output(timeoutMs: number = PATIENCE_MS): Promise<string> {
    await this.#within(timeoutMs, this.#readAll());
    const [exitCode] = await Promise.all([this.#process.exited, this.#errorsRead]);
    if (exitCode !== 0) throw await this.#failure("failed");
    return this.#text;
  }

  /** Asks the program to end, and returns what it printed, its last words included. */
  end(): Promise<string> {
    this.#process.kill("SIGTERM");
    return this.output();
  }

  /** Ends the program, if it has not ended: politely, then not. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#within(2000, this.#process.exited);
  }

  async #readMore(): Promise<boolean> {
    const { done, value } = await this.#output.next();
    this.#text += value ?? "";
    return done !== true;
  }

  async #readAll(): Promise<void> {
    while (await this.#readMore());
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) this.#errors += text;
  }

  async #within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), timeoutMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }

  async #failure(how: string): Promise<Error> {
    await Promise.all([this.#process.exited, this.#errorsRead]);
    const status = this.#process.signalCode ?? `exit code ${this.#process.exitCode}`;
    return new Error(`${this.#command}: ${how} (${status})\n${this.#text}${this.#errors}`);
  }
}

/** Runs a program to its end and returns what it printed. */
export function run(command: readonly string[], options: StartOptions, timeoutMs?: number): Promise<string> {
  return new Program(command, options).output(timeoutMs);
}

/** Ends every program that still runs. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((program) => program.stop()));
}

/** Ends every program, and lets no new one start. */
export function interrupt(): Promise<void> {
  interrupted = true;
  return stopAll();
}

/** Waits for something that has no event of its own. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await Bun.sleep(5);
  }
}
