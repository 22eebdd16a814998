/** The other end of a handover: a program that we did not write, but for what it says. */
import { afterAll, beforeAll } from "bun:test";
import { chmodSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

/** A folder for sockets that every user may search; `script` is in it, for those who cannot read the project. */
export interface Place {
  /** Another path each time. */
  next(): string;
  readonly script: string;
}

/** In force for one file. */
export function place(): Place {
  let [folder, count] = ["", 0];
  beforeAll(() => {
    folder = mkdtempSync(`${tmpdir()}/bun-tuntap-handover-`);
    cpSync(`${import.meta.dir}/other-end.py`, `${folder}/other-end.py`);
    chmodSync(folder, 0o755);
    chmodSync(`${folder}/other-end.py`, 0o644);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  return {
    next: () => `${folder}/${count++}.sock`,
    get script() {
      return `${folder}/other-end.py`;
    },
  };
}

/** The system's own, which every user can run. */
export const python: string = Bun.which("python3", { PATH: "/usr/bin:/bin" }) ?? "python3";

/** other-end.py at work. */
export class OtherEnd implements Disposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: AsyncIterator<string>;

  constructor(script: string, args: readonly string[], through: readonly string[] = []) {
    this.#process = Bun.spawn([...through, python, script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = linesOf(this.#process.stdout);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<number> {
    return this.#process.exited;
  }

  /** The next that it says. */
  async said(): Promise<Record<string, unknown>> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error("The other end has ended");
    return JSON.parse(value);
  }

  /** Lets it go on. */
  go(): void {
    this.#process.stdin.write("\n");
    this.#process.stdin.flush();
  }

  [Symbol.dispose](): void {
    this.#process.kill("SIGKILL");
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
