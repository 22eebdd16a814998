/** Devices whose interface is in another network namespace: made there, used from here. */
import { beforeAll, describe, expect, test } from "bun:test";
import { deleteDevice, listDevices, openTap, openTun } from "../../src/index.ts";
import { warmUp } from "../device/support.ts";
import {
  another,
  here,
  ipMonitor,
  linkIn,
  listenTo,
  type Naming,
  namesIn,
  noNames,
  ownNetns,
  pingThrough,
  shownIn,
  stateOf,
} from "../support/namespaces.ts";
import { describeUnless, describeWithTools } from "../support/privilege.ts";
import { interfaceNames, openFds, run, until } from "../support/system.ts";

const tools = ["ip", "unshare", "nsenter", "ping"];

/** Runs `use`; fails if anything has happened to an interface of this namespace, or if this thread is elsewhere then. */
async function unseenHere(use: () => Promise<void>): Promise<void> {
  const [netns, fds] = [ownNetns(), openFds()];
  {
    using monitor = await ipMonitor();
    await use();
    // What is told after everything else.
    const mtu = linkIn(here, "lo").mtu ^ 1;
    run("ip", "link", "set", "dev", "lo", "mtu", `${mtu}`);
    await until(() => monitor.lines().length > 0, "the marker");
    expect(monitor.lines()).toEqual([expect.stringContaining(`mtu ${mtu}`)]);
  }
  expect(ownNetns()).toBe(netns);
  // Those of the programs that ran go a moment later.
  await until(() => openFds().every((fd) => fds.includes(fd)), `no fds but ${fds.join(", ")}`);
}

function inEachWay(naming: Naming): void {
  beforeAll(warmUp);

  test("openTun(): every call reaches the interface there, and none is seen here", () =>
    unseenHere(async () => {
      using there = await another(naming);
      using tun = openTun({
        name: "ns0",
        netns: there.like,
        ipv6: false,
        mtu: 1400,
        addresses: ["192.0.2.1/24", { address: "2001:db8::1/64", noDad: true }],
        routes: ["198.51.100.0/24", "2001:db8:1::/48"],
      });
      expect(interfaceNames()).not.toContain("ns0");
      const shown = shownIn(there, "ns0");
      expect(shown).toMatchObject({ mtu: 1400, up: true, addresses: ["192.0.2.1/24", "2001:db8::1/64"] });
      expect({ name: tun.name, mtu: tun.mtu, up: tun.isUp, index: tun.index }).toEqual({
        name: "ns0",
        mtu: 1400,
        up: true,
        index: linkIn(there, "ns0").ifindex,
      });
      expect(tun.addresses().map(({ address }) => address)).toEqual(shown.addresses);
      expect(there.run("ip", "route", "show", "dev", "ns0")).toContain("198.51.100.0/24");
      expect(tun.routes().map(({ to }) => to)).toEqual(expect.arrayContaining(["198.51.100.0/24", "2001:db8:1::/48"]));

      await pingThrough(tun, there, "198.51.100.7");
      const { rx, tx } = linkIn(there, "ns0").stats64 ?? {};
      const { rxPackets, txPackets } = tun.stats();
      expect<unknown[]>([rxPackets, txPackets]).toEqual([rx?.packets, tx?.packets]);

      tun.down();
      tun.rename("ns1");
      tun.setMtu(1300);
      tun.setTxQueueLength(77);
      tun.setAlias("from outside");
      tun.removeAddress("192.0.2.1/24");
      tun.addAddress("203.0.113.1/24");
      expect(linkIn(there, "ns1")).toMatchObject({ mtu: 1300, txqlen: 77, ifalias: "from outside" });
      expect(shownIn(there, "ns1")).toMatchObject({ up: false, addresses: ["203.0.113.1/24"] });
      expect(tun.info()).toMatchObject({ name: "ns1", mtu: 1300, txQueueLength: 77, alias: "from outside", up: false });
      tun.up();
      tun.addRoute({ to: "198.51.100.0/24", via: "203.0.113.2", metric: 9 });
      expect(there.run("ip", "route", "show", "198.51.100.0/24")).toContain("via 203.0.113.2 dev ns1");
      tun.removeRoute("198.51.100.0/24");
      expect(there.run("ip", "route", "show", "198.51.100.0/24")).toBe("");
      expect(listDevices({ netns: there.like }).map(({ name }) => name)).toEqual(["ns1"]);
      expect(listDevices().map(({ name }) => name)).not.toContain("ns1");
      tun.close();
      expect(namesIn(there)).toEqual(["lo"]);
    }));

  test("openTap(): its MAC address, bridge and changes are those there", () =>
    unseenHere(async () => {
      using there = await another(naming);
      there.run("ip", "link", "add", "br0", "type", "bridge");
      const handled: string[] = [];
      using tap = openTap({
        name: "ns0",
        netns: there.like,
        mac: "02:00:5e:00:53:01",
        master: "br0",
        ipv6: false,
        change: (_, { type }) => void handled.push(type),
      });
      expect(linkIn(there, "ns0")).toMatchObject({ address: "02:00:5e:00:53:01", master: "br0" });
      const { texts } = listenTo(tap);
      there.run("ip", "link", "set", "ns0", "up");
      tap.setMac("02:00:5e:00:53:02");
      there.run("ip", "address", "add", "192.0.2.1/24", "dev", "ns0");
      tap.setMaster(null);
      await until(() => handled.includes("master"), "all is told");
      expect(texts()).toEqual(["up", "mac 02:00:5e:00:53:02", "address-added 192.0.2.1/24", "master "]);
      expect(handled).toEqual(["up", "mac", "address-added", "master"]);
      expect(tap.mac).toBe(linkIn(there, "ns0").address ?? "");
      deleteDevice("ns0", { netns: there.like });
      await until(() => tap.closed, "the device ends");
      expect(texts().at(-1)).toBe("deleted");
    }));
}

