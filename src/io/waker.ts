import { check, systemError } from "../errors.ts";
import { native } from "../sys/native.ts";

/** What makes the eventfd readable once the epoll set is. */
export type Waker = "aio" | "thread";

/** The better one that works here, unless BUN_TUNTAP_WAKER names one (so that tests can try both). */
export function chosenWaker(): Waker | undefined {
  const named = process.env["BUN_TUNTAP_WAKER"];
  if (named === undefined || named === "aio" || named === "thread") return named;
  throw new RangeError(`BUN_TUNTAP_WAKER must be "aio" or "thread", got "${named}"`);
}

export function openWaker(waker: Waker | undefined, epoll: number, eventfd: number): [Waker, arm: () => number] {
  const n = native();
  if (waker !== "thread") {
    const { result, syscall } = armAio(epoll, eventfd);
    if (result >= 0) return ["aio", () => n.aio_arm(epoll, eventfd)];
    if (waker === "aio") throw systemError(result, syscall);
  }
  check(n.thread_open(epoll, eventfd), "pthread_create");
  return ["thread", () => n.thread_arm()];
}

let aioOpen = false;

/** Arms the first poll in the one AIO context of this JavaScript thread, which then stays. */
export function armAio(epoll: number, eventfd: number): { result: number; syscall: string } {
  const n = native();
  const opened = aioOpen ? 0 : n.aio_open();
  if (opened < 0) return { result: opened, syscall: "io_setup" };
  aioOpen = true;
  return { result: n.aio_arm(epoll, eventfd), syscall: "io_submit" };
}
