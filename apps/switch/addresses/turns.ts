/** Tasks of one name, one after the other. */

/** Runs the tasks of a name in order, those of different names side by side. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs a task when those before it of the same name are over, however they ended. */
  async take<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const own = before.then(task, task);
    const over = own.then(
      () => {},
      () => {},
    );
    this.#last.set(name, over);
    void over.then(() => this.#last.get(name) === over && this.#last.delete(name));
    return await own;
  }

  /** Resolves when no task is left. */
  async done(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
