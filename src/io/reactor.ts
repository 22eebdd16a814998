import { check, systemError, TunTapError } from "../errors.ts";
import { EAGAIN, ENOMEM, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { throwUncaught } from "./ending.ts";
import { held, unheld, WakeStream } from "./wake-stream.ts";
import { chosenWaker, openWaker, type Wakening, type Waker } from "./waker.ts";

/** Receives the events of one file descriptor. What a method throws ends this watcher alone, by {@link onFailure}. */
export interface Watcher {
  /** The fd is ready for `events` (EPOLL*). */
  onEvents(events: number): void;
  /** Called when events have stopped for a moment. The watcher checks whether its fd is still alive, which no event may tell. */
  onQuiet(): void;
  /** Called when no event will come any more. */
  onFailure(error: TunTapError): void;
}

/** One file descriptor that is being watched. */
export interface Watch {
  setEvents(events: number): void;
  /** Sets whether the process stays alive for it. */
  setReferenced(on: boolean): void;
  /** Ends the watcher by its {@link Watcher.onFailure}; `cause` was thrown by its code outside of an event. */
  failed(cause: unknown): void;
  /** Stops watching. Must be called before the fd is closed. Does nothing the second time. */
  end(): void;
}

interface Watched {
  readonly watcher: Watcher;
  readonly watch: Watch;
}

/**
 * Milliseconds without events before {@link Watcher.onQuiet}. The driver wakes its readers before it takes the
 * interface away (drivers/net/tun.c tun_detach_all()), so a check at once may find nothing new, and no second wake-up
 * comes.
 */
const SETTLE_MS = 100;

/** Calls of io_submit before the thread takes over. */
const ARM_TRIES = 3;

/**
 * Wakes Bun's event loop when an fd of this JavaScript thread is ready.
 *
 * All fds are in one epoll set. Bun cannot watch an epoll fd, but it can read an eventfd as a stream; a kernel AIO poll
 * (IOCB_CMD_POLL), or where that is refused a thread, turns readiness of the set into a number on the eventfd. Both are
 * armed once, fire once, and look at the current state when armed, so that nothing is missed between two turns.
 */
export class Reactor {
  readonly #epoll: number;
  readonly #eventfd: number;
  #wakening: Wakening;
  readonly #ready = new Uint32Array(128);
  readonly #watched = new Map<number, Watched>();
  #settling: ReturnType<typeof setTimeout> | undefined;
  /** Turns that found nothing. */
  #lulls = 0;
  #lastToken = 0;
  #references = 0;
  readonly #wakeUps: WakeStream;
  #adapting = false;
  #retrying: ReturnType<typeof setTimeout> | undefined;

  constructor(waker: Waker | undefined = chosenWaker()) {
    const n = native();
    this.#epoll = check(n.ep_open(), "epoll_create1");
    try {
      this.#eventfd = check(n.ev_open(), "eventfd");
    } catch (error) {
      n.fd_close(this.#epoll);
      throw error;
    }
    try {
      this.#wakening = openWaker(waker, this.#epoll, this.#eventfd);
    } catch (error) {
      n.fd_close(this.#epoll);
      n.fd_close(this.#eventfd);
      throw error;
    }
    const fail = (cause: unknown): void => this.#notListening(cause);
    this.#wakeUps = new WakeStream(this.#eventfd, () => this.#turn(), fail);
  }

  /** The waker in force. */
  get waker(): Waker {
    return this.#wakening.waker;
  }

  /**
   * Watches `fd`, and keeps the process alive for it. Level-triggered: an event comes again until it is dealt with, or
   * no longer asked for.
   *
   * @param events EPOLL*, beside EPOLLERR and EPOLLHUP
   */
  watch(fd: number, events: number, watcher: Watcher): Watch {
    const token = ++this.#lastToken;
    check(native().ep_control(this.#epoll, EPOLL_CTL_ADD, fd, events, token), "epoll_ctl(EPOLL_CTL_ADD)");
    let referenced = true;
    const setReferenced = (on: boolean): void => {
      if (referenced === on || !this.#watched.has(token)) return;
      referenced = on;
      this.#references += on ? 1 : -1;
      this.#adaptSoon();
    };
    const remove = (): boolean => {
      if (!this.#watched.delete(token)) return false;
      // Gone already if somebody else closed the fd: nothing is left to remove then.
      native().ep_control(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0);
      if (referenced) this.#references--;
      return true;
    };
    const setEvents = (wanted: number): void => {
      if (wanted === events || !this.#watched.has(token)) return;
      events = wanted;
      check(native().ep_control(this.#epoll, EPOLL_CTL_MOD, fd, wanted, token), "epoll_ctl(EPOLL_CTL_MOD)");
    };
    const watch: Watch = {
      setReferenced,
      setEvents,
      failed: (cause) => this.#failOne(token, cause),
      end: () => {
        if (remove()) this.#adaptSoon();
      },
    };
    this.#watched.set(token, { watcher, watch });
    this.#references++;
    try {
      this.#listen();
    } catch (error) {
      remove();
      // If it is for good, the others learn of it: listening again fails then.
      this.#adaptSoon();
      // The stream duplicates the eventfd, which may be one fd too many.
      const { errno, syscall = "dup" } = error as { errno?: number; syscall?: string };
      throw errno === undefined ? error : systemError(errno, syscall);
    }
    return watch;
  }

  /**
   * Listens in a microtask, where nobody is there to be told that it failed. Each change takes a new stream, and one
   * more fd until the old one has ended: what changes back at once takes none.
   */
  #adaptSoon(): void {
    if (this.#adapting) return;
    this.#adapting = true;
    queueMicrotask(() => {
      this.#adapting = false;
      this.#adapt();
    });
  }

  #adapt(): void {
    try {
      this.#listen();
    } catch (cause) {
      this.#notListening(cause);
    }
  }

  /** Listens in the way that fits: not at all, holding the event loop, or not holding it. */
  #listen(): void {
    const wanted = this.#watched.size === 0 ? undefined : this.#references > 0 ? held : unheld;
    if (!this.#wakeUps.listen(wanted)) return;
    try {
      // The stopped stream may have swallowed a wake-up, too.
      this.#rearm();
    } catch (error) {
      this.#wakeUps.listen(undefined);
      throw error;
    }
  }

  /** Tries again a moment later if no fd was left, which is not for good; else ends all watchers. */
  #notListening(cause: unknown): void {
    const { code } = Object(cause) as { code?: string };
    if (code !== "EMFILE" && code !== "ENFILE") this.#failAll(cause);
    else {
      clearTimeout(this.#retrying);
      this.#retrying = setTimeout(() => this.#adapt(), SETTLE_MS);
      if (this.#references === 0) this.#retrying.unref();
    }
  }

  /** Calls the watchers that are ready. One that throws ends alone; the next wake-up is asked for in any case. */
  #turn(): void {
    const ready = this.#ready;
    const count = native().ep_wait(this.#epoll, ready);
    for (let i = 0; i < count; i++) {
      const token = ready[2 * i] as number;
      try {
        this.#watched.get(token)?.watcher.onEvents(ready[2 * i + 1] as number);
      } catch (cause) {
        this.#failOne(token, cause);
      }
    }
    // While there is traffic, another look at the set costs less than another wake-up. Not if unref'd: an immediate holds the loop.
    if (count > 0 && this.#references > 0) {
      setImmediate(this.#lookAgain);
      return;
    }
    // The end of the traffic, a frame for a device to which nobody listens, or the end of a device that hides in between.
    if (count === 0) {
      this.#lulls++;
      this.#settling ??= this.#settleSoon();
    }
    try {
      if (count < 0) throw systemError(count, "epoll_wait");
      // What has changed in this turn: without a watcher no poll is left pending.
      this.#adapt();
      if (this.#wakeUps.isOn) this.#rearm();
    } catch (cause) {
      this.#failAll(cause);
    }
  }

  readonly #lookAgain = (): void => {
    if (this.#wakeUps.isOn) this.#turn();
  };

  /** Asks for the next wake-up. The kernel may be out of memory for a moment; if it stays so, the thread takes over. */
  #rearm(): void {
    for (let tries = 1; ; tries++) {
      const result = this.#wakening.arm();
      if (result >= 0) return;
      const { waker, syscall } = this.#wakening;
      if (waker === "thread") throw systemError(result, syscall);
      const isTransient = result === -EAGAIN || result === -ENOMEM;
      if (isTransient && tries < ARM_TRIES) continue;
      this.#wakening = openWaker("thread", this.#epoll, this.#eventfd);
    }
  }

  /** Settles when this lull is over, and once more if there was another one meanwhile: the last look comes after the last event. */
  #settleSoon(): ReturnType<typeof setTimeout> {
    const lulls = this.#lulls;
    const due = (): void => {
      this.#settling = lulls === this.#lulls ? undefined : this.#settleSoon();
      this.#settle();
    };
    return setTimeout(due, SETTLE_MS).unref();
  }

  #settle(): void {
    for (const [token, { watcher }] of [...this.#watched]) {
      try {
        if (this.#watched.has(token)) watcher.onQuiet();
      } catch (cause) {
        this.#failOne(token, cause);
      }
    }
  }

  /** Ends the watcher that threw. */
  #failOne(token: number, cause: unknown): void {
    const details = { hint: "report this, with the `cause`", cause };
    const isSystem = cause instanceof TunTapError;
    const text = "something went wrong in this library";
    this.#end(token, isSystem ? cause : new TunTapError("ERR_TUNTAP_NATIVE", text, details));
  }

  /** Ends all watchers: without wake-ups they would hang in silence. */
  #failAll(cause: unknown): void {
    const error = new TunTapError("ERR_TUNTAP_NATIVE", "wake-ups from the kernel ended", {
      hint: "report this with your Bun version and kernel",
      cause,
    });
    for (const token of [...this.#watched.keys()]) this.#end(token, error);
  }

  #end(token: number, error: TunTapError): void {
    const watched = this.#watched.get(token);
    if (watched === undefined) return;
    try {
      watched.watcher.onFailure(error);
    } catch (uncaught) {
      throwUncaught(uncaught);
    }
    // Otherwise its events would come again and again.
    watched.watch.end();
  }
}

let shared: Reactor | undefined;

/** The reactor of this JavaScript thread; it stays for the thread's life, for taking an AIO context down takes 40 ms. */
export function reactor(): Reactor {
  shared ??= new Reactor();
  return shared;
}

/** Returns the waker of this JavaScript thread; undefined before its first device. */
export function currentWaker(): Waker | undefined {
  return shared?.waker;
}
