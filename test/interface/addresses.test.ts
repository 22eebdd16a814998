import { beforeAll, expect, test } from "bun:test";
import { type Address, type AddressSettings, openTap, openTun } from "../../src/index.ts";
import { leavingNothing, persistentInterface, ping, refusal, warmUp, withQuietIPv6 } from "../device/support.ts";
import { describePrivileged } from "../support/privilege.ts";
import { run, until } from "../support/system.ts";
import { addressesAgree, addressesByIp, ipJson } from "./support.ts";

interface Row {
  readonly given: AddressSettings;
  /** The same for `ip address add`. */
  readonly ip: string;
  /** What addresses() has beside. */
  readonly also?: { readonly [K in keyof Address]?: Address[K] | undefined };
}

const rows: readonly Row[] = [
  { given: { address: "192.0.2.1/24" }, ip: "192.0.2.1/24" },
  { given: { address: "192.0.2.2" }, ip: "192.0.2.2", also: { address: "192.0.2.2/32" } },
  { given: { address: "192.0.2.3/31", peer: "192.0.2.4" }, ip: "192.0.2.3 peer 192.0.2.4/31" },
  { given: { address: "192.0.2.9/29", broadcast: "192.0.2.15" }, ip: "192.0.2.9/29 broadcast +" },
  { given: { address: "192.0.2.17/29", broadcast: "192.0.2.16" }, ip: "192.0.2.17/29 broadcast 192.0.2.16" },
  ...(["site", "link", "host"] as const).map((scope) => ({
    given: { address: "192.0.2.33/28", scope },
    ip: `192.0.2.33/28 scope ${scope}`,
  })),
  { given: { address: "192.0.2.49/28", scope: 100 }, ip: "192.0.2.49/28 scope 100" },
  {
    given: { address: "192.0.2.65/28", validLifetime: 5000 },
    ip: "192.0.2.65/28 valid_lft 5000 preferred_lft 5000",
    also: { preferredLifetime: 5000 },
  },
  {
    given: { address: "192.0.2.66/28", validLifetime: 5000, preferredLifetime: 4000 },
    ip: "192.0.2.66/28 valid_lft 5000 preferred_lft 4000",
  },
  {
    given: { address: "192.0.2.67/28", preferredLifetime: 0 },
    ip: "192.0.2.67/28 preferred_lft 0",
    // The kernel tells no lifetimes of an IPv4 address that stays for ever (net/ipv4/devinet.c inet_fill_ifaddr()).
    also: { deprecated: true, preferredLifetime: undefined },
  },
  { given: { address: "192.0.2.97/28", noPrefixRoute: true }, ip: "192.0.2.97/28 noprefixroute" },
  { given: { address: "2001:db8::1/64" }, ip: "2001:db8::1/64" },
  { given: { address: "2001:db8::2" }, ip: "2001:db8::2", also: { address: "2001:db8::2/128" } },
  { given: { address: "2001:db8::3/127", peer: "2001:db8::2" }, ip: "2001:db8::3 peer 2001:db8::2/127" },
  { given: { address: "2001:db8:1::1/64", noDad: true }, ip: "2001:db8:1::1/64 nodad" },
  { given: { address: "2001:db8:1::2/64", noPrefixRoute: true }, ip: "2001:db8:1::2/64 noprefixroute" },
  {
    given: { address: "2001:db8:1::3/64", validLifetime: 5000, preferredLifetime: 0 },
    ip: "2001:db8:1::3/64 valid_lft 5000 preferred_lft 0",
    also: { deprecated: true },
  },
  {
    given: { address: "2001:db8:1::4/64", validLifetime: 4_000_000_000, preferredLifetime: 5000 },
    ip: "2001:db8:1::4/64 valid_lft 4000000000 preferred_lft 5000",
  },
  { given: { address: "fe80::53/64" }, ip: "fe80::53/64", also: { scope: "link" } },
];

