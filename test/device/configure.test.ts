import { beforeAll, expect, test } from "bun:test";
import { openTap, openTun, type Tap } from "../../src/index.ts";
import { getSndbuf } from "../../src/sys/tun.ts";
import { bridge, infoByIp, kinds, type ShownLink, shownLink } from "../interface/support.ts";
import { describePrivileged } from "../support/privilege.ts";
import { run, soon, until } from "../support/system.ts";
import { leavingNothing, persistentInterface, refusal, someIds, warmUp, withQuietIPv6 } from "./support.ts";

type AnyDevice = ReturnType<(typeof kinds)[number]["open"]>;

/** A setting: how it is asked for, each way, and what shows it. */
interface Row {
  readonly setting: string;
  readonly options?: object;
  readonly set: (device: AnyDevice) => void;
  /** What `ip link set dev NAME` is given for the same. */
  readonly ip?: readonly string[];
  /** Tells whether it is in force, as `ip` shows it. */
  readonly isShown: (link: ShownLink) => boolean;
  readonly kinds?: readonly string[];
}

const text = 'to the "office" — ünd höme, 255 bytes at most';
const longest = "ä".repeat(127);

const rows: readonly Row[] = [
  {
    setting: "mtu",
    options: { mtu: 1400 },
    set: (device) => device.setMtu(1400),
    ip: ["mtu", "1400"],
    isShown: ({ mtu }) => mtu === 1400,
  },
  {
    setting: "txQueueLength",
    options: { txQueueLength: 77 },
    set: (device) => device.setTxQueueLength(77),
    ip: ["txqueuelen", "77"],
    isShown: ({ txqlen }) => txqlen === 77,
  },
  {
    setting: "mac",
    options: { mac: "02:00:5E:00:53:AB" },
    set: (device) => device.setMac("02:00:5E:00:53:AB"),
    ip: ["address", "02:00:5e:00:53:ab"],
    isShown: ({ address }) => address === "02:00:5e:00:53:ab",
    kinds: ["tap"],
  },
  {
    setting: "alias",
    options: { alias: text },
    set: (device) => device.setAlias(text),
    ip: ["alias", text],
    isShown: ({ ifalias }) => ifalias === text,
  },
  {
    setting: "alias, as long as can be",
    options: { alias: longest },
    set: (device) => device.setAlias(longest),
    ip: ["alias", longest],
    isShown: ({ ifalias }) => ifalias === longest,
  },
  {
    setting: "promiscuous",
    options: { promiscuous: true },
    set: (device) => device.setPromiscuous(true),
    ip: ["promisc", "on"],
    isShown: ({ flags }) => flags.includes("PROMISC"),
  },
  {
    setting: "allMulticast",
    options: { allMulticast: true },
    set: (device) => device.setAllMulticast(true),
    ip: ["allmulticast", "on"],
    isShown: ({ flags }) => flags.includes("ALLMULTI"),
  },
  {
    setting: "multicast off",
    set: (device) => device.setMulticast(false),
    ip: ["multicast", "off"],
    isShown: ({ flags }) => !flags.includes("MULTICAST"),
  },
  {
    setting: "up",
    options: { up: true },
    set: (device) => device.up(),
    ip: ["up"],
    isShown: ({ flags }) => flags.includes("UP"),
  },
  {
    setting: "owner and group",
    options: someIds().ids,
    set: (device) => {
      device.setOwner(someIds().ids.owner);
      device.setGroup(someIds().ids.group);
    },
    isShown: ({ linkinfo }) => Bun.deepMatch(someIds().shown, linkinfo?.info_data ?? {}),
  },
  {
    setting: "ipv6 off",
    options: { ipv6: false },
    set: (device) => device.setIPv6(false),
    ip: ["addrgenmode", "none"],
    isShown: ({ inet6_addr_gen_mode }) => inet6_addr_gen_mode === "none",
  },
];

const cases = kinds.flatMap((kind) =>
  rows
    .filter(({ kinds: only = [kind.kind] }) => only.includes(kind.kind))
    .flatMap((row) =>
      (["options", "set", "ip"] as const)
        .filter((how) => row[how] !== undefined)
        .map((how) => ({ ...kind, ...row, how, by: { options: "an option", set: "its setter", ip: "ip" }[how] })),
    ),
);

