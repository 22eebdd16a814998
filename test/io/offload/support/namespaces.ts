/** Network namespaces without names, each held by a process that sleeps in it, and gone when that process is. */

/** What the process that holds a namespace waits for at most, whatever becomes of the test. */
const SECONDS_MAX = 1200;

/** No link-local addresses, so that the kernel neither solicits routers nor reports groups (IN6_ADDR_GEN_MODE_NONE). */
const QUIET = "cd /proc/sys/net/ipv6/conf/default && echo 1 >addr_gen_mode && echo 0 >accept_ra && echo 0 >accept_dad";

export class Namespace implements Disposable {
  readonly #holder: Bun.Subprocess<"ignore", "pipe", "inherit">;

  private constructor(holder: Bun.Subprocess<"ignore", "pipe", "inherit">) {
    this.#holder = holder;
  }

  static async open(): Promise<Namespace> {
    const script = `${QUIET}; ip link set lo up; echo ready; exec sleep ${SECONDS_MAX}`;
    const holder = Bun.spawn(["unshare", "--net", "sh", "-c", script], { stderr: "inherit" });
    const { value } = await holder.stdout.getReader().read();
    if (new TextDecoder().decode(value).trim() !== "ready") throw new Error("No network namespace could be made");
    return new Namespace(holder);
  }

  /** For the `netns` option. */
  get path(): string {
    return `/proc/${this.#holder.pid}/ns/net`;
  }

  #inside(command: readonly string[]): string[] {
    return ["nsenter", `--net=${this.path}`, ...command];
  }

  /** Runs a program to its end; throws with its output if it fails. */
  run(...command: string[]): string {
    const { exitCode, stdout, stderr } = Bun.spawnSync(this.#inside(command));
    if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${stderr}${stdout}`);
    return stdout.toString();
  }

  /** A program whose output is read line by line. */
  start(...command: string[]): Program {
    return new Program(this.#inside(command));
  }

  [Symbol.dispose](): void {
    this.#holder.kill("SIGKILL");
  }
}

/** A program that tells what it does, a line at a time. */
export class Program implements Disposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #lines: AsyncGenerator<string>;
  readonly #errors: Promise<string>;

  constructor(command: string[]) {
    this.#child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = this.#child.stderr.text();
  }

  /** Its next line; throws with what it says on stderr if there is none. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`It ended with ${await this.#child.exited}: ${await this.#errors}`);
    return value;
  }

  get pid(): number {
    return this.#child.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Asks it to end, and waits until it has. */
  async end(): Promise<void> {
    this.#child.kill("SIGINT");
    await this.#child.exited;
  }

  /** All that it prints from now on, once it has ended; throws if it fails. */
  async rest(): Promise<string> {
    let text = "";
    for await (const line of this.#lines) text += `${line}\n`;
    const exitCode = await this.#child.exited;
    if (exitCode !== 0) throw new Error(`It exited with ${exitCode}: ${await this.#errors}${text}`);
    return text;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
  if (text !== "") yield text;
}
