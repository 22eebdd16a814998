/** Interfaces that move to another network namespace while their devices are in use: by moveToNetns(), and by `ip`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { openTap, openTun, type Tun } from "../../src/index.ts";
import { leavingNothing, refusal, warmUp, withQuietIPv6 } from "../device/support.ts";
import { kernelHas } from "../support/kernel.ts";
import {
  another,
  here,
  linkIn,
  listenTo,
  type Naming,
  namesIn,
  noNames,
  ownNetns,
  type Place,
  pingThrough,
  shownIn,
  stateOf,
} from "../support/namespaces.ts";
import { describeUnless, describeWithTools, missing } from "../support/privilege.ts";
import { interfaceNames, run, until } from "../support/system.ts";

const addresses = ["192.0.2.1/24", { address: "2001:db8::1/64", noDad: true }];

/** What the way out of a namespace takes with it. */
const leaving = ["down", "address-removed 2001:db8::1/64", "address-removed 192.0.2.1/24"];

beforeAll(() => {
  if (missing === undefined) warmUp();
});

/** Sets `tun` up in `place`, and pings through it. */
async function use(tun: Tun, place: Place): Promise<void> {
  for (const address of addresses) tun.addAddress(address);
  tun.up();
  expect(shownIn(place, tun.name)).toMatchObject({ up: true, addresses: ["192.0.2.1/24", "2001:db8::1/64"] });
  await pingThrough(tun, place, "192.0.2.7");
}

function thereAndBack(naming: Naming): void {
  test("moveToNetns(), there and back: all calls follow it, all is told, frames pass", () =>
    leavingNothing(async () => {
      using there = await another(naming);
      using tun = openTun({ name: "mv0", mtu: 1400, ipv6: false });
      const netns = ownNetns();
      await use(tun, here);
      const { texts } = listenTo(tun);
      const told: string[] = [];
      for (const [to, place] of [
        [there.like, there],
        [process.pid, here],
        [there.like, there],
      ] as const) {
        tun.moveToNetns(to);
        expect(shownIn(place, "mv0")).toMatchObject({ mtu: 1400, up: false, addresses: [] });
        expect(interfaceNames().includes("mv0")).toBe(place === here);
        expect({
          up: tun.isUp,
          addresses: tun.addresses(),
          routes: tun.routes(),
          mtu: tun.mtu,
          index: tun.index,
        }).toEqual({
          up: false,
          addresses: [],
          routes: [],
          mtu: 1400,
          index: linkIn(place, "mv0").ifindex,
        });
        told.push(...leaving, `moved ${tun.index}`);
        await use(tun, place);
        told.push("address-added 192.0.2.1/24", "address-added 2001:db8::1/64", "up");
      }
      await until(() => texts().length >= told.length, "all is told");
      // When an interface goes down, its IPv6 addresses go before or after that is told.
      expect(
        texts()
          .filter((text) => text !== "address-changed 2001:db8::1/64")
          .sort(),
      ).toEqual([...told].sort());
      expect(texts().filter((text) => text.startsWith("moved"))).toHaveLength(3);
      expect(ownNetns()).toBe(netns);
    }));

  test("a name that is taken there: EEXIST with a hint, and nothing has changed", () =>
    leavingNothing(async () => {
      using there = await another(naming);
      there.run("ip", "tuntap", "add", "mv0", "mode", "tap");
      using tun = openTun({ name: "mv0", addresses: ["192.0.2.1/24"], routes: ["198.51.100.0/24"], ipv6: false });
      for (const isListening of [false, true]) {
        const listener = isListening ? listenTo(tun) : undefined;
        const before = [stateOf(here), stateOf(there)];
        const error = refusal(() => tun.moveToNetns(there.like));
        expect(error).toMatchObject({ code: "EEXIST", syscall: "netlink(RTM_NEWLINK)" });
        expect(error.hint).toContain("rename() it first");
        expect([stateOf(here), stateOf(there)]).toEqual(before);
        tun.setTxQueueLength(9);
        expect(listener?.texts() ?? []).toEqual([]);
      }
      if (!kernelHas("liveRename")) tun.down();
      tun.rename("mv1");
      tun.moveToNetns(there.like);
      expect(namesIn(there)).toEqual(["lo", "mv0", "mv1"]);
    }));
}

