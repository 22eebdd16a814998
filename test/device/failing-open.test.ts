import { beforeAll, expect, test } from "bun:test";
import { openTap, openTun } from "../../src/index.ts";
import { describePrivileged } from "../support/privilege.ts";
import { ipLink, run } from "../support/system.ts";
import { leavingNothing, networkState, persistentInterface, refusal, warmUp, withQuietIPv6 } from "./support.ts";

const twice = ["192.0.2.1/24", "192.0.2.1/24"];

describePrivileged("an openTun() or openTap() that fails leaves nothing", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  test.each([
    { name: "an unknown option", call: () => openTun({ mtuu: 1400 } as object), error: TypeError },
    { name: "a name that is too long", call: () => openTun({ name: "abcdefghij123456" }), error: RangeError },
    // Its second byte in UTF-8 is 0xa0, white space to the kernel (lib/ctype.c).
    { name: "a name that only the kernel finds a space in", call: () => openTun({ name: "à" }), error: RangeError },
    { name: "two patterns in a name", call: () => openTun({ name: "a%db%d" }), error: RangeError },
    { name: "an MTU below the kernel's least", call: () => openTun({ mtu: 67 }), error: RangeError },
    { name: "an MTU above a TAP's most", call: () => openTap({ mtu: 65522 }), error: RangeError },
    { name: "a MAC address for a TUN", call: () => openTun({ mac: "02:00:5e:00:53:01" }), error: TypeError },
    { name: "no MAC address", call: () => openTap({ mac: "02:00:5e:00:53" }), error: RangeError },
    { name: "no address", call: () => openTun({ addresses: ["192.0.2.1/24", "192.0.2.256"] }), error: RangeError },
    { name: "a negative owner", call: () => openTun({ owner: -1 }), error: RangeError },
    { name: "the owner that means nobody", call: () => openTun({ owner: 0xffff_ffff }), error: RangeError },
  ])("$name: is refused before anything is done", ({ call, error }) =>
    leavingNothing(() => void expect(call).toThrow(error)),
  );

  test("signal: one that is aborted throws its reason", async () => {
    const reason = new Error("changed my mind");
    await leavingNothing(() => void expect(() => openTun({ signal: AbortSignal.abort(reason) })).toThrow(reason));
  });

  test.each([
    { name: "no clone device", call: () => openTun({ path: "/nowhere/tun" }), code: "ENOENT", syscall: "open" },
    { name: "a directory", call: () => openTun({ path: "/dev/net" }), code: "EISDIR", syscall: "open" },
    { name: "another device", call: () => openTun({ path: "/dev/null" }), code: "ENOTTY", syscall: "TUNGETFEATURES" },
    {
      name: "a plain file",
      call: () => openTun({ path: "/proc/self/comm" }),
      code: "ENOTTY",
      syscall: "TUNGETFEATURES",
    },
    { name: "no TUN by that name", call: () => openTun({ name: "lo" }), code: "EINVAL", syscall: "TUNSETIFF" },
    {
      name: "a name that exists",
      call: () => openTun({ name: "lo", exclusive: true }),
      code: "EBUSY",
      syscall: "TUNSETIFF",
    },
    {
      name: "a multicast MAC address",
      call: () => openTap({ mac: "01:00:5e:00:00:01" }),
      code: "EADDRNOTAVAIL",
      syscall: "SIOCSIFHWADDR",
    },
    {
      name: "a MAC address of zeros",
      call: () => openTap({ mac: "00:00:00:00:00:00" }),
      code: "EADDRNOTAVAIL",
      syscall: "SIOCSIFHWADDR",
    },
    {
      name: "an IPv4 address twice",
      call: () => openTun({ addresses: twice }),
      code: "EEXIST",
      syscall: "RTM_NEWADDR",
    },
    {
      name: "an IPv6 address twice",
      call: () => openTun({ persist: true, owner: 0, addresses: ["2001:db8::1/64", "2001:db8::1/64"] }),
      code: "EEXIST",
      syscall: "RTM_NEWADDR",
    },
    {
      name: "an IPv6 multicast address",
      call: () => openTap({ addresses: ["192.0.2.1/24", "ff02::1/64"] }),
      code: "EADDRNOTAVAIL",
      syscall: "RTM_NEWADDR",
    },
  ])("$name: $code from $syscall, explained", async ({ call, code, syscall }) => {
    const error = await leavingNothing(() => refusal(call));
    expect(error.code).toBe(code);
    expect(error.syscall).toContain(syscall);
    expect(error.message).toStartWith(`${code}: `);
    // The kernel's own words, or what the call was given, can say enough.
    const explanation = error.hint ?? error.detail;
    expect(explanation).toBeString();
    expect(error.message).toContain(explanation as string);
  });

  test("txQueueLength: what the kernel has no memory for is not called a lack of privilege", async () => {
    const error = await leavingNothing(() => refusal(() => openTun({ txQueueLength: 0x7fff_ffff })));
    expect(error.syscall).toBe("netlink(RTM_NEWLINK)");
    expect(error.hint ?? "").not.toContain("CAP_NET_ADMIN");
  });

  test("an address of a disabled IPv6: EACCES says so, in the kernel's words", async () => {
    const disabled = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    await Bun.write(disabled, "1");
    try {
      const error = await leavingNothing(() => refusal(() => openTun({ addresses: ["2001:db8::1/64"] })));
      expect(error.code).toBe("EACCES");
      // A newer kernel says so in its own words; without them the hint does.
      expect(error.message).toMatch(/IPv6 is (disabled|switched off)/);
    } finally {
      await Bun.write(disabled, "0");
    }
  });

  test("persist without owner and group: refused with what to give, and no interface is left", async () => {
    for (const open of [openTun, openTap]) {
      const error = await leavingNothing(() => refusal(() => open({ name: "open0", persist: true, up: true })));
      expect(error).toMatchObject({ code: "ERR_TUNTAP_OWNERLESS", errno: undefined, option: "persist" });
      for (const cure of ["`owner`", "`group`", "`ownerless: true`"]) expect(error.hint).toContain(cure);
      expect(error.message).toContain("option persist");
    }
  });

  test("the same name can be opened at once after a failure", async () => {
    await leavingNothing(() => {
      for (let i = 0; i < 20; i++) refusal(() => openTun({ name: "again0", addresses: twice }));
      openTun({ name: "again0", exclusive: true }).close();
    });
  });
});

