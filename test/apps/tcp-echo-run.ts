/** A TCP connection between two clients of a LAN, which is watched: see tcp-echo.ts. */
import type { Program } from "../io/offload/support/namespaces.ts";
import type { Lan } from "./switch-lan.ts";

const ECHO: readonly string[] = [process.execPath, `${import.meta.dir}/tcp-echo.ts`];
const PORT = "9000";

export class EchoConnection implements Disposable {
  readonly #programs: readonly Program[];
  readonly #asking: Program;
  #seen = 0;

  private constructor(server: Program, asking: Program) {
    this.#programs = [server, asking];
    this.#asking = asking;
  }

  /** Connects one client to the IPv4 address that another has in the LAN. */
  static async open(lan: Lan, from: number, to: number): Promise<EchoConnection> {
    const address = lan.interfaceOf(to).addr_info?.find(({ family }) => family === "inet")?.local;
    if (address === undefined) throw new Error(`Client ${to} has no address`);
    const server = lan.site(to).start(...ECHO, "serve", address, PORT);
    await server.line();
    return new EchoConnection(server, lan.site(from).start(...ECHO, "ask", address, PORT));
  }

  /** Waits for more answers; throws if the connection ends. */
  async answers(more: number): Promise<void> {
    const wanted = this.#seen + more;
    while (this.#seen < wanted) this.#seen = Number(await this.#asking.line());
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs) program[Symbol.dispose]();
  }
}
