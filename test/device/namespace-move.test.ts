import { dlopen } from "bun:ffi";
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Device, openTap, openTun } from "../../src/index.ts";
import { IFF_TUN } from "../../src/sys/constants.ts";
import { openClone } from "../../src/sys/netns.ts";
import { closeFd, setIff } from "../../src/sys/tun.ts";
import { kernelHas } from "../support/kernel.ts";
import { describeUnless, describeWithTools } from "../support/privilege.ts";
import { type IpLink, interfaceNames, ipLink, run } from "../support/system.ts";
import { noOthers, type Others, others, somebody } from "./as-others.ts";
import type { ChildRequest } from "./in-child.ts";
import { echoRequest, isEchoReply, otherNamespace, persistentInterface, ping } from "./support.ts";

// Programs are started, some of them several times.
setDefaultTimeout(60_000);

type Other = Awaited<ReturnType<typeof otherNamespace>>;

/** The interface as iproute2 sees it in the other namespace. */
function linkIn(other: Other, name: string): IpLink & { ifalias?: string } {
  return JSON.parse(other.run("ip", "-j", "-d", "-s", "address", "show", "dev", name))[0];
}

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
    expect(linkIn(other, "moved1").address).toBe("02:00:5e:00:53:03");
    tap.setPersist(true, { ownerless: true });
    tap.close();
    expect(linkIn(other, "moved1").ifname).toBe("moved1");
  });

  test("every call changes it there, and what ip changes there is read back", async () => {
    using other = await otherNamespace();
    using tap: Device = openTap({ name: "move2" });
    run("ip", "link", "set", "move2", "netns", `${other.pid}`);
    const calls: [(device: Device) => unknown, shown: object][] = [
      [(device) => device.up(), { flags: expect.arrayContaining(["UP"]) }],
      [(device) => device.setMtu(1400), { mtu: 1400 }],
      [(device) => device.setTxQueueLength(10), { txqlen: 10 }],
      [(device) => device.setAlias("far"), { ifalias: "far" }],
      [(device) => device.addAddress("192.0.2.1/24"), { addr_info: [{ local: "192.0.2.1" }] }],
      [(device) => device.replaceAddress("192.0.2.1/24"), { addr_info: [{ local: "192.0.2.1" }] }],
      [(device) => device.removeAddress("192.0.2.1/24"), { addr_info: [] }],
      [(device) => device.setPromiscuous(true), { flags: expect.arrayContaining(["PROMISC"]) }],
      [(device) => device.down(), { flags: expect.not.arrayContaining(["UP"]) }],
    ];
    // No address of IPv6's own making among those.
    tap.setIPv6(false);
    for (const [call, shown] of calls) {
      call(tap);
      expect(linkIn(other, "move2")).toMatchObject(shown);
    }
    tap.up();
    tap.addRoute("198.51.100.0/24");
    expect(other.run("ip", "route", "show", "dev", "move2")).toContain("198.51.100.0/24");
    expect(tap.routes().map(({ to }) => to)).toContain("198.51.100.0/24");
    tap.removeRoute("198.51.100.0/24");
    expect(other.run("ip", "route", "show", "dev", "move2")).toBe("");
    if (!kernelHas("liveRename")) tap.down();
    tap.rename("moved2");
    tap.up();
    other.run("ip", "link", "set", "moved2", "mtu", "1280");
    other.run("ip", "address", "add", "192.0.2.7/24", "dev", "moved2");
    tap.send(new Uint8Array(60));
    const { ifindex, stats64 } = linkIn(other, "moved2");
    expect(tap).toMatchObject({ name: "moved2", index: ifindex, mtu: 1280, isUp: true });
    expect(tap.info()).toMatchObject({ name: "moved2", index: ifindex, mtu: 1280, up: true, promiscuous: true });
    expect(tap.addresses()).toMatchObject([{ address: "192.0.2.7/24" }]);
    expect(tap.stats().rxPackets).toBe(stats64?.rx.packets as number);
  });

  test("its index follows, where that is taken there", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move3" });
    const { index } = tun;
    other.run("ip", "link", "add", "taken0", "index", `${index}`, "type", "bridge");
    run("ip", "link", "set", "move3", "netns", `${other.pid}`);
    expect(tun.index).not.toBe(index);
    expect(tun.index).toBe(linkIn(other, "move3").ifindex);
    tun.setMtu(1300);
    expect([linkIn(other, "move3").mtu, linkIn(other, "taken0").mtu]).toEqual([1300, 1500]);
  });

  test("its index follows, where it comes back with another one before anybody looks", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move5", addresses: ["192.0.2.1/24"] });
    const { index } = tun;
    other.run("ip", "link", "add", "taken0", "index", `${index}`, "type", "bridge");
    run("ip", "link", "set", "move5", "netns", `${other.pid}`);
    other.run("ip", "link", "set", "move5", "netns", `${process.pid}`);
    expect(tun.mtu).toBe(1500);
    expect(tun.index).not.toBe(index);
    expect(tun.index).toBe(ipLink("move5").ifindex);
    expect(tun.addresses()).toEqual([]);
  });

  test("its index and its name here, taken by others meanwhile, do not stand for it", async () => {
    using other = await otherNamespace();
    using tun = openTun({ name: "move4" });
    const { index } = tun;
    run("ip", "link", "set", "move4", "netns", `${other.pid}`);
    const stranger = openClone("/dev/net/tun");
    try {
      setIfIndex(stranger, index);
      setIff(stranger, "stranger0", IFF_TUN);
      using _namesake = persistentInterface("move4", "tun");
      expect(ipLink("stranger0").ifindex).toBe(index);
      tun.setMtu(1234);
      expect([ipLink("stranger0").mtu, ipLink("move4").mtu]).toEqual([1500, 1500]);
      expect(linkIn(other, "move4").mtu).toBe(1234);
    } finally {
      closeFd(stranger);
    }
  });

  test("everything works in a third one, and when it is back", async () => {
    using other = await otherNamespace();
    using third = await otherNamespace();
    using tun = openTun({ name: "move5" });
    run("ip", "link", "set", "move5", "netns", `${other.pid}`);
    expect(tun.mtu).toBe(1500);
    other.run("ip", "link", "set", "move5", "netns", `${third.pid}`);
    tun.setMtu(1290);
    expect(linkIn(third, "move5").mtu).toBe(1290);
    third.run("ip", "link", "set", "move5", "netns", `${process.pid}`);
    tun.setMtu(1300);
    tun.addAddress("192.0.2.1/24");
    tun.up();
    expect(ipLink("move5").mtu).toBe(1300);
    expect(tun.index).toBe(ipLink("move5").ifindex);
    expect(tun.addresses()).toEqual(expect.arrayContaining([{ address: "192.0.2.1/24", family: 4, scope: "global" }]));
    await ping(tun);
  });
});