describeWithTools("a device in another network namespace", tools, () => {
  describe("by its path", () => inEachWay("path"));
  describe("by a process id", () => inEachWay("process id"));

  test("the same name can be used here, there, and there", async () => {
    using one = await another("path");
    using other = await another("process id");
    const places = [here, one, other];
    const devices = [undefined, one.like, other.like].map((netns) =>
      openTun({ name: "ns0", ...(netns === undefined ? {} : { netns }) }),
    );
    for (const [i, tun] of devices.entries()) tun.setMtu(1300 + i);
    expect(places.map((place) => linkIn(place, "ns0").mtu)).toEqual([1300, 1301, 1302]);
    expect(devices.map(({ mtu }) => mtu)).toEqual([1300, 1301, 1302]);
    for (const tun of devices) tun.close();
  });

  test("is reached on Linux before 5.2 too, which does not tell its namespace, and its namesake here is left alone", async () => {
    using there = await another("path");
    using namesake = openTun({ name: "ns0" });
    const ioctl = process.arch === "x64" ? 16 : 29;
    // seccomp(2), classic BPF over struct seccomp_data: TUNGETDEVNETNS is EINVAL, as an ioctl is that the driver does not know.
    const script = `
      const { dlopen, ptr } = await import("bun:ffi");
      const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
      const code = new Uint32Array([
        0x20, 0, 0x0300_0015, ${ioctl}, 0x20, 24, 0x0100_0015, 0x54e3, 0x06, 0x0005_0016, 0x06, 0x7fff_0000,
      ]);
      const program = new BigUint64Array([6n, BigInt(ptr(code))]);
      if (symbols.prctl(38, 1, 0, 0, 0) !== 0 || symbols.prctl(22, 2, ptr(program), 0, 0) !== 0) throw new Error("prctl");
      const { openTun } = await import("${import.meta.dir}/../../src/index.ts");
      using tun = openTun({ name: "ns0", netns: ${JSON.stringify(there.like)}, addresses: ["192.0.2.1/24"] });
      tun.setMtu(1302);
      console.log(Bun.spawnSync(${JSON.stringify([...there.through, "ip", "address", "show", "ns0"])}).stdout.toString());`;
    const shown = run(process.execPath, "-e", script);
    expect(shown).toContain("mtu 1302");
    expect(shown).toContain("inet 192.0.2.1/24");
    expect(namesake.mtu).toBe(1500);
    expect(shownIn(here, "ns0")).toMatchObject({ up: false, addresses: [] });
  });

  test("a device outlives the name and the process that its namespace was named by", async () => {
    using there = await another("process id");
    using tun = openTun({ name: "ns0", netns: there.like, ipv6: false });
    using second = openTun({ name: "ns1", netns: there.like, ipv6: false });
    // Now nothing but the sockets of these two holds the namespace, if anything does.
    there[Symbol.dispose]();
    await until(() => !Bun.spawnSync([...there.through, "true"]).success, "the process has ended");
    const works = (): boolean => [tun, second].every((device) => !device.closed && device.mtu === 1500);
    expect(works()).toBe(true);
    tun.addAddress("192.0.2.1/24");
    second.moveToNetns(process.pid);
    expect(interfaceNames()).toContain("ns1");
    expect(tun.addresses().map(({ address }) => address)).toEqual(["192.0.2.1/24"]);
  });

  test("a persistent interface is found there, and left as it was", async () => {
    using there = await another("path");
    // As the kernel has it, not as another() makes it.
    there.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/addr_gen_mode");
    there.run("ip", "tuntap", "add", "ns0", "mode", "tun", "pi", "user", "0");
    there.run("ip", "link", "set", "ns0", "mtu", "1450");
    const before = stateOf(there);
    for (const fails of [false, true]) {
      const options = {
        name: "ns0",
        netns: there.like,
        mtu: 1300,
        alias: "changed",
        addresses: ["192.0.2.1/24"],
        routes: fails ? [{ to: "198.51.100.0/24", via: "203.0.113.9" }] : [],
      };
      if (fails) {
        expect(() => openTun(options)).toThrow("option routes[0]");
        expect(stateOf(there)).toBe(before);
      } else {
        using tun = openTun({ name: "ns0", netns: there.like, packetInfo: true });
        expect(tun.info()).toMatchObject({ persistent: true, owner: 0, mtu: 1450, packetInfo: true });
      }
      expect(stateOf(there)).toBe(before);
    }
    deleteDevice("ns0", { netns: there.like });
    expect(namesIn(there)).toEqual(["lo"]);
  });

  test("`persist` leaves one there", async () => {
    using there = await another("path");
    openTun({ name: "ns0", netns: there.like, persist: true, owner: 0 }).close();
    expect(namesIn(there)).toEqual(["lo", "ns0"]);
    expect(interfaceNames()).not.toContain("ns0");
  });
});

describeUnless(noNames(), "a device in another network namespace, by its name", () => inEachWay("name"));
