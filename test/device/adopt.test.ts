import { dlopen } from "bun:ffi";
import { beforeAll, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { adopt, openTap, openTun } from "../../src/index.ts";
import { IFF_NO_PI, IFF_TAP, IFF_TUN, IFF_VNET_HDR } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import {
  closeFd,
  getIff,
  getSndbuf,
  getVnetHeaderSize,
  setIff,
  setSndbuf,
  setVnetHeaderSize,
} from "../../src/sys/tun.ts";
import { describePrivileged, describeWithTools } from "../support/privilege.ts";
import { interfaceNames, ipLink, newFds, openFds, run, soon, until } from "../support/system.ts";
import { inChild } from "./in-child.ts";
import {
  echoRequest,
  isEchoReply,
  leavingNothing,
  networkState,
  otherNamespace,
  persistentInterface,
  ping,
  refusal,
  warmUp,
  withQuietIPv6,
} from "./support.ts";

/** fcntl(2) with a number as its argument. */
function fcntl(fd: number, command: number, argument: number): void {
  const libc = dlopen("libc.so.6", { fcntl: { args: ["i32", "i32", "i32"], returns: "i32" } });
  if (libc.symbols.fcntl(fd, command, argument) < 0) throw new Error("fcntl failed");
}

// include/uapi/asm-generic/fcntl.h
const F_SETFD = 2;
const F_SETFL = 4;
const O_RDWR = 0o2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;

/** As a program in another language would leave it: attached, blocking, inherited by children. */
function attached(name: string, flags: number): { fd: number } & Disposable {
  const fd = openClone("/dev/net/tun");
  setIff(fd, name, flags);
  fcntl(fd, F_SETFL, O_RDWR);
  fcntl(fd, F_SETFD, 0);
  return { fd, [Symbol.dispose]: () => closeFd(fd) };
}

/** O_NONBLOCK and O_CLOEXEC of an fd, as /proc has them. */
function flagsOf(fd: number): { nonBlocking: boolean; closeOnExec: boolean } {
  const flags = Number.parseInt(
    /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? "",
    8,
  );
  return { nonBlocking: (flags & O_NONBLOCK) !== 0, closeOnExec: (flags & O_CLOEXEC) !== 0 };
}

describePrivileged("adopt()", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  test.each([
    { flags: IFF_TUN | IFF_NO_PI, kind: "tun", packetInfo: false },
    { flags: IFF_TUN, kind: "tun", packetInfo: true },
  ] as const)(
    "reads back a $kind with packetInfo $packetInfo, and frames flow",
    async ({ flags, kind, packetInfo }) => {
      using raw = attached("raw0", flags);
      run("ip", "address", "add", "192.0.2.1/24", "dev", "raw0");
      run("ip", "link", "set", "raw0", "up");
      using device = adopt(raw.fd, { closeFd: false });
      expect(device).toMatchObject({ kind, name: "raw0", fd: raw.fd, isUp: true, mtu: 1500 });
      device.send(packetInfo ? Uint8Array.of(0, 0, 8, 0, ...echoRequest) : echoRequest);
      const reply = await device.receive({ signal: soon() });
      expect(isEchoReply(reply as Uint8Array, packetInfo ? 4 : 0)).toBe(true);
      const hint = refusal(() => device.send(new Uint8Array(1))).hint ?? "";
      expect(hint.startsWith("give a packet-information header")).toBe(packetInfo);
    },
  );

  test("reads back a TAP", () => {
    using raw = attached("raw0", IFF_TAP | IFF_NO_PI);
    using device = adopt(raw.fd, { closeFd: false });
    expect(device).toMatchObject({ kind: "tap", name: "raw0", mac: ipLink("raw0").address as string });
  });

  test("makes the fd non-blocking and close-on-exec", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    expect(flagsOf(raw.fd)).toEqual({ nonBlocking: false, closeOnExec: false });
    using _device = adopt(raw.fd, { closeFd: false });
    expect(flagsOf(raw.fd)).toEqual({ nonBlocking: true, closeOnExec: true });
  });

  test("applies options as opening does", () => {
    using raw = attached("raw0", IFF_TAP | IFF_NO_PI);
    const mac = "02:00:5e:00:53:06";
    using _device = adopt(raw.fd, { closeFd: false, mtu: 1280, mac, txQueueLength: 7, addresses: ["192.0.2.1/24"] });
    const link = ipLink("raw0");
    expect(link).toMatchObject({ mtu: 1280, address: mac, txqlen: 7, addr_info: [{ local: "192.0.2.1" }] });
    expect(link.flags).toContain("UP");
  });

  test("mtu: a TUN takes more than a TAP", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    using device = adopt(raw.fd, { closeFd: false, mtu: 65535 });
    expect(device.mtu).toBe(65535);
  });

  test("closeFd: by default close() closes the fd and the interface goes; false leaves both", () => {
    const raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    const borrowing = adopt(raw.fd, { closeFd: false });
    borrowing.close();
    expect(borrowing).toMatchObject({ closed: true, fd: -1 });
    expect(getIff(raw.fd).name).toBe("raw0");
    const open = openFds(/net\/tun$/);
    const isOpen = (): boolean => openFds(/net\/tun$/).some((fd) => fd.startsWith(`${raw.fd} `));
    const owning = adopt(raw.fd);
    expect(isOpen()).toBe(true);
    owning.close();
    expect([isOpen(), newFds(open, /net\/tun$/)]).toEqual([false, []]);
    expect(interfaceNames()).not.toContain("raw0");
  });

  test("a device of an fd that was given back can be adopted again, and works", async () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    for (let i = 0; i < 3; i++) {
      using device = adopt(raw.fd, { closeFd: false, addresses: i === 0 ? ["192.0.2.1/24"] : [] });
      await ping(device);
    }
  });

  test("of an fd that a device has: EEXIST with a hint, and the first goes on", async () => {
    using tun = openTun({ addresses: ["192.0.2.1/24"] });
    const error = refusal(() => adopt(tun.fd));
    expect(error).toMatchObject({ code: "EEXIST", errno: -17 });
    expect(error.hint).toContain("belongs to a device already");
    expect(tun.closed).toBe(false);
    await ping(tun);
  });

  test.each(["up", "down"])(
    "that fails last of all leaves a device's interface, which is %s, as it was",
    async (state) => {
      using _made = persistentInterface("raw0", "tap");
      run("ip", "link", "set", "raw0", "mtu", "1400", "txqueuelen", "77", state);
      run("ip", "address", "add", "198.51.100.1/24", "dev", "raw0");
      using tap = openTap({ name: "raw0" });
      const options = {
        mtu: 600,
        txQueueLength: 5,
        mac: "02:00:5e:00:53:06",
        addresses: ["192.0.2.1/24"],
        persist: false,
      };
      const error = await leavingNothing(() => refusal(() => adopt(tap.fd, { ...options, up: state === "down" })));
      expect(error).toMatchObject({ code: "EEXIST", syscall: "epoll_ctl(EPOLL_CTL_ADD)" });
      expect(tap.closed).toBe(false);
      expect(flagsOf(tap.fd)).toEqual({ nonBlocking: true, closeOnExec: true });
    },
  );

  test.each([-1, 1.5, Number.NaN, "3", undefined])("adopt(%p): TypeError", (fd) => {
    expect(() => adopt(fd as number)).toThrow(TypeError);
  });

  test("refuses any fd that is no attached TUN fd, each with its hint", () => {
    const file = openSync("/dev/null", "r+");
    const clone = openClone("/dev/net/tun");
    try {
      const cases = [
        { fd: file, code: "ENOTTY", hint: "no TUN/TAP fd" },
        { fd: 9999, code: "EBADF", hint: "no open file with that number" },
        { fd: clone, code: "EBADFD", hint: "attached to no interface" },
      ];
      for (const { fd, code, hint } of cases) {
        const error = refusal(() => adopt(fd));
        expect(error).toMatchObject({ code, syscall: "ioctl(TUNGETIFF)" });
        expect(error.hint).toContain(hint);
      }
      expect([file, clone].map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, "latin1").length > 0)).toEqual([
        true,
        true,
      ]);
    } finally {
      closeSync(file);
      closeFd(clone);
    }
  });

  test("refuses an fd with virtio headers: ERR_TUNTAP_UNSUPPORTED", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    const error = refusal(() => adopt(raw.fd));
    expect(error.code).toBe("ERR_TUNTAP_UNSUPPORTED");
    expect(error.message).toContain("IFF_VNET_HDR");
    expect(error.hint).toContain("`offload: true`");
    expect(flagsOf(raw.fd)).toEqual({ nonBlocking: false, closeOnExec: false });
  });

  test.each([true, { raw: true }])("refuses packet information beside virtio headers, with offload %p", (offload) => {
    using raw = attached("raw0", IFF_TUN | IFF_VNET_HDR);
    const error = refusal(() => adopt(raw.fd, { offload, closeFd: false }));
    expect(error.code).toBe("ERR_TUNTAP_UNSUPPORTED");
    expect(error.hint).toContain("IFF_NO_PI");
    expect(flagsOf(raw.fd)).toEqual({ nonBlocking: false, closeOnExec: false });
  });

  test.each([
    { what: "a route without a way", options: { routes: ["2001:db8:1::/48", "198.51.100.0/24"], up: false } },
    { what: "a master that there is not", options: { master: "none0" } },
    { what: "persistence that would be everybody's", options: { persist: true } },
  ])(
    "that fails with $what leaves header size and send buffer of a queue's interface, and sets no owner",
    ({ options }) => {
      using raw = attached("raw0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
      setVnetHeaderSize(raw.fd, 12);
      setSndbuf(raw.fd, 70_000);
      const owner = "persist" in options ? {} : { owner: 0 };
      refusal(() => adopt(raw.fd, { offload: true, sendBuffer: 5000, ...owner, ...options }));
      expect([getVnetHeaderSize(raw.fd), getSndbuf(raw.fd)]).toEqual([12, 70_000]);
      expect(ipLink("raw0").linkinfo?.info_data).not.toHaveProperty("user");
    },
  );

  test("that fails because a device has the fd leaves what that one has of offload", async () => {
    using tun = openTun({ offload: { raw: true }, addresses: ["192.0.2.1/24"] });
    setVnetHeaderSize(tun.fd, 20);
    expect(refusal(() => adopt(tun.fd, { offload: true })).code).toBe("EEXIST");
    expect(getVnetHeaderSize(tun.fd)).toBe(20);
  });

  test("refuses an interface that was deleted", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    run("ip", "link", "delete", "raw0");
    expect(refusal(() => adopt(raw.fd)).code).toBe("EBADFD");
  });

  test.each([
    { name: "an address twice", options: { addresses: ["192.0.2.1/24", "192.0.2.1/24"] }, code: "EEXIST" },
    { name: "a multicast MAC address", options: { mac: "01:00:5e:00:00:01" }, code: "EADDRNOTAVAIL" },
  ])("that fails with $name leaves fd and interface as they were", ({ options, code }) => {
    using raw = attached("raw0", IFF_TAP | IFF_NO_PI);
    const before = ipLink("raw0");
    expect(refusal(() => adopt(raw.fd, { mtu: 1300, txQueueLength: 9, ...options })).code).toBe(code);
    expect(getIff(raw.fd).name).toBe("raw0");
    expect(flagsOf(raw.fd).nonBlocking).toBe(false);
    const { mtu, txqlen, address, addr_info } = before;
    expect(ipLink("raw0")).toMatchObject({ mtu, txqlen, address, addr_info } as object);
  });

  test("that fails leaves an fd that children inherit as one", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    refusal(() => adopt(raw.fd, { addresses: ["192.0.2.1/24", "192.0.2.1/24"] }));
    expect(flagsOf(raw.fd).closeOnExec).toBe(false);
  });

  test("an option that does not suit the kind is refused before anything is done", () => {
    using raw = attached("raw0", IFF_TUN | IFF_NO_PI);
    expect(() => adopt(raw.fd, { mac: "02:00:5e:00:53:01" })).toThrow(TypeError);
    expect(flagsOf(raw.fd)).toEqual({ nonBlocking: false, closeOnExec: false });
  });
});