describeUnless(noOthers(), "a device that cannot follow its interface to another network namespace", () => {
  let people: Others;
  beforeAll(() => {
    people = others();
  });
  afterAll(() => people[Symbol.dispose]());

  const questions = [["mtu"], ["index"], ["info"], ["addresses"], ["routes"], ["stats"]] as const;
  const changes = [
    ...([["up"], ["down"], ["setMtu", 1400], ["setTxQueueLength", 10], ["rename", "moved6"]] as const),
    ...([
      ["setAlias", "far"],
      ["setMaster", null],
      ["setPromiscuous", true],
      ["setAllMulticast", true],
    ] as const),
    ...([
      ["setMulticast", false],
      ["setIPv6", false],
      ["addAddress", "192.0.2.9/24"],
    ] as const),
    ...([
      ["replaceAddress", "192.0.2.9/24"],
      ["removeAddress", "192.0.2.1/24"],
    ] as const),
    ...([
      ["addRoute", "198.51.100.0/24"],
      ["removeRoute", "192.0.2.0/24"],
    ] as const),
  ] as const;

  const users = [
    { who: "a user without privilege", uid: somebody, inside: [], unknown: "ENODEV" },
    { who: "root without CAP_SYS_ADMIN", uid: 0, inside: ["setpriv", "--bounding-set=-sys_admin"], unknown: "EPERM" },
  ];

  test.each(users)(
    "$who: frames pass, isUp is right, and control calls throw with a hint",
    async ({ uid, inside, unknown }) => {
      using other = await otherNamespace();
      using _made = persistentInterface("move6", "tun", "user", `${somebody}`);
      const move = (): void => void run("ip", "link", "set", "move6", "netns", `${other.pid}`);
      const configure = (): void => {
        other.run("ip", "address", "add", "192.0.2.1/24", "dev", "move6");
        other.run("ip", "link", "set", "move6", "up");
      };
      const steps = [
        ...([["mtu"], ["pause"], ["isUp"], ["pause"], ["isUp"], ["name"], ["closed"]] as const),
        ...([["send", echoRequest.toHex()], ["receive"], ["counters"], ["setPersist", false]] as const),
        ...questions,
        ...changes,
      ];
      const request: ChildRequest = { call: "openTun", options: { path: people.path, name: "move6" }, steps };
      const how = { through: people.clone("0666"), inside };
      const { opened, outcomes } = await people.runWhile(uid, request, [move, configure], how);
      expect(opened).toEqual({ value: "move6" });
      const [mtu, , before, , after, name, closed, sent, received, counters, persist, ...refused] = outcomes;
      const values = [mtu, before, after, name, closed, sent].map((outcome) => outcome?.value);
      expect(values).toEqual([1500, false, true, "move6", false, true]);
      expect(isEchoReply(Uint8Array.fromHex(String(received?.value)))).toBe(true);
      expect(counters?.value).toMatchObject({ framesReceived: expect.any(Number), framesSent: 1 });
      expect(persist).toEqual({ value: null });
      expect(refused.map(({ error }) => error?.code)).toEqual([...[...questions, ...changes].map(() => unknown)]);
      for (const { error } of refused) expect(error?.hint).toMatch(/frames still pass|CAP_SYS_ADMIN|CAP_NET_ADMIN/);
      // It was not persistent any more.
      expect(other.run("ip", "link", "show")).not.toContain("move6");
    },
  );

  test.each(users)("$who: another interface that has its index here does not stand for it", async ({ uid, inside }) => {
    using other = await otherNamespace();
    using _made = persistentInterface("move7", "tun", "user", `${somebody}`);
    const { ifindex } = ipLink("move7");
    const move = (): void => {
      run("ip", "link", "set", "move7", "netns", `${other.pid}`);
      run("ip", "link", "add", "stranger1", "index", `${ifindex}`, "mtu", "1234", "type", "bridge");
    };
    try {
      const steps = [["mtu"], ["pause"], ["mtu"], ["info"], ["addresses"], ["index"]] as const;
      const request: ChildRequest = { call: "openTun", options: { path: people.path, name: "move7" }, steps };
      const how = { through: people.clone("0666"), inside };
      const [before, , ...after] = (await people.runWhile(uid, request, [move], how)).outcomes;
      expect(before).toEqual({ value: 1500 });
      for (const { value, error } of after) {
        expect(value).toBeUndefined();
        expect(error?.code).toMatch(/ENODEV|EPERM/);
      }
    } finally {
      run("ip", "link", "delete", "stranger1");
      other.run("ip", "link", "delete", "move7");
    }
  });
});
