import { expect, test } from "bun:test";
import { check, systemError } from "../../src/errors.ts";
import { openTap, type TunTapError } from "../../src/index.ts";
import { reactor } from "../../src/io/reactor.ts";
import { EPOLLIN, EPOLLOUT } from "../../src/sys/constants.ts";
import { native } from "../../src/sys/native.ts";
import { closeFd } from "../../src/sys/tun.ts";
import { flood } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { runToEnd } from "../support/programs.ts";
import { openFds, quietIPv6, until } from "../support/system.ts";

describePrivileged("Reactor", () => {
  test("wakes an unref'd device too, and one that is ref'd again", async () => {
    quietIPv6();
    let frames = 0;
    using tap = openTap({
      up: true,
      data(_, batch) {
        frames += batch.length;
      },
    });
    // The flood's child keeps the event loop going.
    for (const [round, refer] of [tap.unref, tap.ref, tap.unref].entries()) {
      refer.call(tap);
      await flood(tap.index, 10, 60, 60);
      await until(() => frames >= 10 * (round + 1), "every frame of the round");
      expect(frames).toBe(10 * (round + 1));
    }
  });

  test("changes how it waits without running what waits for a promise, in the first turn of a test, too", () => {
    const { exitCode, stderr } = runToEnd([process.execPath, "test", "./test/io/first-turn.ts", "--timeout", "30000"]);
    expect(stderr).toMatch(/^ 1 pass$/m);
    expect(exitCode).toBe(0);
  });

  test("opening, changing and closing many devices in one turn takes no fd that waits to be closed", async () => {
    openTap().close();
    await Bun.sleep(0);
    const before = openFds(/eventfd/).length;
    for (let i = 0; i < 10; i++) {
      const tap = openTap();
      tap.unref();
      tap.ref();
      tap.close();
    }
    // The stream that it listens with.
    expect(openFds(/eventfd/).length).toBeLessThanOrEqual(before + 1);
  });

  test("what one watcher throws ends that one alone, with a typed reason; the others go on", async () => {
    quietIPv6();
    let frames = 0;
    using tap = openTap({
      up: true,
      data(_, batch) {
        frames += batch.length;
      },
    });
    const reasons: TunTapError[] = [];
    const watches = [new TypeError("a defect"), systemError(-12, "epoll_ctl(EPOLL_CTL_MOD)")].map((thrown) => {
      const watcher = {
        onEvents: (): never => {
          throw thrown;
        },
        onQuiet: () => {},
        onFailure: (error: TunTapError) => void reasons.push(error),
      };
      // Writable at once.
      const fd = check(native().ev_open(), "eventfd");
      const watch = reactor().watch(fd, EPOLLIN | EPOLLOUT, watcher);
      return { fd, watch, thrown };
    });
    await until(() => reasons.length === 2, "both have ended");
    expect(reasons[0]).toMatchObject({ code: "ERR_TUNTAP_NATIVE", cause: watches[0]?.thrown });
    expect(reasons[1]).toBe(watches[1]?.thrown as TunTapError);
    // Ended: no event comes any more, and what it is asked is nothing.
    for (const { fd, watch } of watches) {
      watch.setEvents(EPOLLIN);
      watch.setReferenced(false);
      watch.end();
      closeFd(fd);
    }
    await flood(tap.index, 10, 60, 60);
    await until(() => frames === 10, "the device gets its frames");
    expect([tap.closed, reasons.length]).toEqual([false, 2]);
  });

  test("a watcher that throws in onQuiet ends alone, too", async () => {
    using tap = openTap({ up: true });
    const reasons: TunTapError[] = [];
    const fd = check(native().ev_open(), "eventfd");
    reactor().watch(fd, 0, {
      onEvents: () => {},
      onQuiet: () => {
        throw new RangeError("quiet");
      },
      onFailure: (error) => void reasons.push(error),
    });
    // Wakes the reactor, which tells its watchers when it is quiet again.
    await flood(tap.index, 1, 60, 60);
    void tap.receive();
    await until(() => reasons.length === 1, "it has ended");
    expect(reasons[0]?.cause).toEqual(new RangeError("quiet"));
    expect(tap.closed).toBe(false);
    closeFd(fd);
  });
});
