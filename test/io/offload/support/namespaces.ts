/** Network namespaces without names: hosts of a lab that have no links, and are gone with it. */
import { writeFileSync } from "node:fs";
import { createLab, type Host, type Lab } from "../../../../src/lab/index.ts";

/** No link-local addresses, so that the kernel neither solicits routers nor reports groups (IN6_ADDR_GEN_MODE_NONE). */
const QUIET = { addr_gen_mode: "1", accept_ra: "0", accept_dad: "0" };

export class Namespace implements Disposable {
  readonly #lab: Lab;
  readonly #host: Host;

  private constructor(lab: Lab) {
    this.#lab = lab;
    this.#host = lab.host("namespace");
    this.#host.enter(() => {
      for (const [name, value] of Object.entries(QUIET)) {
        writeFileSync(`/proc/sys/net/ipv6/conf/default/${name}`, value);
      }
    });
  }

  static async open(): Promise<Namespace> {
    return new Namespace(await createLab());
  }

  /** For the `netns` option. */
  get path(): string {
    return this.#host.netns;
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
    this.#lab[Symbol.dispose]();
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
