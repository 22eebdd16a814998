import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { adopt, openTap, openTun, type Tap, type Tun, type TunTapError } from "../../src/index.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, setIff } from "../../src/sys/tun.ts";
import { flood } from "../support/frames.ts";
import { describePrivileged } from "../support/privilege.ts";
import { interfaceNames, newInterfaces, openFds, openNumbered, quietIPv6, run, until } from "../support/system.ts";

/** Everything that can be pending on a device, and what each comes to. */
function pendingOn(device: Tun | Tap): Promise<unknown>[] {
  return [device.receive(), device.receive(), device.receive({ signal: new AbortController().signal })];
}

describePrivileged("the end of a device", () => {
  test("close() ends every pending receive with null, closes the fd, calls close once, and does nothing twice", async () => {
    const calls: unknown[][] = [];
    const before = openFds(/tun|NETLINK/).length;
    const tun = openTun({ close: (...args) => void calls.push(args) });
    const { name } = tun;
    const pending = pendingOn(tun);
    tun.close();
    tun.close();
    expect(await Promise.all(pending)).toEqual([null, null, null]);
    expect(calls).toEqual([[tun, undefined]]);
    expect({ fd: tun.fd, closed: tun.closed, name: tun.name, up: tun.isUp, reason: tun.closeReason }).toEqual({
      fd: -1,
      closed: true,
      name,
      up: false,
      reason: undefined,
    });
    expect(interfaceNames()).not.toContain(name);
    expect(openFds(/tun|NETLINK/).length).toBeLessThanOrEqual(before);
  });

  test("close() ends iterations, batches and readable streams", async () => {
    for (const consume of [
      async (tun: Tun) => {
        for await (const _ of tun) throw new Error("a frame");
      },
      async (tun: Tun) => {
        for await (const _ of tun.batches()) throw new Error("a batch");
      },
      async (tun: Tun) => {
        for await (const _ of tun.readable) throw new Error("a chunk");
      },
      async (tun: Tun) => tun.readable.pipeTo(tun.writable),
    ]) {
      const tun = openTun();
      const consumed = consume(tun);
      await Bun.sleep(0);
      tun.close();
      expect(await consumed).toBeUndefined();
    }
  });

  test("a closed device receives null, iterates over nothing, and throws ERR_TUNTAP_CLOSED for the rest", async () => {
    const tap = openTap();
    tap.close();
    expect(await tap.receive()).toBeNull();
    expect(tap.tryReceive()).toBeNull();
    for await (const _ of tap) throw new Error("a frame");
    expect(await tap.readable.getReader().read()).toEqual({ done: true, value: undefined });
    const calls: (() => unknown)[] = [
      () => tap.index,
      () => tap.mac,
      () => tap.mtu,
      () => tap.up(),
      () => tap.setMtu(1400),
      () => tap.setMac("02:00:5e:00:53:01"),
      () => tap.addresses(),
      () => tap.stats(),
      () => tap.setPersist(true),
      () => tap.send(new Uint8Array(60)),
      () => tap.sendMany([new Uint8Array(60)]),
    ];
    for (const call of calls) expect(call).toThrow("ERR_TUNTAP_CLOSED: the device is closed");
    tap.ref();
    tap.unref();
  });

  test("`using` and `await using` close at the end of the block", async () => {
    let outside: Tun | undefined;
    {
      using tun = openTun();
      outside = tun;
      expect(outside.closed).toBeFalse();
    }
    expect(outside.closed).toBeTrue();
    {
      await using tun = openTun();
      outside = tun;
    }
    expect(outside.closed).toBeTrue();
  });

  test("[Symbol.asyncDispose]() in a handler of a device that is closing waits for the same end", async () => {
    for (const how of ["close", "asyncDispose"] as const) {
      const ends: Promise<boolean>[] = [];
      // A look without another program, which would take longer than the end does.
      const isGoneNow = (): boolean => !readFileSync("/proc/thread-self/net/dev", "latin1").includes(`${name}:`);
      const isGone = async (device: Tap): Promise<boolean> => {
        await device[Symbol.asyncDispose]();
        return isGoneNow();
      };
      const tap = openTap({ up: true, ipv6: false, data: (device) => void ends.push(isGone(device)) });
      const { name } = tap;
      // What is shown here is delivered before the end: the data handler is called while the device closes.
      tap.observe({
        frames() {
          if (how === "asyncDispose") ends.push(isGone(tap));
          else {
            tap.close();
            ends.push(Promise.resolve(isGoneNow()));
          }
        },
      });
      await flood(tap.index, 1, 60, 60);
      await until(() => tap.closed, "the end of the device");
      expect(await Promise.all(ends)).toEqual([true, true]);
    }
  });

  test("an aborted signal closes with ERR_TUNTAP_ABORTED and the signal's reason as cause", async () => {
    const stop = new AbortController();
    const reasons: (TunTapError | undefined)[] = [];
    const tun = openTun({ signal: stop.signal, close: (_, reason) => void reasons.push(reason) });
    const pending = tun.receive();
    const cause = new Error("enough");
    stop.abort(cause);
    expect(await pending).toBeNull();
    expect(tun.closed).toBeTrue();
    expect(reasons).toEqual([tun.closeReason]);
    expect(tun.closeReason).toMatchObject({ code: "ERR_TUNTAP_ABORTED", cause });
    expect(() => openTun({ signal: stop.signal })).toThrow(cause);
  });

  for (const listening of [true, false]) {
    test(`ip link del ends a device that is ${listening ? "" : "not "}being received from, with a reason`, async () => {
      quietIPv6();
      const reasons: (TunTapError | undefined)[] = [];
      const tun = openTun({ up: true, close: (_, reason) => void reasons.push(reason) });
      const pending = listening ? pendingOn(tun) : [];
      run("ip", "link", "del", tun.name);
      await until(() => tun.closed, "the device noticed");
      expect(await Promise.all(pending)).toEqual(pending.map(() => null));
      expect(reasons).toHaveLength(1);
      expect(reasons[0]).toMatchObject({ code: "EBADFD", errno: -77 });
      expect(() => tun.mtu).toThrow("it ended because of EBADFD");
      expect(tun.fd).toBe(-1);
    });
  }

  test("ip link del ends a for await loop after the frames that had arrived", async () => {
    quietIPv6();
    const tap = openTap({ up: true });
    await flood(tap.index, 5, 60, 60);
    let frames = 0;
    for await (const _ of tap) if (++frames === 5) run("ip", "link", "del", tap.name);
    expect(frames).toBe(5);
    expect(tap.closeReason?.code).toBe("EBADFD");
  });

  test("a call on a device whose interface is gone closes it at once", () => {
    const tun = openTun({ up: true });
    run("ip", "link", "del", tun.name);
    expect(() => tun.send(new Uint8Array([0x45, 0]))).toThrow("ERR_TUNTAP_CLOSED");
    expect(tun.closed).toBeTrue();
    const other = openTun();
    run("ip", "link", "del", other.name);
    expect(() => other.mtu).toThrow("ERR_TUNTAP_CLOSED");
    expect(other.closed).toBeTrue();
  });

  test("the end of the namespace that the interface was moved to ends the device", async () => {
    quietIPv6();
    const tun = openTun({ up: true });
    const pending = tun.receive();
    const holder = Bun.spawn(["unshare", "-n", "cat"], { stdin: "pipe" });
    const own = run("readlink", "/proc/self/ns/net");
    await until(() => run("readlink", `/proc/${holder.pid}/ns/net`) !== own, "the other namespace is there");
    run("ip", "link", "set", tun.name, "netns", String(holder.pid));
    expect(tun.closed).toBeFalse();
    holder.stdin.end();
    await holder.exited;
    expect(await pending).toBeNull();
    expect(tun.closeReason?.code).toBe("EBADFD");
  });

  test("a dropped device is collected, and its fd and interface with it", async () => {
    const before = interfaceNames();
    (() => {
      for (let i = 0; i < 20; i++) openTun();
    })();
    await until(() => {
      Bun.gc(true);
      return newInterfaces(before).length === 0;
    }, "every dropped device is collected");
  });

  test("a device with a handler, or with a waiting call, is not collected", async () => {
    let received = 0;
    const name = (() => openTun({ data: () => void received++ }).name)();
    const waiting = (() => {
      const tun = openTun();
      return { name: tun.name, pending: tun.receive() };
    })();
    const looping = (() => {
      const tun = openTun();
      const loop = (async () => {
        for await (const _ of tun) received++;
      })();
      return { name: tun.name, loop };
    })();
    for (let i = 0; i < 10; i++) {
      Bun.gc(true);
      await Bun.sleep(5);
    }
    const names = [name, waiting.name, looping.name];
    expect(interfaceNames()).toEqual(expect.arrayContaining(names));
    for (const each of names) run("ip", "link", "del", each);
    expect(await waiting.pending).toBeNull();
    await looping.loop;
  });

  test("a recycled fd number is never touched", async () => {
    const tun = openTun();
    const { fd } = tun;
    const pending = tun.receive();
    tun.close();
    const recycled = openNumbered(fd, () => openClone("/dev/net/tun"));
    setIff(recycled, "recycled0", 0x1001);
    tun.close();
    tun.ref();
    tun.unref();
    tun[Symbol.dispose]();
    expect(() => tun.send(new Uint8Array([0x45]))).toThrow("ERR_TUNTAP_CLOSED");
    expect(tun.tryReceive()).toBeNull();
    await pending;
    expect(interfaceNames()).toContain("recycled0");
    closeFd(recycled);
  });

  test("closing inside a handler, also of another device, is safe", async () => {
    quietIPv6();
    const other = openTap({ up: true, data() {} });
    let batches = 0;
    const tap = openTap({
      up: true,
      data(device) {
        batches++;
        device.close();
        other.close();
      },
    });
    await flood(tap.index, 2000, 60, 60).catch(() => 0);
    await until(() => tap.closed && other.closed, "both closed");
    expect(batches).toBe(1);
  });

  test("what a handler throws goes to error with its cause, and the device goes on", async () => {
    quietIPv6();
    const errors: TunTapError[] = [];
    let frames = 0;
    using tap = openTap({
      up: true,
      data(_, batch) {
        frames += batch.length;
        throw new RangeError("boom");
      },
      error: (_, error) => void errors.push(error),
    });
    await flood(tap.index, 1, 60, 60);
    await until(() => frames === 1, "the first frame");
    await flood(tap.index, 1, 60, 60);
    await until(() => frames === 2, "the second frame");
    expect(errors).toHaveLength(2);
    expect(errors[0]).toMatchObject({ code: "ERR_TUNTAP_HANDLER", cause: new RangeError("boom") });
    expect(errors[0]?.message).toContain("the data handler threw RangeError: boom");
  });

  test("without an error handler, what a handler throws is an uncaught exception", async () => {
    const child = Bun.spawn(
      [
        process.execPath,
        "-e",
        `import { openTun } from "${import.meta.dir}/../../src/index.ts";
         process.on("uncaughtException", (error) => { console.log("uncaught", error.message); process.exit(7); });
         const tun = openTun({ close() { throw new Error("boom"); } });
         tun.close();
         console.log("after", tun.closed);`,
      ],
      { stderr: "inherit" },
    );
    expect(await child.stdout.text()).toBe("after true\nuncaught boom\n");
    expect(await child.exited).toBe(7);
  });

  test("an fd that was closed behind the device's back ends it with EBADF", () => {
    const fd = openClone("/dev/net/tun");
    setIff(fd, "behind0", 0x1001);
    const device = adopt(fd, { up: true });
    closeFd(fd);
    expect(() => device.send(new Uint8Array([0x45]))).toThrow("ERR_TUNTAP_CLOSED");
    expect(device.closeReason?.code).toBe("EBADF");
  });
});
