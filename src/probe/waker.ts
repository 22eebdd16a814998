import { check, systemError } from "../errors.ts";
import { currentWaker } from "../io/reactor.ts";
import { armAio, chosenWaker } from "../io/waker.ts";
import { EPOLL_CTL_ADD, EPOLLOUT } from "../sys/constants.ts";
import { native } from "../sys/native.ts";
import type { ProbedWaker } from "./report.ts";
import { failureOf } from "./trial.ts";

/**
 * Finds out what wakes this JavaScript thread, or will wake it once it has a device. No fd stays open. The AIO
 * context stays, as it would with a device, and later serves one.
 */
export function probeWaker(): ProbedWaker {
  try {
    const named = chosenWaker();
    const chosen = named !== undefined;
    const known = currentWaker() ?? (named === "thread" ? named : undefined);
    if (known !== undefined) return { kind: known, chosen, failure: null };
    const { result, syscall } = tryAio();
    if (result >= 0) return { kind: "aio", chosen, failure: null };
    // A waker that was chosen by name has no substitute.
    return { kind: chosen ? null : "thread", chosen, failure: failureOf(systemError(result, syscall)) };
  } catch (error) {
    return { kind: null, chosen: error instanceof RangeError, failure: failureOf(error) };
  }
}

/** An eventfd can always be written to, so this poll is over at once: none stays pending in the context. */
function tryAio(): { result: number; syscall: string } {
  const n = native();
  const epoll = check(n.ep_open(), "epoll_create1");
  const eventfd = n.ev_open();
  try {
    check(eventfd, "eventfd");
    check(n.ep_control(epoll, EPOLL_CTL_ADD, eventfd, EPOLLOUT, 0), "epoll_ctl(EPOLL_CTL_ADD)");
    return armAio(epoll, eventfd);
  } finally {
    n.fd_close(epoll);
    if (eventfd >= 0) n.fd_close(eventfd);
  }
}
