/** A timer with microseconds, as a file descriptor that becomes readable (timerfd_create(2)). */

import { check } from "../errors.ts";
import { native } from "./native.ts";

/** The longest time that one setting can have: 32 bits of microseconds, an hour and more. */
export const TIMER_US_MAX = 0xffff_ffff;

/** Opens a timer that is not set. */
export function openTimer(): number {
  return check(native().timer_open(), "timerfd_create");
}

/** Makes the timer readable once, `us` microseconds from now, in place of what was set; 0 stops it. */
export function setTimer(fd: number, us: number): void {
  check(native().timer_set(fd, us), "timerfd_settime");
}

/** Takes the event back that made the timer readable. */
export function clearTimer(fd: number): void {
  native().timer_read(fd);
}