describePrivileged("an opening that fails leaves a persistent interface as it was", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  /** Persistent, configured, and with a name that is free for each test. */
  function configured(name: string, kind: "tun" | "tap", state: "up" | "down"): Disposable {
    const made = persistentInterface(name, kind);
    run("ip", "link", "set", name, "mtu", "1400", "txqueuelen", "77", state);
    run("ip", "address", "add", "198.51.100.1/24", "dev", name);
    return made;
  }

  test.each([
    { kind: "tun", state: "down", options: { up: true } },
    { kind: "tun", state: "up", options: { up: false } },
    { kind: "tap", state: "down", options: { mac: "02:00:5e:00:53:09" } },
    { kind: "tap", state: "up", options: { mac: "02:00:5e:00:53:09", packetInfo: false } },
  ] as const)(
    "a $kind that is $state, from the last of many settings back to the first",
    async ({ kind, state, options }) => {
      using _made = configured("held0", kind, state);
      const open = kind === "tun" ? openTun : openTap;
      const all = { name: "held0", mtu: 600, txQueueLength: 5, persist: false, ...options };
      const error = await leavingNothing(() =>
        refusal(() => open({ ...all, addresses: ["203.0.113.1/24", ...twice] })),
      );
      expect(error.code).toBe("EEXIST");
    },
  );

  test("an address that it has already is not removed", async () => {
    using _made = configured("held1", "tun", "up");
    const error = await leavingNothing(() => refusal(() => openTun({ name: "held1", addresses: ["198.51.100.1/24"] })));
    expect(error.code).toBe("EEXIST");
  });

  test("its IPv6 addresses outlive an MTU that IPv6 cannot live with", async () => {
    using _made = configured("held2", "tun", "up");
    run("ip", "address", "add", "2001:db8:1::1/64", "dev", "held2", "nodad");
    const error = await leavingNothing(() => refusal(() => openTun({ name: "held2", mtu: 600, addresses: twice })));
    expect(error.code).toBe("EEXIST");
  });

  test("a temporary route of its stays one, with the time that it has left", () => {
    using _made = configured("held7", "tun", "up");
    run("ip", "-6", "route", "add", "2001:db8:8::/48", "dev", "held7", "expires", "1000");
    const error = refusal(() => openTun({ name: "held7", up: false, routes: ["203.0.113.0/24"] }));
    expect(error).toMatchObject({ code: "ENETDOWN", option: "routes[0]" });
    const expires = /expires (\d+)sec/.exec(run("ip", "-6", "route", "show", "2001:db8:8::/48"))?.[1];
    expect(Number(expires)).toBeWithin(980, 1001);
  });

  test("persist, where it has no owner: refused, but not where it has one already", async () => {
    using _ownerless = configured("held5", "tun", "up");
    const error = await leavingNothing(() =>
      refusal(() => openTun({ name: "held5", mtu: 600, up: false, persist: true, addresses: ["192.0.2.1/24"] })),
    );
    expect(error.code).toBe("ERR_TUNTAP_OWNERLESS");
    for (const who of ["user", "group"]) {
      using _owned = persistentInterface("held6", "tun", who, "0");
      using tun = openTun({ name: "held6", persist: true });
      expect(tun.info()).toMatchObject({ persistent: true });
    }
  });

  test("its packet information stays on", async () => {
    using _made = persistentInterface("held3", "tun", "pi");
    expect(ipLink("held3").linkinfo?.info_data?.["pi"]).toBe(true);
    const error = await leavingNothing(() => refusal(() => openTun({ name: "held3", addresses: twice })));
    expect(error.code).toBe("EEXIST");
  });

  test("an interface of another kind, or in use, is not touched", async () => {
    using _made = configured("held4", "tap", "up");
    const before = networkState();
    using user = openTap({ name: "held4" });
    await leavingNothing(() => {
      expect(refusal(() => openTun({ name: "held4", mtu: 600 })).code).toBe("EINVAL");
      expect(refusal(() => openTap({ name: "held4", mtu: 600 })).code).toBe("EBUSY");
    });
    user.close();
    expect(networkState()).toBe(before);
  });
});
