import { check, systemError } from "../errors.ts";
import { native } from "../sys/native.ts";

/** The mechanism that makes the eventfd readable once the epoll set is. */
export type Waker = "aio" | "thread";

/** Returns the better waker that works here, unless BUN_TUNTAP_WAKER names one (so that tests can try both). */
export function chosenWaker(): Waker | undefined {
  const named = process.env["BUN_TUNTAP_WAKER"];
  if (named === undefined || named === "aio" || named === "thread") return named;
  throw new RangeError(`BUN_TUNTAP_WAKER must be "aio" or "thread", got "${named}"`);
}

/** A waker at work. */
export interface Wakening {
  readonly waker: Waker;
  /** Makes the eventfd readable once the epoll set is, one time. Returns `-errno` if it cannot. */
  readonly arm: () => number;
  /** The system call that arms it. */
  readonly syscall: string;
}

/** @throws {TunTapError} if no waker works, or the one that `waker` names does not */
export function openWaker(waker: Waker | undefined, epoll: number, eventfd: number): Wakening {
  const n = native();
  if (waker !== "thread") {
    const { result, syscall } = armAio(epoll, eventfd);
    if (result >= 0) return { waker: "aio", arm: () => n.aio_arm(epoll, eventfd), syscall };
    if (waker === "aio") throw systemError(result, syscall);
  }
  check(n.thread_open(epoll, eventfd), "pthread_create");
  return { waker: "thread", arm: () => n.thread_arm(), syscall: "write(eventfd)" };
}

let aioOpen = false;

/** Arms the first poll in the AIO context of this JavaScript thread, which has one for its life. */
export function armAio(epoll: number, eventfd: number): { result: number; syscall: string } {
  const n = native();
  const opened = aioOpen ? 0 : n.aio_open();
  if (opened < 0) return { result: opened, syscall: "io_setup" };
  aioOpen = true;
  return { result: n.aio_arm(epoll, eventfd), syscall: "io_submit" };
}
