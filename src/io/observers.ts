import type { Direction, FrameObserver } from "./types.ts";

/** The observers of one device or socket. The first one switches observation on, the last one off. */
export class FrameObservers {
  #observers: readonly FrameObserver[] = [];
  readonly #switch: (on: boolean) => void;

  constructor(toggle: (on: boolean) => void) {
    this.#switch = toggle;
  }

  add(observer: FrameObserver): Disposable {
    // The list is copied each time, because an observer may remove itself while it is called.
    this.#observers = [...this.#observers, observer];
    if (this.#observers.length === 1) this.#switch(true);
    return { [Symbol.dispose]: () => this.#remove(observer) };
  }

  #remove(observer: FrameObserver): void {
    if (!this.#observers.includes(observer)) return;
    this.#observers = this.#observers.filter((other) => other !== observer);
    if (this.#observers.length === 0) this.#switch(false);
  }

  /** Shows frames to each observer that has not been removed, or has ended, by an earlier one. */
  tell(frames: readonly Uint8Array[], direction: Direction): void {
    for (const observer of this.#observers) {
      if (this.#observers.includes(observer)) observer.frames(frames, direction);
    }
  }

  /** Ends all observers: the device has closed. */
  end(): void {
    const observers = this.#observers;
    this.#observers = [];
    for (const { close } of observers) close?.();
  }
}
