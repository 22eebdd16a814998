/** Tells a hub's clients when it is cut off from the other hubs, but not of every short gap. */

/** A hub is at another NATS server by then, if there is one: its clients stay. */
const GRACE_MS = 400;

/** Watches the connection to the other hubs. */
export class Isolation {
  readonly #isIsolated: () => boolean;
  readonly #tell: (isolated: boolean) => void;
  #timer: Timer | undefined;
  #told = false;

  /** @param tell Called with what is true now, when it is not what was told last */
  constructor(isIsolated: () => boolean, tell: (isolated: boolean) => void) {
    this.#isIsolated = isIsolated;
    this.#tell = tell;
  }

  /** To be called when the connection was lost, or is there again. */
  changed(): void {
    clearTimeout(this.#timer);
    if (this.#isIsolated()) this.#timer = setTimeout(() => this.#say(), GRACE_MS).unref();
    else this.#say();
  }

  #say(): void {
    const isolated = this.#isIsolated();
    if (isolated === this.#told) return;
    this.#told = isolated;
    this.#tell(isolated);
  }
}