describePrivileged("a setting of an interface is what ip shows, and what ip set is read back", () => {
  withQuietIPv6();

  test.each(cases)("$setting of a $kind by $by", ({ open, options, set, ip = [], isShown, how, setting }) => {
    using device = open({ name: "set0", ...(how === "options" ? options : {}) });
    // Elsewhere IPv6 is quiet from the start.
    if (setting.startsWith("ipv6") && how !== "options") run("ip", "link", "set", "set0", "addrgenmode", "eui64");
    if (how !== "options") expect(isShown(shownLink("set0"))).toBe(false);
    if (how === "set") set(device);
    if (how === "ip") run("ip", "link", "set", "dev", "set0", ...ip);
    const link = shownLink("set0");
    expect(isShown(link)).toBe(true);
    const { carrier: _, ...info } = device.info();
    expect(info).toEqual(infoByIp(link));
    expect(device).toMatchObject({ name: "set0", index: link.ifindex, mtu: link.mtu, isUp: link.flags.includes("UP") });
  });

  test.each(kinds)("every flag of a $kind goes off again, and one leaves the others alone", ({ open }) => {
    using device = open({ name: "set1", promiscuous: true, allMulticast: true, up: true });
    const flags = (): object => {
      const { up, promiscuous, allMulticast, multicast } = device.info();
      return { up, promiscuous, allMulticast, multicast };
    };
    const all = { up: true, promiscuous: true, allMulticast: true, multicast: true };
    expect(flags()).toEqual(all);
    const steps = [
      ["up", () => device.down()],
      ["promiscuous", () => device.setPromiscuous(false)],
      ["allMulticast", () => device.setAllMulticast(false)],
      ["multicast", () => device.setMulticast(false)],
    ] as const;
    const off: Record<string, boolean> = {};
    for (const [flag, step] of steps) {
      step();
      off[flag] = false;
      expect(flags()).toEqual({ ...all, ...off });
      expect(device.info()).toMatchObject(infoByIp(shownLink("set1")));
    }
  });

  test.each([
    { options: { promiscuous: false }, flag: "PROMISC" },
    { options: { allMulticast: false }, flag: "ALLMULTI" },
    { options: { up: false }, flag: "UP" },
  ])("an option takes $flag away from a persistent interface that has it", ({ options, flag }) => {
    using _made = persistentInterface("set2", "tap");
    run("ip", "link", "set", "set2", "promisc", "on", "allmulticast", "on", "up");
    using _tap = openTap({ name: "set2", ...options });
    expect(["PROMISC", "ALLMULTI", "UP"].filter((each) => shownLink("set2").flags.includes(each))).toEqual(
      ["PROMISC", "ALLMULTI", "UP"].filter((each) => each !== flag),
    );
  });

  test("the alias goes by an empty text", () => {
    using tun = openTun({ name: "set3", alias: "short" });
    expect(tun.info().alias).toBe("short");
    tun.setAlias("");
    expect(tun.info().alias).toBeUndefined();
    expect(shownLink("set3").ifalias).toBeUndefined();
  });

  test.each(kinds)("setCarrier() of a $kind is info().carrier, and so is what ip sets", async ({ open }) => {
    using device = open({ name: "set4", up: true });
    const expectCarrier = async (carrier: boolean): Promise<void> => {
      expect(device.info().carrier).toBe(carrier);
      // This flag is of the operational state, which Linux 5.10 and 6.1 change in a work queue.
      await until(() => shownLink("set4").flags.includes("NO-CARRIER") !== carrier, `ip shows ${carrier}`);
    };
    await expectCarrier(true);
    device.setCarrier(false);
    await expectCarrier(false);
    run("ip", "link", "set", "dev", "set4", "carrier", "on");
    await expectCarrier(true);
    run("ip", "link", "set", "dev", "set4", "carrier", "off");
    await expectCarrier(false);
    device.setCarrier(true);
    await expectCarrier(true);
  });

  test.each([
    { call: (device: AnyDevice) => device.setAlias("ä".repeat(128)), error: RangeError, says: "255 bytes" },
    { call: (device: AnyDevice) => device.setAlias("a\0b"), error: TypeError, says: "NUL" },
    { call: (device: AnyDevice) => device.setAlias(5 as never), error: TypeError, says: "got 5" },
    { call: (device: AnyDevice) => device.setPromiscuous(1 as never), error: TypeError, says: '"promiscuous"' },
    { call: (device: AnyDevice) => device.setAllMulticast("" as never), error: TypeError, says: '"allMulticast"' },
    { call: (device: AnyDevice) => device.setMulticast(null as never), error: TypeError, says: '"multicast"' },
    { call: (device: AnyDevice) => device.setIPv6(0 as never), error: TypeError, says: '"ipv6"' },
    { call: (device: AnyDevice) => device.setCarrier(1 as never), error: TypeError, says: '"carrier"' },
    { call: (device: AnyDevice) => device.setOwner(-1), error: RangeError, says: '"owner" must be 0 to 4294967294' },
    { call: (device: AnyDevice) => device.setGroup(2 ** 32 - 1), error: RangeError, says: '"group"' },
    { call: (device: AnyDevice) => device.setOwner("root" as never), error: TypeError, says: 'got "root"' },
    { call: (device: AnyDevice) => device.setMaster(""), error: RangeError, says: '"master"' },
    { call: (device: AnyDevice) => device.setMaster(0), error: RangeError, says: '"master"' },
    { call: (device: AnyDevice) => device.setMaster(undefined as never), error: TypeError, says: '"master"' },
    {
      call: (device: AnyDevice) => device.addAddress("192.0.2.1/24", { untilUsabel: true } as never),
      error: TypeError,
      says: 'Unknown option "untilUsabel", did you mean "untilUsable"? Known are signal, untilUsable',
    },
    { call: (device: AnyDevice) => device.changes({ signal: 5 as never }), error: TypeError, says: "an AbortSignal" },
    { call: (device: AnyDevice) => device.setPersist(true, { owner: 5 } as never), error: TypeError, says: '"owner"' },
    { call: (device: AnyDevice) => device.openQueue({ name: "q" } as never), error: TypeError, says: '"name"' },
    {
      call: (device: AnyDevice) => (device as Tap).setTxFilter([], { multicast: true } as never),
      error: TypeError,
      says: '"multicast"',
    },
  ])("what cannot be meant is refused, and says $says", ({ call, error, says }) => {
    using tap = openTap({ name: "set5" });
    const before = tap.info();
    expect(() => call(tap)).toThrow(error);
    expect(() => call(tap)).toThrow(says);
    expect(tap.info()).toEqual(before);
  });
});

