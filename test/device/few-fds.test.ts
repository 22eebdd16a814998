import { expect, setDefaultTimeout, test } from "bun:test";
import { openTun } from "../../src/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { runToEnd, top } from "../support/programs.ts";
import { ipLink, run } from "../support/system.ts";
import { type ChildRequest, inChild } from "./in-child.ts";
import { echoRequest, leavingNothing, networkState, persistentInterface, withQuietIPv6 } from "./support.ts";

// A child that does not end by itself is killed after a minute.
setDefaultTimeout(60_000);

/** More than any opening takes: the clone device, netlink, epoll, eventfd, Bun's copy of that, and the shim's source. */
const ENOUGH = 8;
const limits = Array.from({ length: ENOUGH + 1 }, (_, left) => left);

// A child of its own for each limit: the reactor, once there, stays for the life of a thread.
describePrivileged("opening with few fds left (RLIMIT_NOFILE)", () => {
  withQuietIPv6();

  /** Opens thrice with `left` fds; checks that it works, or fails as it should and works afterwards. */
  async function tryWith(left: number, request: ChildRequest, fds: number[] = []): Promise<boolean> {
    const report = await leavingNothing(() => inChild({ ...request, fdsLeft: left, tries: 3, again: true }, { fds }));
    const { error } = report.opened;
    if (error !== undefined) {
      expect(error).toMatchObject({ type: "TunTapError", code: "EMFILE", errno: -24, syscall: expect.anything() });
      expect(error.hint).toContain("ulimit -n");
    }
    // The reactor stays for the life of the thread: one epoll set, one eventfd and Bun's copy of it.
    expect(report.left.filter((fd) => fd.endsWith("[eventpoll]")).length).toBeLessThanOrEqual(1);
    expect(report.left.filter((fd) => /\/tun$|socket:|memfd/.test(fd))).toEqual([]);
    expect(report.again).toEqual({ value: "few0" });
    return error === undefined;
  }

  const request: ChildRequest = { call: "openTun", options: { name: "few0", addresses: ["192.0.2.1/24"] } };

  test.each(limits)("openTun() with %d left: works, or EMFILE with a hint, and nothing left behind", async (left) => {
    const works = await tryWith(left, request);
    if (left === 0) expect(works).toBe(false);
    if (left === ENOUGH) expect(works).toBe(true);
  });

  test.each([0, 1, 2])("openTun() with %d left, before the shim is compiled", async (left) => {
    expect(await tryWith(left, { ...request, compiled: false })).toBe(false);
  });

  test.each(limits)("openTun() with offload and %d left, before that part of the shim is compiled", async (left) => {
    const works = await tryWith(left, { call: "openTun", options: { name: "few0", offload: true } });
    if (left === 0) expect(works).toBe(false);
    if (left === ENOUGH) expect(works).toBe(true);
  });

  test.each(limits)(
    "openTap() of a persistent interface with %d left: it stays as it was, or as asked",
    async (left) => {
      using _made = persistentInterface("few0", "tap");
      run("ip", "link", "set", "few0", "mtu", "1400", "txqueuelen", "77");
      run("ip", "address", "add", "198.51.100.1/24", "dev", "few0");
      const before = networkState();
      const options = {
        name: "few0",
        mtu: 1300,
        mac: "02:00:5e:00:53:09",
        txQueueLength: 5,
        addresses: ["192.0.2.1/24"],
      };
      const { opened } = inChild({ call: "openTap", options, fdsLeft: left });
      if (opened.error === undefined) expect(ipLink("few0")).toMatchObject({ mtu: 1300, txqlen: 5 });
      else expect(networkState()).toBe(before);
    },
  );

  test.each(limits)(
    "openTun() of a persistent interface with %d left: its IPv6 address outlives a failure",
    async (left) => {
      using _made = persistentInterface("few0", "tun");
      // An interface that goes down loses its IPv6 addresses (net/ipv6/addrconf.c addrconf_ifdown()).
      run("ip", "address", "add", "2001:db8:1::1/64", "dev", "few0");
      const before = networkState();
      const { opened } = inChild({ call: "openTun", options: { name: "few0", up: true }, fdsLeft: left });
      if (opened.error === undefined) expect(ipLink("few0").flags).toContain("UP");
      else expect(networkState()).toBe(before);
    },
  );

  test.each(limits)(
    "openTun() of a persistent interface with %d left: the owner is set with success alone",
    async (left) => {
      using _made = persistentInterface("few1", "tun");
      const { opened } = inChild({
        call: "openTun",
        options: { name: "few1", owner: 0, persist: true },
        fdsLeft: left,
      });
      expect(ipLink("few1").linkinfo?.info_data?.["user"]).toBe(opened.error === undefined ? "root" : undefined);
    },
  );

  test.each(limits)("adopt() with %d left: works, or EMFILE with a hint, and nothing left behind", async (left) => {
    using tun = openTun({ name: "few0" });
    await tryWith(left, { call: "adopt", fd: 3, options: { closeFd: false } as object }, [tun.fd]);
    expect(tun.name).toBe("few0");
  });

  test("a namespace that cannot be opened for want of an fd is not said to be missing, and a device can be shown", () => {
    const source = `
      import { closeSync, openSync } from "node:fs";
      import { listDevices, openTun } from "${top}/src/index.ts";
      const tun = openTun({ name: "shown%d" });
      const calls = [() => tun.moveToNetns(process.pid), () => listDevices({ netns: process.pid })];
      const errors = () => calls.map((call) => { try { call(); return null; } catch (error) { return error; } });
      // Loads what the calls need.
      errors();
      const files = [];
      try { for (;;) files.push(openSync("/dev/zero")); } catch {}
      const found = errors();
      const shown = JSON.parse(JSON.stringify(tun));
      for (const fd of files) closeSync(fd);
      const told = found.map(({ code, syscall, hint }) => ({ code, syscall, hint }));
      console.log(JSON.stringify({ told, shown }));
      process.exit(0);`;
    const { stdout, stderr } = runToEnd(["sh", "-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, source]);
    const wanted = { code: "EMFILE", syscall: "open", hint: expect.stringContaining("ulimit -n") };
    const { told, shown } = JSON.parse(stdout) as Record<string, unknown>;
    expect({ told, shown, stderr }).toEqual({
      told: [wanted, wanted],
      shown: { kind: "tun", name: "shown0" },
      stderr: "",
    });
  });

  test("ref() without an fd for another stream harms nothing: frames come as before, and it holds the process once there is one", () => {
    const source = `
      import { closeSync, openSync } from "node:fs";
      import { openTun } from "${top}/src/index.ts";
      const keep = setInterval(() => {}, 1000);
      let came = () => {};
      const tun = openTun({
        addresses: ["192.0.2.1/24"],
        ipv6: false,
        data: () => came(),
        close: (_, reason) => console.log("closed:", reason?.message ?? "by the program"),
      });
      const ping = async () => {
        const { promise, resolve } = Promise.withResolvers();
        came = resolve;
        tun.send(Uint8Array.fromHex("${echoRequest.toHex()}"));
        await promise;
      };
      await ping();
      tun.unref();
      await ping();
      const files = [];
      try { for (;;) files.push(openSync("/dev/zero")); } catch {}
      tun.ref();
      await ping();
      for (const fd of files) closeSync(fd);
      clearInterval(keep);
      setTimeout(() => { console.log("held"); tun.close(); }, 500).unref();`;
    const { stdout, stderr } = runToEnd(["sh", "-c", 'ulimit -n 64; exec "$0" -e "$1"', process.execPath, source]);
    expect({ stdout, stderr }).toEqual({ stdout: "held\nclosed: by the program\n", stderr: "" });
  });
});