describeWithTools("a device whose interface moves", ["ip", "unshare", "nsenter", "ping"], () => {
  withQuietIPv6();
  describe("to a path", () => thereAndBack("path"));
  describe("to the namespace of a process", () => thereAndBack("process id"));

  test("what others do to it there at once is told, in order, twenty times", async () => {
    using one = await another("path");
    using other = await another("path");
    const open = openTun({ name: "mv0", netns: one.like, ipv6: false });
    using tun = open;
    const { texts } = listenTo(tun);
    let count = 0;
    for (let round = 0; round < 20; round++) {
      const place = round % 2 === 0 ? other : one;
      // Waits there for the interface, and takes it at once.
      const script = `until ip link set mv0 mtu ${1400 + round} 2>/dev/null; do :; done; ip link set mv0 up; ip link set mv0 down; echo done`;
      const child = Bun.spawn([...place.through, "sh", "-c", script]);
      tun.moveToNetns(place.like);
      await child.exited;
      await until(() => texts().length >= count + 4, `round ${round}: ${texts().slice(count)}`);
      expect(texts().slice(count)).toEqual([`moved ${tun.index}`, `mtu ${1400 + round}`, "up", "down"]);
      count = texts().length;
    }
  }, 60_000);

  test.each(["openTun", "openTap"] as const)(
    "%s({ ipv6: false }) stays in force there; without it IPv6 speaks up",
    async (call) => {
      using there = await another("path");
      // There, IPv6 is as the kernel has it.
      there.run("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/addr_gen_mode");
      const open = call === "openTun" ? openTun : openTap;
      using silent = open({ name: "mv0", ipv6: false });
      using usual = open({ name: "mv1" });
      usual.setIPv6(true);
      for (const device of [silent, usual]) {
        device.moveToNetns(there.like);
        device.up();
      }
      expect(usual.addresses()).toMatchObject([{ family: 6, scope: "link" }]);
      expect(silent.addresses()).toEqual([]);
      expect(shownIn(there, "mv0").addresses).toEqual([]);
      silent.addAddress({ address: "2001:db8::1/64", noDad: true });
      expect(shownIn(there, "mv0").addresses).toEqual(["2001:db8::1/64"]);
    },
  );

  test("its index there is another one if that is taken; `moved` says which", async () => {
    using there = await another("process id");
    using tun = openTun({ name: "mv0" });
    const before = tun.index;
    there.run("ip", "link", "add", "br0", "index", `${before}`, "type", "bridge");
    const { texts } = listenTo(tun);
    tun.moveToNetns(there.like);
    expect(tun.index).toBe(linkIn(there, "mv0").ifindex);
    expect(tun.index).not.toBe(before);
    // The one that has that index now is not taken for it.
    there.run("ip", "link", "set", "br0", "mtu", "1200");
    tun.setMtu(1300);
    await until(() => texts().includes("mtu 1300"), "the last change");
    expect(texts()).toEqual([`moved ${tun.index}`, "mtu 1300"]);
  });

  test("a move to where it is already is none", async () => {
    using tun = openTun({ name: "mv0", addresses });
    const { texts } = listenTo(tun);
    // The kernel makes the local routes of IPv6 in a work queue.
    const routes = (): string => run("ip", "-6", "route", "show", "table", "local", "dev", "mv0");
    await until(() => ["local 2001:db8::1", "multicast ff00::/8"].every((route) => routes().includes(route)), "routes");
    const before = stateOf(here);
    for (const like of [process.pid, "/proc/self/ns/net", "/proc/thread-self/ns/net"]) tun.moveToNetns(like);
    expect(stateOf(here)).toBe(before);
    tun.setMtu(1300);
    await until(() => texts().includes("mtu 1300"), "the last change");
    expect(texts().filter((text) => !text.startsWith("address-changed"))).toEqual(["mtu 1300"]);
  });

  test("a change handler may move it, and then close it", async () => {
    using there = await another("process id");
    using bystander = openTun({ name: "mv1" });
    const handled: string[] = [];
    const tun = openTun({
      name: "mv0",
      ipv6: false,
      change(device, { type }) {
        handled.push(type);
        if (type === "up" && handled.length === 1) device.moveToNetns(there.like);
        if (type === "mtu") device.close();
      },
    });
    const { texts, ended } = listenTo(tun);
    tun.up();
    await until(() => handled.includes("moved"), "the move");
    expect(namesIn(there)).toEqual(["lo", "mv0"]);
    there.run("ip", "link", "set", "mv0", "mtu", "1300");
    await ended;
    expect(handled).toEqual(["up", "down", "moved", "mtu"]);
    expect(texts().map((text) => text.split(" ")[0])).toEqual(handled);
    expect(bystander.closed).toBe(false);
  });

  test("a change handler that closes it when it has moved leaves nothing", async () => {
    using there = await another("process id");
    const moves = [
      (tun: Tun) => tun.moveToNetns(there.like),
      (_: Tun) => void run("ip", "link", "set", "mv0", "netns", `${there.like}`),
    ];
    for (const move of moves) {
      await leavingNothing(async () => {
        using tun = openTun({ name: "mv0", change: (device, { type }) => void (type === "moved" && device.close()) });
        move(tun);
        await until(() => tun.closed, "the end");
      });
    }
  });

  test("moved to and fro by `ip` without rest: calls hold all the time, and nothing is missed in the end", async () => {
    using there = await another("process id");
    using tun = openTun({ name: "mv0", mtu: 1400, ipv6: false });
    const { texts } = listenTo(tun);
    const round = `ip link set mv0 netns ${there.like}; ${there.through.join(" ")} ip link set mv0 netns ${process.pid}`;
    const mover = Bun.spawn(["sh", "-ec", `for i in $(seq 60); do ${round}; done`]);
    while (mover.exitCode === null) {
      expect([tun.mtu, tun.addresses()]).toEqual([1400, []]);
      await Bun.sleep(1);
    }
    expect(mover.exitCode).toBe(0);
    run("ip", "link", "set", "mv0", "mtu", "1300");
    await until(() => texts().at(-1) === "mtu 1300", "the last change");
  }, 300_000);

  test("a move by `ip`: `moved`, and then the state there, also if it comes back at once", async () => {
    using there = await another("process id");
    using tun = openTun({ name: "mv0", addresses, ipv6: false });
    const { texts } = listenTo(tun);
    run("ip", "link", "set", "mv0", "netns", `${there.like}`, "name", "mv1");
    there.run("sh", "-c", "ip link set mv1 up; ip link set mv1 mtu 1300; ip address add 198.51.100.1/24 dev mv1");
    await until(() => texts().includes("address-added 198.51.100.1/24"), "the state there");
    const all = texts().filter((text) => !text.startsWith("address-changed"));
    expect(all.slice(0, 3).sort()).toEqual([...leaving].sort());
    expect(all[3]).toBe(`moved ${tun.index}`);
    expect(all.slice(4).sort()).toEqual(["address-added 198.51.100.1/24", "mtu 1300", "name mv1", "up"]);
    await pingThrough(tun, there, "198.51.100.7");

    // Forth and back before anybody looks.
    const count = texts().length;
    there.run("ip", "link", "set", "mv1", "netns", `${process.pid}`);
    run("ip", "link", "set", "mv1", "netns", `${there.like}`);
    there.run("ip", "link", "set", "mv1", "mtu", "1290");
    await until(() => texts().includes("mtu 1290"), "the last change");
    const later = texts().slice(count);
    expect(later.slice(0, 2).sort()).toEqual(["address-removed 198.51.100.1/24", "down"]);
    expect(later[2]).toStartWith("moved ");
    expect(later.at(-1)).toBe("mtu 1290");
    tun.moveToNetns(process.pid);
    await use(tun, here);
  });
});

describeUnless(noNames(), "a device whose interface moves, to a name", () => {
  withQuietIPv6();
  thereAndBack("name");
});