/** Lifetimes tick, and all that are given here are thousands of seconds. */
function rounded(addresses: readonly Address[]): Address[] {
  const near = (seconds: number | undefined): number | undefined => seconds && Math.ceil(seconds / 1000) * 1000;
  return addresses.map((each) => ({
    ...each,
    ...(each.validLifetime === undefined ? {} : { validLifetime: near(each.validLifetime) as number }),
    ...(each.preferredLifetime === undefined ? {} : { preferredLifetime: near(each.preferredLifetime) as number }),
  }));
}

describePrivileged("an address with more to say", () => {
  withQuietIPv6();

  test.each(rows.map((row) => ({ ...row, text: row.ip })))(
    "$text: as an option, added later, and by ip, is the same to ip and to addresses()",
    async ({ given, ip, also }) => {
      using asOption = openTun({ addresses: [given] });
      using later = openTun({ up: true });
      using byIp = openTun({ up: true });
      later.addAddress(given);
      run("ip", "address", "add", ...ip.split(" "), "dev", byIp.name);
      const expected = { family: given.address.includes(":") ? 6 : 4, scope: "global", ...given, ...also } as Address;
      for (const device of [asOption, later, byIp]) {
        expect(rounded(await addressesAgree(device))).toEqual([expected]);
      }
    },
  );

  test("addresses() feeds back to removeAddress() and addAddress(), whatever it has", async () => {
    using tun = openTun({ up: true });
    // Of an IPv4 address that stays for ever and is deprecated the kernel does not say that it has a lifetime.
    for (const { ip } of rows.filter(({ given }) => given.address !== "192.0.2.67/28")) {
      const local = ip.split(/[ /]/)[0] as string;
      if (!addressesByIp(tun.name).some(({ address }) => address.startsWith(`${local}/`))) {
        run("ip", "address", "add", ...ip.split(" "), "dev", tun.name);
      }
    }
    const before = await addressesAgree(tun);
    expect(before.length).toBeGreaterThan(15);
    // The last first: an IPv4 address takes its secondary ones with it.
    for (const address of before.toReversed()) tun.removeAddress(address);
    expect(addressesByIp(tun.name)).toEqual([]);
    for (const address of before) tun.addAddress(address);
    // ip lists IPv6 addresses by scope.
    const sorted = (list: Address[]): Address[] => rounded(list).sort((a, b) => a.address.localeCompare(b.address));
    expect(sorted(await addressesAgree(tun))).toEqual(sorted(before));
  });

  test("an address is deprecated when it is no more preferred, and goes when its lifetime ends", async () => {
    using tun = openTun();
    const given = ["192.0.2.1/24", "2001:db8::1/64"];
    for (const address of given) tun.addAddress({ address, validLifetime: 1000, preferredLifetime: 1 });
    await until(() => addressesByIp(tun.name).filter(({ deprecated }) => deprecated).length === 2, "deprecation");
    expect(tun.addresses().map(({ deprecated }) => deprecated)).toEqual([true, true]);
    for (const address of given) tun.replaceAddress({ address, validLifetime: 1, preferredLifetime: 0 });
    await until(() => addressesByIp(tun.name).length === 0, "the end");
    expect(tun.addresses()).toEqual([]);
  });

  test("noPrefixRoute: there is no route to its network; without it there is", () => {
    using tun = openTun({ addresses: [{ address: "192.0.2.1/24", noPrefixRoute: true }, "198.51.100.1/24"] });
    tun.addAddress({ address: "2001:db8:1::1/64", noPrefixRoute: true });
    tun.addAddress("2001:db8:2::1/64");
    const routes = ["-4", "-6"].flatMap((family) => ipJson<{ dst: string }>(`${family} route show dev ${tun.name}`));
    expect(routes.map(({ dst }) => dst)).toEqual(["198.51.100.0/24", "2001:db8:2::/64"]);
  });

  test("noDad: a TAP's address is usable at once; without it it is tentative", () => {
    using tap = openTap({ up: true });
    tap.addAddress({ address: "2001:db8::1/64", noDad: true });
    tap.addAddress("2001:db8::2/64");
    const tentative = (list: Address[]): unknown => list.map(({ address, tentative }) => [address, tentative]).sort();
    const expected = [
      ["2001:db8::1/64", undefined],
      ["2001:db8::2/64", true],
    ];
    expect(tentative(tap.addresses())).toEqual(expected);
    expect(tentative(addressesByIp(tap.name))).toEqual(expected);
  });

  test("a peer is reached over the interface", async () => {
    using tun = openTun({ addresses: [{ address: "192.0.2.1", peer: "192.0.2.2" }] });
    expect(ipJson<{ dev: string }>("route get 192.0.2.2")[0]?.dev).toBe(tun.name);
    await ping(tun);
  });
});

