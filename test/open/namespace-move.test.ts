import { dlopen } from "bun:ffi";
import { expect, test } from "bun:test";
import { type Device, openTap, openTun } from "../../src/index";
import { IFF_TUN } from "../../src/sys/constants";
import { openClone } from "../../src/sys/netns";
import { closeFd, setIff } from "../../src/sys/tun";
import { describeWithTools } from "../support/privilege";
import { interfaceNames, ipLink, run } from "../support/system";
import { otherNamespace, ping, refusal } from "./support";

/** The index of the interface that the next TUNSETIFF on `fd` makes. */
function setIfIndex(fd: number, index: number): void {
  // TUNSETIFINDEX of include/uapi/linux/if_tun.h
  const libc = dlopen("libc.so.6", { ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" } });
  if (libc.symbols.ioctl(fd, 0x4004_54da, new Uint32Array([index])) !== 0) throw new Error("TUNSETIFINDEX failed");
}

describeWithTools("a device whose interface moves to another network namespace", ["unshare", "nsenter"], () => {
  test("goes on sending and receiving there", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move0" });
    run("ip", "link", "set", "move0", "netns", `${other.pid}`);
    expect(interfaceNames()).not.toContain("move0");
    other.run("ip", "address", "add", "192.0.2.1/24", "dev", "move0");
    other.run("ip", "link", "set", "move0", "up");
    await ping(tun);
    expect(tun.closed).toBe(false);
  });

  test("name and mac follow it there; setMac() and setPersist() reach it", async () => {
    using other = await otherNamespace();
    using tap = openTap({ name: "move1" });
    run("ip", "link", "set", "move1", "netns", `${other.pid}`, "name", "moved1");
    expect(tap.name).toBe("moved1");
    tap.setMac("02:00:5e:00:53:03");
    expect(tap.mac).toBe("02:00:5e:00:53:03");
    expect(other.run("ip", "link", "show", "moved1")).toContain("02:00:5e:00:53:03");
    tap.setPersist(true);
    tap.close();
    expect(other.run("ip", "link", "show", "moved1")).toContain("moved1");
  });

  test("every other call: ENODEV with a hint, and the device stays open", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move2" });
    run("ip", "link", "set", "move2", "netns", `${other.pid}`);
    const calls: ((device: Device) => unknown)[] = [
      (device) => device.mtu,
      (device) => device.isUp,
      (device) => device.up(),
      (device) => device.down(),
      (device) => device.setMtu(1400),
      (device) => device.setTxQueueLength(10),
      (device) => device.rename("moved2"),
      (device) => device.stats(),
      (device) => device.addAddress("192.0.2.1/24"),
      (device) => device.removeAddress("192.0.2.1/24"),
    ];
    for (const call of calls) {
      const error = refusal(() => call(tun));
      expect(error).toMatchObject({ code: "ENODEV", errno: -19 });
      expect(error.hint).toContain("namespace");
    }
    expect(tun).toMatchObject({ closed: false, name: "move2" });
  });

  test("addresses(): ENODEV, not an empty list", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move3", addresses: ["192.0.2.1/24"] });
    run("ip", "link", "set", "move3", "netns", `${other.pid}`);
    expect(refusal(() => tun.addresses()).code).toBe("ENODEV");
  });

  test("everything works again when it is back", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move4" });
    run("ip", "link", "set", "move4", "netns", `${other.pid}`);
    refusal(() => tun.mtu);
    other.run("ip", "link", "set", "move4", "netns", `${process.pid}`);
    tun.setMtu(1300);
    tun.addAddress("192.0.2.1/24");
    tun.up();
    expect(ipLink("move4").mtu).toBe(1300);
    expect(tun.addresses()).toEqual(expect.arrayContaining([{ address: "192.0.2.1/24", family: 4, scope: "global" }]));
    await ping(tun);
  });

  test("its index here, taken by another interface meanwhile, does not stand for it", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move5" });
    const { index } = tun;
    run("ip", "link", "set", "move5", "netns", `${other.pid}`);
    const stranger = openClone("/dev/net/tun");
    try {
      setIfIndex(stranger, index);
      setIff(stranger, "stranger0", IFF_TUN);
      expect(ipLink("stranger0").ifindex).toBe(index);
      expect(refusal(() => tun.setMtu(1234)).code).toBe("ENODEV");
      expect(ipLink("stranger0").mtu).toBe(1500);
    } finally {
      closeFd(stranger);
    }
  });
});
