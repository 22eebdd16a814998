/** The kernel's timer: it fires once, not before its time, and can be set anew. */
import { expect, test } from "bun:test";
import { EPOLLIN } from "../../src/sys/constants.ts";
import { native } from "../../src/sys/native.ts";
import { clearTimer, openTimer, setTimer, TIMER_US_MAX } from "../../src/sys/timer.ts";
import { closeFd } from "../../src/sys/tun.ts";
import { thrownBy } from "../support/programs.ts";
import { until } from "../support/system.ts";

const hasFired = (fd: number): boolean => native().fd_poll(fd, EPOLLIN) === EPOLLIN;

test("fires once after the microseconds that were set, and is quiet when that is taken back", async () => {
  const fd = openTimer();
  try {
    expect(hasFired(fd)).toBe(false);
    const start = Bun.nanoseconds();
    setTimer(fd, 1500);
    await until(() => hasFired(fd), "it has fired");
    expect(Bun.nanoseconds() - start).toBeGreaterThanOrEqual(1_500_000);
    clearTimer(fd);
    expect(hasFired(fd)).toBe(false);
    // Not set: there is nothing to take back, and that is no error.
    clearTimer(fd);
  } finally {
    closeFd(fd);
  }
});

test("a new setting takes the place of the old one, and 0 stops it", async () => {
  const fd = openTimer();
  try {
    setTimer(fd, TIMER_US_MAX);
    setTimer(fd, 1);
    await until(() => hasFired(fd), "the short one has fired");
    clearTimer(fd);
    setTimer(fd, 1_999_999);
    setTimer(fd, 0);
    expect(hasFired(fd)).toBe(false);
  } finally {
    closeFd(fd);
  }
  expect(thrownBy(() => setTimer(fd, 1))).toMatchObject({ code: "EBADF", syscall: "timerfd_settime" });
});