describeWithTools("adopt() of what comes from elsewhere", ["unshare"], () => {
  beforeAll(warmUp);

  withQuietIPv6();

  test("an fd inherited by a child process", () => {
    using raw = attached("inherit0", IFF_TUN | IFF_NO_PI);
    run("ip", "address", "add", "192.0.2.1/24", "dev", "inherit0");
    run("ip", "link", "set", "inherit0", "up");
    const steps = [["kind"], ["send", echoRequest.toHex()], ["receive"], ["fd"]] as const;
    const report = inChild({ call: "adopt", fd: 3, steps }, { fds: [raw.fd] });
    expect(report.opened).toEqual({ value: "inherit0" });
    const [kind, sent, received, fd] = report.outcomes.map(({ value }) => value);
    expect([kind, sent, fd]).toEqual(["tun", true, 3]);
    expect(isEchoReply(Uint8Array.fromHex(String(received)))).toBe(true);
    expect(interfaceNames()).toContain("inherit0");
  });

  test.each(["tun", "tap"] as const)(
    "a %s in another namespace: options and calls reach it there, and its namesake here is not touched",
    async (kind) => {
      using other = await otherNamespace();
      using raw = attached("twin0", IFF_NO_PI | (kind === "tun" ? IFF_TUN : IFF_TAP));
      run("ip", "link", "set", "twin0", "netns", `${other.pid}`);
      using _namesake = persistentInterface("twin0", kind);
      const before = networkState();
      using device = adopt(raw.fd, { closeFd: false, mtu: 1300, ipv6: false, addresses: ["192.0.2.1/24"] });
      device.setTxQueueLength(7);
      const [there] = JSON.parse(other.run("ip", "-j", "address", "show", "dev", "twin0"));
      expect(there).toMatchObject({ mtu: 1300, txqlen: 7, addr_info: [{ local: "192.0.2.1" }] });
      expect(device).toMatchObject({ mtu: 1300, isUp: true, index: there.ifindex });
      if (kind === "tun") await ping(device);
      expect(networkState()).toBe(before);
    },
  );

  test("an option that fails for an interface in another namespace leaves that unchanged, too", async () => {
    using other = await otherNamespace();
    using raw = attached("twin1", IFF_TUN | IFF_NO_PI);
    run("ip", "link", "set", "twin1", "netns", `${other.pid}`);
    const state = (): string => other.run("ip", "-d", "address", "show").replace(/ qdisc \w+ state \w+/g, "");
    const before = state();
    const addresses = ["192.0.2.1/24", "192.0.2.1/24"];
    const error = await leavingNothing(() => refusal(() => adopt(raw.fd, { mtu: 1300, up: true, addresses })));
    expect(error).toMatchObject({ code: "EEXIST", option: "addresses[1]" });
    expect(state()).toBe(before);
  });

  test("that fails where there is no carrier: the routes that went are back", async () => {
    using raw = attached("unplugged0", IFF_TUN | IFF_NO_PI);
    const routes = (): string => run("ip", "route", "show", "dev", "unplugged0");
    run("ip", "address", "add", "192.0.2.1/24", "dev", "unplugged0");
    run("ip", "link", "set", "unplugged0", "carrier", "off", "up");
    run("ip", "route", "add", "198.51.100.0/24", "dev", "unplugged0");
    await until(() => /198.* linkdown/.test(routes()), "the route's link is down");
    const before = routes();
    const error = refusal(() => adopt(raw.fd, { up: false, routes: ["203.0.113.0/24"] }));
    expect(error).toMatchObject({ code: "ENETDOWN", option: "routes[0]" });
    expect(routes()).toBe(before);
  });

  test("an fd of a persistent interface made by ip", () => {
    using _made = persistentInterface("kept0", "tap");
    using raw = attached("kept0", IFF_TAP | IFF_NO_PI);
    using device = adopt(raw.fd, { closeFd: false });
    expect(device).toMatchObject({ kind: "tap", name: "kept0" });
    expect(refusal(() => openTap({ name: "kept0" })).code).toBe("EBUSY");
  });
});
