/** Changes by the hundred, in the kernel's order: `ip monitor` runs beside and is told the same. */
import { expect, test } from "bun:test";
import { openTap, openTun } from "../../src/index.ts";
import { withQuietIPv6 } from "../device/support.ts";
import { kernelHas, testOnKernel } from "../support/kernel.ts";
import { here, ipMonitor, listenTo, monitored, replayed, shownIn, textOf } from "../support/namespaces.ts";
import { describeWithTools } from "../support/privilege.ts";
import { ipLink, run, until } from "../support/system.ts";

const ip = (...args: string[]): void => void run("ip", ...args);

/** What moves an address through its life without any further call. */
const shortLived = { validLifetime: 3, preferredLifetime: 1 };

describeWithTools("changes() and `ip monitor`", ["ip"], () => {
  withQuietIPv6();

  testOnKernel(
    "liveRename",
    "are told the same, in the same order, made by the device and by ip by turns",
    async () => {
      using tap = openTap({ name: "or0" });
      const first = shownIn(here, "or0");
      ip("link", "add", "orbr0", "type", "bridge");
      try {
        const bridge = ipLink("orbr0").ifindex;
        using monitor = await ipMonitor();
        const { told, texts } = listenTo(tap);
        const times = (text: string, count: number): Promise<void> =>
          until(() => texts().filter((each) => each === text).length === count, `${text}, ${count} times`);
        const turns: ((round: number) => void | Promise<void>)[] = [
          () => tap.up(),
          () => ip("link", "set", "or0", "mtu", "1400"),
          () => tap.addAddress("192.0.2.1/24"),
          () => ip("address", "add", "2001:db8::1/64", "dev", "or0", "nodad"),
          // By a work queue, which finds nothing to tell if the interface is down by then.
          (round) => times("address-added 2001:db8::1/64", round),
          () => tap.addAddress({ address: "192.0.2.5", peer: "192.0.2.6" }),
          () => ip("link", "set", "or0", "name", "or1"),
          () => tap.setMac("02:00:5e:00:53:01"),
          () => ip("link", "set", "or1", "master", "orbr0"),
          () => tap.setMaster(null),
          () => ip("link", "set", "or1", "down"),
          () => tap.up(),
          () => ip("address", "flush", "dev", "or1"),
          // Too small for IPv6, and back.
          () => tap.setMtu(1000),
          () => ip("link", "set", "or1", "mtu", "1500"),
          () => tap.addAddress({ address: "2001:db8::2/64", noDad: true }),
          // That is told by a work queue, and to nobody if the carrier has gone by then (net/ipv6/addrconf.c addrconf_dad_work()).
          (round) => times("address-added 2001:db8::2/64", round),
          () => ip("link", "set", "or1", "carrier", "off"),
          () => tap.rename("or0"),
          () => tap.setMtu(1499),
        ];
        for (let round = 1; round <= 3; round++) {
          for (const turn of turns) await turn(round);
          await times("mtu 1499", round);
          tap.setCarrier(true);
          tap.removeAddress("2001:db8::2/64");
          await times("carrier true", round);
        }
        const seen = (): string[] => monitored(monitor.lines(), tap.index, first, { orbr0: bridge });
        await until(() => seen().length >= told.length, "ip monitor has told as much");
        expect(texts()).toEqual(seen());
        expect(replayed(first, told)).toEqual(shownIn(here, "or0"));
        expect(new Set(told.map(({ type }) => type)).size).toBe(9);
      } finally {
        ip("link", "delete", "orbr0");
      }
    },
    60_000,
  );

  test("going down takes the IPv6 addresses, and ip link del everything, before the end", async () => {
    const tun = openTun({ name: "or2", up: true, addresses: ["192.0.2.1/24", "2001:db8::1/64"] });
    await until(() => !tun.addresses().some(({ tentative }) => tentative), "the address can be used");
    const { index } = tun;
    const first = shownIn(here, "or2");
    using monitor = await ipMonitor();
    const { texts, ended } = listenTo(tun);
    ip("link", "set", "or2", "down");
    ip("link", "set", "or2", "up");
    ip("link", "delete", "or2");
    await ended;
    expect(texts().at(-1)).toBe("deleted");
    expect(texts().slice(0, 2).sort()).toEqual(["address-removed 2001:db8::1/64", "down"]);
    const seen = (): string[] => monitored(monitor.lines(), index, first);
    await until(() => seen().includes("deleted"), "ip monitor has told the end");
    expect(texts(), monitor.lines().join("\n")).toEqual(seen());
  });

  test("an address that ends by itself is deprecated first", async () => {
    using tun = openTun({ up: true });
    const { texts, told } = listenTo(tun);
    tun.addAddress({ address: "192.0.2.1/24", ...shortLived });
    tun.addAddress({ address: "2001:db8::1/64", noDad: true, ...shortLived });
    for (const address of ["192.0.2.1/24", "2001:db8::1/64"]) {
      const life = (): string[] => texts().filter((text) => text.endsWith(address));
      await until(() => life().some((text) => text.startsWith("address-removed")), `the end of ${address}`);
      expect(life()).toEqual(["added", "changed", "removed"].map((what) => `address-${what} ${address}`));
    }
    const deprecated = told.filter(({ type }) => type === "address-changed");
    expect(deprecated).toEqual(
      deprecated.map((change) => ({ ...change, address: expect.objectContaining({ deprecated: true }) })),
    );
    expect(tun.addresses()).toEqual([]);
  }, 60_000);

  test("changes of other interfaces are not reported, nor notifications without a change", async () => {
    using tun = openTun({ name: "or3", up: true, addresses: ["192.0.2.1/24"] });
    using other = openTap({ name: "or4" });
    const { told } = listenTo(tun);
    other.up();
    other.addAddress("198.51.100.1/24");
    other.setMtu(1400);
    if (!kernelHas("liveRename")) other.down();
    other.rename("or5");
    ip("link", "delete", "or5");
    tun.up();
    tun.setMtu(1500);
    tun.setTxQueueLength(9);
    tun.setAlias("alias");
    tun.replaceAddress("192.0.2.1/24");
    tun.addRoute("203.0.113.0/24");
    tun.setMtu(1400);
    await until(() => told.length > 0, "a change is told");
    expect(told.map(textOf)).toEqual(["mtu 1400"]);
  });
});
