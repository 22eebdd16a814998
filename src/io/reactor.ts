import { check, systemError, TunTapError } from "../errors.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import { held, type Listening, unheld } from "./wake-stream.ts";
import { chosenWaker, openWaker, type Waker } from "./waker.ts";

/** Whoever wants to know what happens on an fd. Must not throw. */
export interface Watcher {
  /** The fd is ready for `events` (EPOLL*). */
  onEvents(events: number): void;
  /** Something may have happened that no event tells: look whether the fd is still alive. */
  onDoubt(): void;
  /** No event will come any more. */
  onFailure(error: TunTapError): void;
}

/** One fd that is being watched. */
export interface Watch {
  setEvents(events: number): void;
  /** Whether the process stays alive for it. */
  setReferenced(on: boolean): void;
  /** To be called before the fd is closed. */
  end(): void;
}

/**
 * How long a doubt waits for an answer. The driver wakes its readers before it
 * takes the interface away (drivers/net/tun.c tun_detach_all()), so whoever
 * looks at once may find nothing new, and is not woken again.
 */
const SETTLE_MS = 100;

/**
 * Wakes Bun's event loop when an fd of this JavaScript thread is ready.
 *
 * All fds are in one epoll set. Bun cannot watch an epoll fd, but it can read
 * an eventfd as a stream; a kernel AIO poll (IOCB_CMD_POLL), or where that is
 * refused a thread, turns readiness of the set into a number on the eventfd.
 * Both are armed once, fire once, and look at the current state when armed, so
 * that nothing is missed between two turns.
 */
export class Reactor {
  readonly #epoll: number;
  readonly #eventfd: number;
  /** What this one is woken by. */
  readonly waker: Waker;
  readonly #arm: () => number;
  readonly #ready = new Uint32Array(128);
  readonly #watchers = new Map<number, Watcher>();
  #settling: ReturnType<typeof setTimeout> | undefined;
  #lastToken = 0;
  #references = 0;
  #listening: Listening | undefined;

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
      [this.waker, this.#arm] = openWaker(waker, this.#epoll, this.#eventfd);
    } catch (error) {
      n.fd_close(this.#epoll);
      n.fd_close(this.#eventfd);
      throw error;
    }
  }

  /**
   * Watches `fd`, and keeps the process alive for it. Level-triggered: an
   * event comes again until it is dealt with, or no longer asked for.
   *
   * @param events EPOLL*, beside EPOLLERR and EPOLLHUP
   */
  watch(fd: number, events: number, watcher: Watcher): Watch {
    const token = ++this.#lastToken;
    check(native().ep_control(this.#epoll, EPOLL_CTL_ADD, fd, events, token), "epoll_ctl(EPOLL_CTL_ADD)");
    this.#watchers.set(token, watcher);
    this.#references++;
    let referenced = true;
    const setReferenced = (on: boolean): void => {
      if (referenced === on) return;
      referenced = on;
      this.#references += on ? 1 : -1;
      this.#adapt();
    };
    const end = (): void => {
      this.#watchers.delete(token);
      // Gone already if somebody else closed the fd: nothing is left to remove then.
      native().ep_control(this.#epoll, EPOLL_CTL_DEL, fd, 0, 0);
      setReferenced(false);
      this.#adapt();
    };
    try {
      this.#listen();
    } catch (error) {
      end();
      // The stream duplicates the eventfd, which may be one fd too many.
      const { errno, syscall = "dup" } = error as { errno?: number; syscall?: string };
      throw errno === undefined ? error : systemError(errno, syscall);
    }
    const setEvents = (wanted: number): void => {
      if (wanted === events) return;
      events = wanted;
      check(native().ep_control(this.#epoll, EPOLL_CTL_MOD, fd, wanted, token), "epoll_ctl(EPOLL_CTL_MOD)");
    };
    return { setReferenced, setEvents, end };
  }

  /** As {@link #listen}, where nobody is there to be told that it failed. */
  #adapt(): void {
    try {
      this.#listen();
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Listens in the way that fits: not at all, holding the event loop, or not holding it. */
  #listen(): void {
    const wanted = this.#watchers.size === 0 ? undefined : this.#references > 0 ? held : unheld;
    if (this.#listening?.way === wanted) return;
    this.#listening?.stop();
    this.#listening = undefined;
    if (wanted === undefined) return;
    const turn = (): void => {
      // A stream that was stopped may still have had a wake-up under way.
      if (this.#listening === listening) this.#turn();
    };
    const listening: Listening = {
      way: wanted,
      stop: wanted(Bun.file(this.#eventfd).stream(), turn, (cause) => this.#fail(cause)),
    };
    this.#listening = listening;
    // The stopped stream may have swallowed a wake-up, too.
    this.#rearm();
  }

  #turn(): void {
    const ready = this.#ready;
    const count = native().ep_wait(this.#epoll, ready);
    for (let i = 0; i < count; i++) {
      this.#watchers.get(ready[2 * i] as number)?.onEvents(ready[2 * i + 1] as number);
    }
    // While there is traffic, looking again costs less than being woken again. Not if unref'd: an immediate holds the loop.
    if (count > 0 && this.#references > 0) {
      setImmediate(this.#lookAgain);
      return;
    }
    // The end of the traffic, a frame for a device to which nobody listens, or the end of a device that hides in between.
    if (count === 0) this.#settling ??= setTimeout(() => this.#settle(), SETTLE_MS).unref();
    this.#rearm();
  }

  readonly #lookAgain = (): void => {
    if (this.#listening !== undefined) this.#turn();
  };

  #rearm(): void {
    const result = this.#arm();
    if (result < 0) this.#fail(systemError(result, "io_submit"));
  }

  #settle(): void {
    this.#settling = undefined;
    for (const watcher of [...this.#watchers.values()]) watcher.onDoubt();
  }

  /** Without wake-ups every device would hang in silence: they end instead. */
  #fail(cause: unknown): void {
    const error = new TunTapError("ERR_TUNTAP_NATIVE", "wake-ups from the kernel ended", {
      hint: "report this with your Bun version and kernel",
      cause,
    });
    for (const watcher of [...this.#watchers.values()]) watcher.onFailure(error);
  }
}

let shared: Reactor | undefined;

/** The reactor of this JavaScript thread; it stays for the thread's life, for taking an AIO context down takes 40 ms. */
export function reactor(): Reactor {
  shared ??= new Reactor();
  return shared;
}

/** What wakes this JavaScript thread; undefined before its first device. */
export function currentWaker(): Waker | undefined {
  return shared?.waker;
}
