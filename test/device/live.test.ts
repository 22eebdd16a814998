import { expect, test } from "bun:test";
import { type Device, openTap, openTun } from "../../src/index.ts";
import { kernelHas } from "../support/kernel.ts";
import { describePrivileged } from "../support/privilege.ts";
import { interfaceNames, ipLink, run, until } from "../support/system.ts";
import { ping, refusal, withQuietIPv6 } from "./support.ts";

const mac = "02:00:5e:00:53:01";
const kinds = [
  { kind: "tun", open: openTun, least: 68, most: 65535 },
  { kind: "tap", open: openTap, least: 68, most: 65521 },
] as const;

describePrivileged("a device follows changes from outside", () => {
  withQuietIPv6();

  test.each(kinds)("name of a $kind follows a rename, up or down; index stays", ({ kind, open }) => {
    using device: Device = open({ name: "before0" });
    const { index } = device;
    run("ip", "link", "set", "before0", "name", "middle0");
    expect(device.name).toBe("middle0");
    const rename = ["ip", "link", "set", "middle0", "name", "after0"];
    if (!kernelHas("liveRename")) run(...rename);
    run("ip", "link", "set", "dev", device.name, "up");
    if (kernelHas("liveRename")) run(...rename);
    expect(device).toMatchObject({ kind, name: "after0", index, isUp: true });
    device.close();
    expect(device.name).toBe("after0");
  });

  test.each(kinds)("mtu and isUp of a $kind follow ip", ({ open }) => {
    using device: Device = open({ name: "live0" });
    expect(device).toMatchObject({ mtu: 1500, isUp: false });
    run("ip", "link", "set", "live0", "mtu", "1280", "up");
    expect(device).toMatchObject({ mtu: 1280, isUp: true });
    run("ip", "link", "set", "live0", "mtu", "9000", "down");
    expect(device).toMatchObject({ mtu: 9000, isUp: false });
  });

  test("mac and macBytes of a TAP follow ip; a TUN shows zeros", () => {
    using tap = openTap({ name: "live1" });
    expect(tap.mac).toBe(ipLink("live1").address as string);
    run("ip", "link", "set", "live1", "address", mac);
    expect(tap.mac).toBe(mac);
    expect(tap.macBytes).toEqual(Uint8Array.of(0x02, 0x00, 0x5e, 0x00, 0x53, 0x01));
    using tun = openTun();
    expect(tun.mac).toBe("00:00:00:00:00:00");
    expect(tun.macBytes).toEqual(new Uint8Array(6));
  });

  test("addresses() follows ip", () => {
    using tun = openTun({ name: "live2" });
    expect(tun.addresses()).toEqual([]);
    run("ip", "address", "add", "192.0.2.1/24", "dev", "live2");
    expect(tun.addresses()).toEqual([{ address: "192.0.2.1/24", family: 4, scope: "global" }]);
    run("ip", "address", "flush", "dev", "live2");
    expect(tun.addresses()).toEqual([]);
  });

  test("every call reaches the interface after a rename, not its old name's next owner", async () => {
    using tun = openTun({ name: "name0" });
    run("ip", "link", "set", "name0", "name", "name1");
    using other = openTun({ name: "name0" });
    tun.setMtu(1300);
    tun.setTxQueueLength(50);
    tun.addAddress("192.0.2.1/24");
    tun.up();
    expect(tun).toMatchObject({ name: "name1", mtu: 1300, isUp: true });
    expect(tun.stats().rxPackets).toBe(0);
    await ping(tun);
    expect(tun.stats().rxPackets).toBe(1);
    tun.removeAddress("192.0.2.1/24");
    expect(other).toMatchObject({ name: "name0", mtu: 1500, isUp: false });
    expect(ipLink("name0").txqlen).toBe(500);
    expect(ipLink("name1")).toMatchObject({ txqlen: 50, addr_info: [] });
  });
});

