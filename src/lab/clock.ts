import { reactor, type Watch, type Watcher } from "../io/reactor.ts";
import { EPOLLIN } from "../sys/constants.ts";
import { clearTimer, openTimer, setTimer, TIMER_US_MAX } from "../sys/timer.ts";
import { closeFd } from "../sys/tun.ts";
import { Wheel } from "./wheel.ts";

/** Keeps the time of all links of this JavaScript thread: one wheel, and one timer of the kernel for the frame that is due first. */
export class Clock implements Watcher {
  readonly wheel: Wheel = new Wheel();
  readonly #timer: number;
  readonly #watch: Watch;
  #isClosed = false;
  /** The time at which the timer fires. */
  #setFor: number = Number.POSITIVE_INFINITY;

  constructor() {
    this.#timer = openTimer();
    try {
      this.#watch = reactor().watch(this.#timer, EPOLLIN, this);
    } catch (error) {
      closeFd(this.#timer);
      throw error;
    }
    // The interfaces of the links keep the process alive.
    this.#watch.setReferenced(false);
  }

  /** Returns the time in microseconds, from any start. */
  now(): number {
    return Bun.nanoseconds() / 1000;
  }

  /** Sets the timer for the frame that is due first. To be called after frames were put into the wheel. */
  settle(): void {
    const { earliest } = this.wheel;
    if (earliest >= this.#setFor || this.#isClosed) return;
    this.#setFor = earliest;
    setTimer(this.#timer, Math.min(TIMER_US_MAX, Math.max(1, Math.ceil(earliest - this.now()))));
  }

  onEvents(): void {
    clearTimer(this.#timer);
    this.#setFor = Number.POSITIVE_INFINITY;
    this.wheel.drain(this.now());
    this.settle();
  }

  onQuiet(): void {}

  onFailure(error: unknown): void {
    reportError(error);
  }

  /** Ends the timer. {@link settle} may be called all the same: a frame may be on its way through a link that closes next. */
  close(): void {
    this.#isClosed = true;
    this.#watch.end();
    closeFd(this.#timer);
  }
}

let shared: Clock | undefined;
let users = 0;

/** Returns the clock of this JavaScript thread, for one more user. */
export function openClock(): Clock {
  shared ??= new Clock();
  users++;
  return shared;
}

/** Gives the clock back; the last one ends it. */
export function releaseClock(): void {
  if (--users > 0) return;
  shared?.close();
  shared = undefined;
}
