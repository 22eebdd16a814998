/** Workers that say a few things and then close, as promises. */

import type { Said, Task } from "./programs/worker.ts";
import { programPath } from "./support.ts";

/** A Worker of programs/worker.ts, and what it says, one after the other. */
export class DeviceWorker {
  readonly #worker: Worker;
  readonly #closed: Promise<void>;
  readonly #said: Said[] = [];
  readonly #waiting: PromiseWithResolvers<Said>[] = [];

  constructor(task: Task) {
    const worker = new Worker(programPath("worker.ts"), { workerData: task } as WorkerOptions);
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) this.#said.push(data);
      else waiter.resolve(data);
    });
    const closed = Promise.withResolvers<void>();
    this.#closed = closed.promise;
    worker.addEventListener("error", ({ message }) => this.#fail(new Error(`The Worker failed: ${message}`)));
    worker.addEventListener("close", () => {
      closed.resolve();
      this.#fail(new Error("The Worker ended without a word"));
    });
  }

  /** Returns what it says next. */
  async says(): Promise<Said> {
    const said = this.#said.shift();
    if (said !== undefined) return said;
    const waiter = Promise.withResolvers<Said>();
    this.#waiting.push(waiter);
    return waiter.promise;
  }

  /** Resolves when it has ended by itself. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** Ends it wherever it is. */
  async terminate(): Promise<void> {
    this.#worker.terminate();
    await this.#closed;
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
