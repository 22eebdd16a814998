import { expect, spyOn, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTap, openTun } from "../../src/index.ts";
import { native } from "../../src/sys/native.ts";
import { kernelHas } from "../support/kernel.ts";
import { describePrivileged } from "../support/privilege.ts";
import { interfaceNames, ipLink, run, soon } from "../support/system.ts";
import { echoRequest, isEchoReply, persistentInterface, ping, refusal, someIds, withQuietIPv6 } from "./support.ts";

describePrivileged("openTun() and openTap()", () => {
  withQuietIPv6();

  test("openTun() makes a plain layer 3 interface that is down", () => {
    using tun = openTun();
    expect(tun.kind).toBe("tun");
    expect(tun.name).toMatch(/^tun\d+$/);
    const link = ipLink(tun.name);
    expect(link).toMatchObject({ ifindex: tun.index, mtu: 1500, txqlen: 500, link_type: "none", addr_info: [] });
    expect(link.flags).not.toContain("UP");
    expect(link.linkinfo?.info_kind).toBe("tun");
    expect(link.linkinfo?.info_data).toEqual({
      type: "tun",
      pi: false,
      vnet_hdr: false,
      multi_queue: false,
      persist: false,
    });
  });

  test("openTap() makes a plain Ethernet interface that is down", () => {
    using tap = openTap();
    expect(tap.kind).toBe("tap");
    expect(tap.name).toMatch(/^tap\d+$/);
    const link = ipLink(tap.name);
    expect(link).toMatchObject({ ifindex: tap.index, mtu: 1500, txqlen: 1000, link_type: "ether", addr_info: [] });
    expect(link.flags).not.toContain("UP");
    expect(link.linkinfo?.info_data).toEqual({
      type: "tap",
      pi: false,
      vnet_hdr: false,
      multi_queue: false,
      persist: false,
    });
  });

  test("a new interface is not asked for its state, but for a setting; one that was there before is", () => {
    const isTold = kernelHas("netnsOfInterface");
    using asked = spyOn(native(), "sock_send");
    openTun({ name: "new%d", packetInfo: true }).close();
    expect(asked).toHaveBeenCalledTimes(0);
    // To find it, to look at it, and to change it; addresses and routes are not read, as it has none to keep.
    // Where the kernel does not tell its namespace, it is found anew before it is changed.
    openTap({ name: "new%d", mtu: 1400 }).close();
    expect(asked).toHaveBeenCalledTimes(isTold ? 3 : 4);
    using _made = persistentInterface("before0", "tun");
    asked.mockClear();
    openTun({ name: "before0" }).close();
    expect(asked).toHaveBeenCalled();
  });

  test("close() takes the interface away", () => {
    const tun = openTun({ name: "brief" });
    expect(interfaceNames()).toContain("brief");
    tun.close();
    expect(interfaceNames()).not.toContain("brief");
  });

  test.each(["t", "abcdefghij12345", "vpn-0_a.b@c!", "tün", "隧道"])("name: %j is used as it is", (name) => {
    using tun = openTun({ name });
    expect(tun.name).toBe(name);
    expect(interfaceNames()).toContain(name);
  });

  test("name: a pattern gives the first free number", () => {
    const first = openTun({ name: "vpn%d" });
    using second = openTun({ name: "vpn%d" });
    expect([first.name, second.name]).toEqual(["vpn0", "vpn1"]);
    first.close();
    using third = openTap({ name: "vpn%d" });
    using middle = openTun({ name: "v%dpn" });
    expect([third.name, middle.name]).toEqual(["vpn0", "v0pn"]);
  });

  test("packetInfo: every frame carries struct tun_pi", async () => {
    using tun = openTun({ packetInfo: true, addresses: ["192.0.2.1/24"] });
    expect(ipLink(tun.name).linkinfo?.info_data?.["pi"]).toBe(true);
    // Flags 0, ETH_P_IP in network byte order (include/uapi/linux/if_tun.h).
    tun.send(Uint8Array.of(0, 0, 0x08, 0x00, ...echoRequest));
    const frame = await tun.receive({ signal: soon() });
    expect(frame?.subarray(0, 4)).toEqual(Uint8Array.of(0, 0, 0x08, 0x00));
    expect(isEchoReply(frame as Uint8Array, 4)).toBe(true);
  });

  test("packetInfo: false hands over the packet alone", async () => {
    using tun = openTun({ packetInfo: false, addresses: ["192.0.2.1/24"] });
    await ping(tun);
  });

  /** Returns what /proc knows of an open fd; the flags are those of include/uapi/asm-generic/fcntl.h. */
  function fdInfo(fd: number | string): { flags: number; iff: string | undefined } {
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? "", 8);
    return { flags, iff: /^iff:\s*(\S+)$/m.exec(text)?.[1] };
  }

  test("fd: is read-write, non-blocking and attached", () => {
    using tun = openTun({ name: "flags0" });
    const { flags, iff } = fdInfo(tun.fd);
    // O_ACCMODE, O_RDWR, O_NONBLOCK
    expect([flags & 0o3, flags & 0o4000]).toEqual([0o2, 0o4000]);
    expect(iff).toBe("flags0");
  });

  test("every fd that opening makes is close-on-exec", () => {
    // In a process of its own: here the reactor's fds are there already, and other tests have fds of theirs.
    const program = `
      import { openTun } from "${import.meta.dir}/../../src/index.ts";
      import { readFileSync, readdirSync, readlinkSync } from "node:fs";
      const fds = () => readdirSync("/proc/self/fd").flatMap((fd) => {
        try {
          return [[fd, readlinkSync("/proc/self/fd/" + fd), readFileSync("/proc/self/fdinfo/" + fd, "latin1")]];
        } catch {
          return [];
        }
      });
      const before = new Set(fds().map(([fd]) => fd));
      const tun = openTun();
      const made = fds().filter(([fd]) => !before.has(fd));
      console.log(JSON.stringify(made.map(([, path, info]) => [path.replace(/\\[\\d+\\]/, ""), parseInt(/flags:\\s*(\\d+)/.exec(info)[1], 8)])));
      process.exit();`;
    const made = JSON.parse(run(process.execPath, "-e", program)) as [string, number][];
    const kinds = made.map(([kind]) => kind);
    const wanted = ["/dev/net/tun", "socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]"];
    expect(kinds).toEqual(expect.arrayContaining(wanted));
    // O_CLOEXEC
    expect(made.filter(([, flags]) => (flags & 0o2000000) === 0)).toEqual([]);
  });

  test("options: all of a TAP's settings are what ip shows", () => {
    const { ids, shown } = someIds();
    using tap = openTap({
      name: "full0",
      ...ids,
      mtu: 1380,
      mac: "02:00:5E:00:53:01",
      txQueueLength: 64,
      addresses: ["192.0.2.1/24", "2001:db8::1/64", { address: "198.51.100.1", peer: "198.51.100.2" }],
    });
    const link = ipLink(tap.name);
    expect(link).toMatchObject({ ifname: "full0", mtu: 1380, txqlen: 64, address: "02:00:5e:00:53:01" });
    expect(link.flags).toContain("UP");
    expect(link.linkinfo?.info_data).toMatchObject({ type: "tap", persist: false, ...shown });
    expect(link.addr_info).toMatchObject([
      { family: "inet", local: "192.0.2.1", prefixlen: 24 },
      { family: "inet", local: "198.51.100.1", address: "198.51.100.2", prefixlen: 32 },
      { family: "inet6", local: "2001:db8::1", prefixlen: 64 },
    ]);
  });

  test.each([
    { kind: "TUN", open: openTun, mtu: 68 },
    { kind: "TUN", open: openTun, mtu: 65535 },
    { kind: "TAP", open: openTap, mtu: 68 },
    { kind: "TAP", open: openTap, mtu: 65521 },
  ])("mtu: a $kind takes $mtu", ({ open, mtu }) => {
    using device = open({ mtu });
    expect(ipLink(device.name).mtu).toBe(mtu);
  });

  test("up: follows from addresses, unless it is given", () => {
    using bare = openTun();
    using addressed = openTun({ addresses: ["192.0.2.1/24"] });
    using down = openTun({ addresses: ["198.51.100.1/24"], up: false });
    using up = openTun({ up: true });
    const flags = [bare, addressed, down, up].map(({ name }) => ipLink(name).flags.includes("UP"));
    expect(flags).toEqual([false, true, false, true]);
    expect(ipLink(down.name).addr_info).toMatchObject([{ local: "198.51.100.1" }]);
  });

  test("persist: the interface outlives the device, with its addresses", () => {
    openTun({ name: "stay0", persist: true, owner: 0, addresses: ["192.0.2.1/24"] }).close();
    try {
      const link = ipLink("stay0");
      expect(link.linkinfo?.info_data).toMatchObject({ persist: true });
      expect(link.addr_info).toMatchObject([{ local: "192.0.2.1", prefixlen: 24 }]);
    } finally {
      run("ip", "link", "delete", "stay0");
    }
  });

  test.each([{ owner: 0 }, { group: 0 }, { ownerless: true }, { owner: 0, group: 0, ownerless: true }])(
    "persist: with %j the interface stays",
    (whose) => {
      openTun({ name: "stay1", persist: true, ...whose }).close();
      const { persist, user, group } = ipLink("stay1").linkinfo?.info_data ?? {};
      run("ip", "link", "delete", "stay1");
      expect({ persist, user, group }).toEqual({
        persist: true,
        user: "owner" in whose ? "root" : undefined,
        group: "group" in whose ? "root" : undefined,
      });
    },
  );

  test("persist: false takes an interface away with the device, ownerless or not", () => {
    using _made = persistentInterface("stay2", "tun");
    openTun({ name: "stay2", persist: false }).close();
    expect(interfaceNames()).not.toContain("stay2");
  });

  test("path: may be a symbolic link to the clone device", () => {
    const directory = mkdtempSync(join(tmpdir(), "bun-tuntap-path-"));
    try {
      symlinkSync("/dev/net/tun", join(directory, "clone"));
      using tun = openTun({ path: join(directory, "clone") });
      expect(interfaceNames()).toContain(tun.name);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describePrivileged("opening what exists", () => {
  test("EBUSY: the hint tells a name in use from a name that exclusive forbids", () => {
    using tun = openTun({ name: "busy0" });
    using _idle = persistentInterface("idle0", "tun");
    const inUse = refusal(() => openTun({ name: "busy0" }));
    expect(inUse).toMatchObject({ code: "EBUSY", errno: -16, syscall: "ioctl(TUNSETIFF)" });
    expect(inUse.hint).toContain("in use by another open file");
    expect(inUse.hint).not.toContain("exclusive");
    for (const name of ["busy0", "idle0", "lo"]) {
      const exists = refusal(() => openTun({ name, exclusive: true }));
      expect(exists).toMatchObject({ code: "EBUSY", errno: -16, syscall: "ioctl(TUNSETIFF)" });
      expect(exists.hint).toContain(`"${name}" exists already`);
      expect(exists.hint).not.toContain("in use");
    }
    expect(tun.closed).toBe(false);
  });

  test.each(["busy0", "abcdefghij12345", "隧道隧道隧"])(
    "EBUSY: the pattern that the hint gives for %j can be used",
    (name) => {
      using _tun = openTun({ name });
      const pattern = /"([^"]*%d)"/.exec(refusal(() => openTun({ name })).hint ?? "")?.[1];
      expect(pattern).toBeString();
      using other = openTun({ name: pattern as string });
      expect(other.name).not.toBe(name);
    },
  );

  test("exclusive: a free name and a pattern open", () => {
    using named = openTun({ name: "mine0", exclusive: true });
    using numbered = openTun({ name: "mine%d", exclusive: true });
    expect([named.name, numbered.name]).toEqual(["mine0", "mine1"]);
  });

  test("EINVAL: the hint says what stands in the way", () => {
    using _tun = persistentInterface("old0", "tun");
    using _tap = persistentInterface("old1", "tap");
    using _queues = persistentInterface("old2", "tun", "multi_queue");
    const cases = [
      { call: () => openTap({ name: "old0" }), hint: "use openTun" },
      { call: () => openTun({ name: "old1" }), hint: "use openTap" },
      { call: () => openTun({ name: "old2" }), hint: "several queues" },
      { call: () => openTun({ name: "lo" }), hint: "no TUN/TAP interface" },
    ];
    for (const { call, hint } of cases) {
      const error = refusal(call);
      expect(error).toMatchObject({ code: "EINVAL", errno: -22, syscall: "ioctl(TUNSETIFF)" });
      expect(error.hint).toContain(hint);
    }
  });
});