describePrivileged("a device's own changes are what ip shows", () => {
  withQuietIPv6();

  test("up() and down(), as often as you like", () => {
    using tun = openTun();
    for (const up of [true, true, false, false, true]) {
      if (up) tun.up();
      else tun.down();
      expect(ipLink(tun.name).flags.includes("UP")).toBe(up);
      expect(tun.isUp).toBe(up);
    }
  });

  test.each(kinds)("setMtu() of a $kind takes $least to $most, and no other", ({ open, least, most }) => {
    using device: Device = open();
    for (const mtu of [least, most, 1400]) {
      device.setMtu(mtu);
      expect(ipLink(device.name).mtu).toBe(mtu);
      expect(device.mtu).toBe(mtu);
    }
    for (const mtu of [0, least - 1, most + 1]) {
      expect(() => device.setMtu(mtu)).toThrow(RangeError);
      expect(() => device.setMtu(mtu)).toThrow(`must be ${least} to ${most}, got ${mtu}`);
    }
    for (const mtu of [1400.5, "1400", undefined]) expect(() => device.setMtu(mtu as number)).toThrow(TypeError);
    expect(device.mtu).toBe(1400);
  });

  test("setMac() changes a TAP's address while it is up", () => {
    using tap = openTap({ up: true });
    tap.setMac("02:00:5E:00:53:FE");
    expect(ipLink(tap.name).address).toBe("02:00:5e:00:53:fe");
    expect(tap.mac).toBe("02:00:5e:00:53:fe");
  });

  test("setMac() refuses a multicast address and a TUN, with a hint", () => {
    using tap = openTap();
    const before = tap.mac;
    const multicast = refusal(() => tap.setMac("01:00:5e:00:00:01"));
    expect(multicast).toMatchObject({ code: "EADDRNOTAVAIL", errno: -99, syscall: "ioctl(SIOCSIFHWADDR)" });
    expect(multicast.hint).toContain("multicast");
    expect(tap.mac).toBe(before);
    for (const text of ["02-00-5e-00-53-01", "02:00:5e:00:53", "02:00:5e:00:53:0g", ""]) {
      expect(() => tap.setMac(text)).toThrow(RangeError);
    }
    using tun = openTun();
    const none = refusal(() => tun.setMac(mac));
    expect(none).toMatchObject({ code: "EOPNOTSUPP", errno: -95, syscall: "ioctl(SIOCSIFHWADDR)" });
    expect(none.hint).toContain("open a TAP");
  });

  test("setTxQueueLength()", () => {
    using tun = openTun();
    for (const frames of [0, 1, 5000]) {
      tun.setTxQueueLength(frames);
      expect(ipLink(tun.name).txqlen ?? 0).toBe(frames);
    }
    expect(() => tun.setTxQueueLength(-1)).toThrow(RangeError);
    expect(() => tun.setTxQueueLength(1.5)).toThrow(TypeError);
  });

  test("rename() renames, up or down, and refuses a name that is taken or no name", () => {
    using tun = openTun({ name: "old0" });
    using other = openTun({ name: "taken0" });
    tun.rename("new0");
    tun.up();
    if (!kernelHas("liveRename")) {
      const busy = refusal(() => tun.rename("new1"));
      expect(busy).toMatchObject({ code: "EBUSY", syscall: "netlink(RTM_NEWLINK)" });
      expect(busy.hint).toContain("down() first");
      tun.down();
    }
    tun.rename("new1");
    expect(tun.name).toBe("new1");
    expect(interfaceNames()).toEqual(expect.arrayContaining(["new1", "taken0"]));
    const taken = refusal(() => tun.rename("taken0"));
    expect(taken).toMatchObject({ code: "EEXIST", errno: -17, syscall: "netlink(RTM_NEWLINK)" });
    expect(taken.hint).toContain("another interface has that name");
    for (const name of ["", "vpn%d", "a b", "abcdefghij123456"]) expect(() => tun.rename(name)).toThrow(RangeError);
    expect([tun.name, other.name]).toEqual(["new1", "taken0"]);
  });

  test("setPersist() decides whether the interface outlives the device", () => {
    const tun = openTun({ name: "keep0" });
    tun.setOwner(0);
    tun.setPersist(true);
    expect(ipLink("keep0").linkinfo?.info_data?.["persist"]).toBe(true);
    tun.close();
    expect(interfaceNames()).toContain("keep0");
    const again = openTun({ name: "keep0" });
    again.setPersist(false);
    expect(ipLink("keep0").linkinfo?.info_data?.["persist"]).toBe(false);
    again.close();
    expect(interfaceNames()).not.toContain("keep0");
  });

  test("setPersist() refuses an interface that every user could attach to, unless that is said", () => {
    const shown = (name: string): unknown => ipLink(name).linkinfo?.info_data?.["persist"];
    using tun = openTun({ name: "keep1" });
    const error = refusal(() => tun.setPersist(true));
    expect(error).toMatchObject({ code: "ERR_TUNTAP_OWNERLESS", hint: expect.stringContaining("`ownerless: true`") });
    expect([shown("keep1"), tun.info().persistent]).toEqual([false, false]);
    tun.setPersist(false);
    tun.setPersist(true, { ownerless: true });
    expect([shown("keep1"), tun.info().persistent]).toEqual([true, true]);
    tun.setPersist(false);
    for (const own of ["setOwner", "setGroup"] as const) {
      using owned = openTun({ name: "keep2" });
      owned[own](0);
      owned.setPersist(true);
      expect(shown("keep2")).toBe(true);
      owned.setPersist(false);
    }
  });

  test("setCarrier() plugs and unplugs the cable", async () => {
    using tap = openTap({ up: true });
    const carrier = (): boolean => !ipLink(tap.name).flags.includes("NO-CARRIER");
    // The flag is of the operational state, which Linux 5.10 and 6.1 change in a work queue.
    await until(carrier, "a carrier");
    tap.setCarrier(false);
    await until(() => !carrier(), "no carrier");
    tap.setCarrier(true);
    await until(carrier, "a carrier again");
  });

  test("stats() counts what ip counts, each way for itself", async () => {
    using tun = openTun({ addresses: ["192.0.2.1/24"] });
    for (let i = 0; i < 3; i++) await ping(tun);
    // Nobody answers a header alone.
    tun.send(Uint8Array.of(0x45, ...new Uint8Array(19)));
    const { rx, tx } = ipLink(tun.name).stats64 ?? {};
    expect([rx?.packets, rx?.bytes, tx?.packets, tx?.bytes]).toEqual([4, 104, 3, 84]);
    expect(tun.stats()).toEqual({
      ...{ rxPackets: 4, rxBytes: 104, rxErrors: 0, rxDropped: rx?.dropped ?? -1 },
      ...{ txPackets: 3, txBytes: 84, txErrors: 0, txDropped: tx?.dropped ?? -1 },
    });
  });
});