describePrivileged("replaceAddress()", () => {
  withQuietIPv6();

  test.each(["192.0.2.1/24", "2001:db8::1/64"])("%s: adds it where it is not there", async (address) => {
    using tun = openTun({ up: true });
    tun.replaceAddress({ address, validLifetime: 5000 });
    expect(rounded(await addressesAgree(tun))).toMatchObject([{ address, validLifetime: 5000 }]);
  });

  test.each(["192.0.2.1/24", "2001:db8::1/64"])(
    "%s: changes its lifetimes in place, there and back",
    async (address) => {
      using tun = openTun({ addresses: [address, "192.0.2.77/24"] });
      const routes = tun.routes();
      const steps: [Omit<AddressSettings, "address">, Partial<Address>][] = [
        [
          { validLifetime: 5000, preferredLifetime: 0 },
          { validLifetime: 5000, preferredLifetime: 0, deprecated: true },
        ],
        [{ validLifetime: 6000 }, { validLifetime: 6000, preferredLifetime: 6000 }],
        [{}, {}],
      ];
      for (const [change, expected] of steps) {
        tun.replaceAddress({ address, ...change });
        const { family, scope, ...found } =
          rounded(await addressesAgree(tun)).find((each) => each.address === address) ?? {};
        expect(found).toEqual({ address, ...expected });
        expect(tun.addresses()).toHaveLength(2);
      }
      expect(tun.routes().map(({ to }) => to)).toEqual(routes.map(({ to }) => to));
    },
  );

  test("2001:db8::1/64: changes its flags in place", async () => {
    using tap = openTap({ addresses: [{ address: "2001:db8::1/64", noDad: true }] });
    const routes = (): unknown[] =>
      ipJson(`-6 route show dev ${tap.name}`).filter(({ dst }) => dst === "2001:db8::/64");
    expect(routes()).toHaveLength(1);
    tap.replaceAddress({ address: "2001:db8::1/64", noDad: true, noPrefixRoute: true });
    expect(await addressesAgree(tap)).toMatchObject([{ noDad: true, noPrefixRoute: true }]);
    expect(routes()).toHaveLength(0);
    tap.replaceAddress({ address: "2001:db8::1/64", noDad: true });
    expect(await addressesAgree(tap)).toMatchObject([{ noDad: true }]);
    expect(routes()).toHaveLength(1);
  });

  test.each<[before: AddressSettings, after: AddressSettings, kept: string]>([
    [
      { address: "192.0.2.1/24", broadcast: "192.0.2.255" },
      { address: "192.0.2.1/24", broadcast: "192.0.2.127" },
      "broadcast",
    ],
    [{ address: "192.0.2.1/24" }, { address: "192.0.2.1/24", scope: "link" }, "scope"],
    [{ address: "192.0.2.1/24", scope: 253 }, { address: "192.0.2.1/24", scope: "global" }, "scope"],
    [{ address: "192.0.2.1/24" }, { address: "192.0.2.1/24", noPrefixRoute: true }, "noPrefixRoute"],
    [{ address: "192.0.2.1/24", peer: "192.0.2.2" }, { address: "192.0.2.1/24", peer: "192.0.2.3" }, "peer"],
    [{ address: "2001:db8::1/64" }, { address: "2001:db8::1/128" }, "prefix length"],
  ])("what the kernel leaves as it is, without a word, is an error: %j to %j", async (before, after, kept) => {
    using tun = openTun({ addresses: [before] });
    const addresses = await addressesAgree(tun);
    const error = refusal(() => tun.replaceAddress(after));
    expect(error).toMatchObject({ code: "EEXIST", hint: expect.stringContaining("removeAddress()") });
    expect(error.message).toContain(kept);
    expect(await addressesAgree(tun)).toEqual(addresses);
    // One that is not to change may be given.
    tun.replaceAddress(before);
  });

  test("2001:db8::1: gets another peer in place", async () => {
    using tun = openTun({ addresses: [{ address: "2001:db8::1", peer: "2001:db8::2" }] });
    tun.replaceAddress({ address: "2001:db8::1", peer: "2001:db8::3" });
    expect(await addressesAgree(tun)).toMatchObject([{ address: "2001:db8::1/128", peer: "2001:db8::3" }]);
  });

  test("of what addresses() has changes nothing", async () => {
    using _made = persistentInterface("repl0", "tun");
    for (const { ip } of rows.filter(({ ip }) => /valid_lft|noprefix/.test(ip))) {
      run("ip", "address", "add", ...ip.split(" "), "dev", "repl0");
    }
    using tun = openTun({ name: "repl0", up: true });
    const before = await addressesAgree(tun);
    for (const address of before) tun.replaceAddress(address);
    expect(rounded(await addressesAgree(tun))).toEqual(rounded(before));
  });
});