describePrivileged("master", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  test("a TAP becomes a port of a bridge by name or index, as an option or later, and stops being one", () => {
    using _bridge = bridge("br0");
    using _other = bridge("br1");
    const [first, second] = [shownLink("br0").ifindex, shownLink("br1").ifindex];
    using tap = openTap({ name: "port0", master: "br0" });
    const seen = (): unknown[] => [tap.info().master, shownLink("port0").master];
    expect(seen()).toEqual([first, "br0"]);
    tap.setMaster(second);
    expect(seen()).toEqual([second, "br1"]);
    tap.setMaster(null);
    expect(seen()).toEqual([undefined, undefined]);
    tap.setMaster(null);
    run("ip", "link", "set", "port0", "master", "br0");
    expect(seen()).toEqual([first, "br0"]);
    run("ip", "link", "set", "port0", "nomaster");
    expect(seen()).toEqual([undefined, undefined]);
    using byIndex = openTap({ name: "port1", master: first });
    expect(byIndex.info()).toMatchObject({ master: first });
    expect(byIndex.info()).toMatchObject(infoByIp(shownLink("port1")));
  });

  test("master: null takes a persistent TAP out of its bridge", () => {
    using _bridge = bridge("br0");
    using _made = persistentInterface("port2", "tap");
    run("ip", "link", "set", "port2", "master", "br0");
    using tap = openTap({ name: "port2", master: null });
    expect([tap.info().master, shownLink("port2").master]).toEqual([undefined, undefined]);
  });

  test("frames pass from port to port", async () => {
    using _bridge = bridge("br0");
    using left = openTap({ master: "br0", up: true });
    using right = openTap({ master: "br0", up: true });
    const frame = Uint8Array.fromHex(`ffffffffffff02005e00530188b5${"00".repeat(46)}`);
    left.send(frame);
    for (let frames = 0; frames < 100; frames++) {
      const received = await right.receive({ signal: soon() });
      if (received?.toHex() === frame.toHex()) return;
    }
    throw new Error("Not among 100 frames");
  });

  test("a name without an interface: ENODEV, with a hint how to make a bridge", async () => {
    using tap = openTap({ name: "port3" });
    const later = await leavingNothing(() => refusal(() => tap.setMaster("nobr0")));
    const opening = await leavingNothing(() => refusal(() => openTap({ master: "nobr0" })));
    for (const error of [later, opening]) {
      expect(error).toMatchObject({ code: "ENODEV", errno: -19 });
      expect(error.hint).toContain("ip link add nobr0 type bridge");
    }
    expect(opening.option).toBe("master");
    expect(opening.message).toContain("option master");
  });

  test.each([
    { what: "a TUN into a bridge", open: openTun, master: "br0", code: "EINVAL" },
    { what: "a TAP into what is no bridge", open: openTap, master: "lo", code: "EOPNOTSUPP" },
    { what: "an index that nobody has", open: openTap, master: 99_999, code: "EINVAL" },
  ])("$what: $code that says what to do", async ({ open, master, code }) => {
    using _bridge = bridge("br0");
    using device = open({ name: "port4" });
    const error = await leavingNothing(() => refusal(() => device.setMaster(master)));
    expect(error).toMatchObject({ code, syscall: "netlink(RTM_NEWLINK)", detail: `master ${master}` });
    expect(error.hint).toBeString();
    expect(await leavingNothing(() => refusal(() => open({ master })))).toMatchObject({ code, option: "master" });
  });

  test.each(kinds)("sendBuffer is what the kernel has of a $kind, whose own is the largest", ({ open }) => {
    using usual = open({ name: "buffer0" });
    using small = open({ name: "buffer1", sendBuffer: 30_000 });
    expect([usual, small].map(({ fd }) => getSndbuf(fd))).toEqual([0x7fff_ffff, 30_000]);
  });
});