describePrivileged("an address that cannot be meant", () => {
  withQuietIPv6();
  beforeAll(warmUp);
  const wrong: [AddressSettings | object, new (text: string) => Error, string][] = [
    [{ address: "192.0.2.1/24", prefix: 24 }, TypeError, 'no "prefix": known are address, peer, broadcast'],
    [{ address: "192.0.2.1/24", nodad: true }, TypeError, 'no "nodad"'],
    [{ address: "192.0.2.1/24", noDad: 1 }, TypeError, "`noDad` must be true or false, got 1"],
    [{ address: "192.0.2.1/24", validLifetime: 0 }, RangeError, "`validLifetime`"],
    [{ address: "192.0.2.1/24", validLifetime: 1.5 }, RangeError, "got 1.5"],
    [{ address: "192.0.2.1/24", validLifetime: "forever" }, RangeError, "`validLifetime`"],
    [{ address: "192.0.2.1/24", preferredLifetime: -1 }, RangeError, "`preferredLifetime`"],
    [{ address: "192.0.2.1/24", validLifetime: 10, preferredLifetime: 11 }, RangeError, "at most `validLifetime`"],
    [{ address: "192.0.2.1/24", scope: "world" }, RangeError, "`scope` must be"],
    [{ address: "192.0.2.1/24", scope: 256 }, RangeError, "256"],
    [
      { address: "192.0.2.1/24", broadcast: "2001:db8::1" },
      RangeError,
      "IPv4 address without prefix length as `broadcast`",
    ],
    [{ address: "2001:db8::1/64", broadcast: "192.0.2.255" }, RangeError, "IPv6 has no broadcast"],
    [{ address: "192.0.2.1/24", peer: "192.0.2.2/24" }, RangeError, "`peer`"],
    [{ address: "0.0.0.0/0" }, RangeError, '"0.0.0.0/0" is no address'],
    [{ address: "::" }, RangeError, '"::" is no address'],
  ];

  test.each(wrong)("%j is refused by every call, and nothing is done", async (like, error, says) => {
    using tun = openTun({ addresses: ["192.0.2.1/24"] });
    const given = like as AddressSettings;
    await leavingNothing(() => {
      for (const call of ["addAddress", "replaceAddress", "removeAddress"] as const) {
        expect(() => tun[call](given)).toThrow(error);
        expect(() => tun[call](given)).toThrow(says);
      }
      expect(() => openTun({ addresses: [given] })).toThrow(error);
    });
  });

  test("what the kernel alone refuses: its own words, and the option", async () => {
    const opening = await leavingNothing(() => refusal(() => openTun({ addresses: ["ff02::1/64"] })));
    expect(opening).toMatchObject({ code: "EADDRNOTAVAIL", option: "addresses[0]" });
    expect(opening.message).toContain("ff02::1/64");
    const { stderr } = Bun.spawnSync(["ip", "address", "add", "ff02::1/64", "dev", "lo"]);
    const words = /Error: [^:]*: (.*)\./.exec(`${stderr}`)?.[1];
    if (words !== undefined) expect(opening.message).toContain(words);
  });
});
