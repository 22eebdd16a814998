import { beforeAll, expect, test } from "bun:test";
import { type Device, openTap, openTun, type Route, type RouteSettings } from "../../src/index.ts";
import { leavingNothing, refusal, warmUp, withQuietIPv6 } from "../device/support.ts";
import { describePrivileged } from "../support/privilege.ts";
import { run } from "../support/system.ts";
import { kinds, routesByIp } from "./support.ts";

interface Row {
  readonly given: string | RouteSettings;
  /** The same for `ip route add`; without a protocol that would be "boot". */
  readonly ip: string;
  readonly family?: 6;
}

/** The gateways are on networks of these. */
const addresses = ["192.0.2.1/24", { address: "2001:db8::1/64", noDad: true }];

const rows: readonly Row[] = [
  { given: "198.51.100.0/24", ip: "198.51.100.0/24" },
  { given: "198.51.100.7", ip: "198.51.100.7" },
  { given: { to: "198.51.100.0/25", scope: "host" }, ip: "198.51.100.0/25 scope host" },
  { given: { to: "198.51.100.0/25", scope: "global" }, ip: "198.51.100.0/25 scope global" },
  { given: { to: "198.51.100.0/26", via: "192.0.2.2" }, ip: "198.51.100.0/26 via 192.0.2.2" },
  { given: { to: "198.51.100.0/27", via: "2001:db8::2" }, ip: "198.51.100.0/27 via inet6 2001:db8::2" },
  { given: { to: "198.51.100.0/27", metric: 7 }, ip: "198.51.100.0/27 metric 7" },
  { given: { to: "198.51.100.0/27", metric: 4294967295 }, ip: "198.51.100.0/27 metric 4294967295" },
  { given: { to: "198.51.100.0/28", table: 100 }, ip: "198.51.100.0/28 table 100" },
  { given: { to: "198.51.100.0/28", table: 1000 }, ip: "198.51.100.0/28 table 1000" },
  { given: { to: "198.51.100.0/28", table: 4294967295 }, ip: "198.51.100.0/28 table 4294967295" },
  { given: { to: "198.51.100.0/29", source: "192.0.2.1" }, ip: "198.51.100.0/29 src 192.0.2.1" },
  { given: { to: "198.51.100.0/30", via: "203.0.113.1", onLink: true }, ip: "198.51.100.0/30 via 203.0.113.1 onlink" },
  { given: { to: "198.51.100.0/31", mtu: 1300, advmss: 1200 }, ip: "198.51.100.0/31 mtu 1300 advmss 1200" },
  { given: "default", ip: "default" },
  { given: "0.0.0.0/0", ip: "0.0.0.0/0" },
  {
    given: { to: "default", via: "192.0.2.2", metric: 5, table: 1000, source: "192.0.2.1", mtu: 1400, advmss: 1300 },
    ip: "default via 192.0.2.2 metric 5 table 1000 src 192.0.2.1 mtu 1400 advmss 1300",
  },
  { given: "2001:db8:1::/48", ip: "2001:db8:1::/48", family: 6 },
  { given: "2001:DB8:1:0::1", ip: "2001:db8:1::1", family: 6 },
  { given: { to: "2001:db8:1::/49", via: "2001:db8::2" }, ip: "2001:db8:1::/49 via 2001:db8::2", family: 6 },
  { given: { to: "2001:db8:1::/49", via: "fe80::2" }, ip: "2001:db8:1::/49 via fe80::2", family: 6 },
  { given: { to: "2001:db8:1::/50", metric: 7 }, ip: "2001:db8:1::/50 metric 7", family: 6 },
  { given: { to: "2001:db8:1::/51", table: 1000 }, ip: "2001:db8:1::/51 table 1000", family: 6 },
  { given: { to: "2001:db8:1::/52", source: "2001:db8::1" }, ip: "2001:db8:1::/52 src 2001:db8::1", family: 6 },
  {
    given: { to: "2001:db8:1::/53", via: "2001:db8:9::1", onLink: true },
    ip: "2001:db8:1::/53 via 2001:db8:9::1 onlink",
    family: 6,
  },
  { given: { to: "2001:db8:1::/54", mtu: 1300, advmss: 1200 }, ip: "2001:db8:1::/54 mtu 1300 advmss 1200", family: 6 },
  { given: "::/0", ip: "default", family: 6 },
  { given: { to: "default", via: "2001:db8::2" }, ip: "default via 2001:db8::2", family: 6 },
];

const describe = ({ given }: Row): string => (typeof given === "string" ? given : JSON.stringify(given));

/** Routes that nobody asked for: those to the networks of addresses. */
const made = (device: Device): Route[] => device.routes().filter(({ protocol }) => protocol !== "kernel");

function addByIp({ name }: Device, { ip, family = 4 as never }: Row, protocol = "static"): void {
  run("ip", `-${family}`, "route", "add", ...ip.split(" "), "dev", name, "protocol", protocol);
}

describePrivileged("a route", () => {
  withQuietIPv6();

  test.each(rows.map((row) => ({ ...row, text: describe(row) })))(
    "$text: as an option, added later, and by ip, is the same to ip and to routes(), and goes again",
    (row) => {
      const { given } = row;
      const found: Route[][] = [];
      for (const how of ["option", "later", "ip"]) {
        // One after the other: a route is there once in a table.
        using tun = openTun({ name: "route0", addresses, routes: how === "option" ? [given] : [] });
        if (how === "later") tun.addRoute(given);
        if (how === "ip") addByIp(tun, row);
        expect(tun.routes()).toEqual(routesByIp("route0"));
        found.push(made(tun));
        for (const route of made(tun)) tun.removeRoute(route);
        expect(routesByIp("route0").filter(({ protocol }) => protocol !== "kernel")).toEqual([]);
      }
      expect(found[0]).toHaveLength(1);
      const { to, ...more } = typeof given === "string" ? { to: given } : given;
      expect(found[0]?.[0]).toMatchObject(more);
      expect(found).toEqual([found[0], found[0], found[0]] as Route[][]);
    },
  );

  test.each(kinds)("all of them together through a $kind are what ip shows, in its order", ({ open }) => {
    using device = open({ addresses });
    for (const [i, row] of rows.entries()) {
      const metric = typeof row.given === "string" || row.given.metric === undefined ? { metric: 1000 + i } : {};
      device.addRoute({ ...(typeof row.given === "string" ? { to: row.given } : row.given), ...metric });
    }
    expect(made(device)).toHaveLength(rows.length);
    expect(device.routes()).toEqual(routesByIp(device.name));
    // Each fed back removes itself, and no other.
    for (const route of made(device)) {
      const others = device.routes().filter((each) => !Bun.deepEquals(each, route));
      device.removeRoute(route);
      expect(device.routes()).toEqual(others);
    }
    expect(device.routes()).toEqual(routesByIp(device.name));
  });

  test("removeRoute() of what routes() tells removes exactly that one of those to the same network", () => {
    using tap = openTap({ addresses });
    const to = "198.51.100.0/24";
    const alike: RouteSettings[] = [
      { to },
      { to, metric: 5 },
      { to, metric: 6, via: "192.0.2.2" },
      { to, metric: 6, via: "192.0.2.3", table: 1000 },
      { to, metric: 7, mtu: 1300 },
      { to, table: 1000 },
    ];
    for (const route of alike) tap.addRoute(route);
    const all = tap.routes();
    const ours = made(tap);
    expect(ours).toHaveLength(alike.length);
    for (const route of ours) {
      tap.removeRoute(route);
      expect(routesByIp(tap.name)).toEqual(all.filter((each) => !Bun.deepEquals(each, route)));
      tap.addRoute(route);
    }
  });

  test("removeRoute() of a destination alone removes the first, whoever made it", () => {
    using tun = openTun({ addresses });
    for (const protocol of ["boot", "static", "kernel", "dhcp", "77"]) {
      addByIp(tun, { given: "", ip: "198.51.100.0/24" }, protocol);
      const [route] = tun.routes().filter(({ to }) => to === "198.51.100.0/24");
      expect(route?.protocol).toBe((protocol === "77" ? 77 : protocol) as "boot");
      tun.removeRoute("198.51.100.0/24");
      expect(routesByIp(tun.name).filter(({ to }) => to === "198.51.100.0/24")).toEqual([]);
    }
    addByIp(tun, { given: "", ip: "198.51.100.0/24 metric 1" });
    addByIp(tun, { given: "", ip: "198.51.100.0/24 metric 2" });
    tun.removeRoute("198.51.100.0/24");
    expect(made(tun).map(({ metric }) => metric)).toEqual([2]);
  });

  test("routes() is of this interface alone, and of every size of list", () => {
    using tun = openTun({ up: true });
    using other = openTun({ addresses: ["192.0.2.1/24"], routes: ["203.0.113.0/24"] });
    const four = Array.from({ length: 500 }, (_, i) => `198.51.${i >> 8}.${i & 0xff}/32`);
    const six = Array.from({ length: 500 }, (_, i) => `2001:db8:${(i + 1).toString(16)}::/48`);
    for (const to of [...four, ...six]) tun.addRoute(to);
    const listed = tun.routes();
    expect(listed).toHaveLength(1000);
    expect(listed).toEqual(routesByIp(tun.name));
    expect(new Set(listed.map(({ to }) => to))).toEqual(new Set([...four, ...six]));
    expect(other.routes().map(({ to }) => to)).toEqual(["192.0.2.0/24", "203.0.113.0/24"]);
  });

  test("routes() has neither those of other types nor those with several next hops", () => {
    using tun = openTun({ addresses });
    const before = tun.routes();
    for (const [i, type] of ["local", "broadcast", "multicast"].entries())
      run("ip", "route", "add", type, `198.51.100.${i}`, "dev", tun.name, "table", "7");
    const hop = (via: string): string[] => ["nexthop", "via", via, "dev", tun.name];
    run("ip", "route", "add", "198.51.100.0/24", ...hop("192.0.2.2"), ...hop("192.0.2.3"));
    run("ip", "route", "add", "2001:db8:1::/48", ...hop("2001:db8::2"), ...hop("2001:db8::3"));
    run("ip", "route", "add", "unreachable", "198.51.100.128/25");
    try {
      expect(tun.routes()).toEqual(before);
    } finally {
      run("ip", "route", "delete", "unreachable", "198.51.100.128/25");
    }
  });

  test("a route is what the kernel goes by", () => {
    using _tun = openTun({
      name: "via0",
      addresses,
      routes: [{ to: "198.51.100.0/24", via: "192.0.2.2", source: "192.0.2.1" }],
    });
    expect(run("ip", "route", "get", "198.51.100.9")).toContain("198.51.100.9 via 192.0.2.2 dev via0 src 192.0.2.1");
  });
});

describePrivileged("a route that cannot be", () => {
  withQuietIPv6();
  beforeAll(warmUp);

  const free = "198.51.100.0/24";
  test.each([
    { what: "is there", given: "203.0.113.0/24", code: "EEXIST", hint: "`metric`" },
    { what: "is there (IPv6)", given: "2001:db8:7::/48", code: "EEXIST", hint: "`metric`" },
    {
      what: "has a gateway elsewhere",
      given: { to: free, via: "203.0.114.1" },
      code: "ENETUNREACH",
      hint: "prefix length",
    },
    {
      what: "has a gateway elsewhere (IPv6)",
      given: { to: "2001:db8:8::/48", via: "2001:db8:9::1" },
      code: "EHOSTUNREACH",
      hint: "onLink",
    },
    {
      what: "has an IPv6 gateway elsewhere",
      given: { to: free, via: "2001:db8:9::1" },
      code: "EHOSTUNREACH",
      hint: "onLink",
    },
    { what: "has a source of somebody else", given: { to: free, source: "192.0.2.77" }, code: "EINVAL" },
    {
      what: "has a source of somebody else (IPv6)",
      given: { to: "2001:db8:8::/48", source: "2001:db8::77" },
      code: "EINVAL",
    },
  ] as { what: string; given: string | RouteSettings; code: string; hint?: string }[])(
    "as it $what: $code, in the kernel's words or ours, and the option is named",
    async ({ given, code, hint }) => {
      using tun = openTun({ name: "bad0", addresses, routes: ["203.0.113.0/24", "2001:db8:7::/48"] });
      const later = await leavingNothing(() => refusal(() => tun.addRoute(given)));
      const to = typeof given === "string" ? given : given.to;
      expect(later).toMatchObject({ code, syscall: "netlink(RTM_NEWROUTE)", option: undefined });
      expect(later.message).toContain(to);
      if (hint !== undefined) expect(later.hint).toContain(hint);
      // What ip says of the same is in it.
      const { via = "", source = "" } = typeof given === "string" ? {} : given;
      const gateway = via === "" ? [] : ["via", ...(via.includes(":") && !to.includes(":") ? ["inet6", via] : [via])];
      const { stderr } = Bun.spawnSync([
        "ip",
        "route",
        "add",
        to,
        ...gateway,
        ...(source ? ["src", source] : []),
        "dev",
        "bad0",
      ]);
      const words = /^Error: (.*)\.$/m.exec(`${stderr}`)?.[1];
      if (words !== undefined) expect(later.detail).toContain(words);
      expect(later.hint ?? words).toBeString();
      tun.close();
      const opening = await leavingNothing(() =>
        refusal(() => openTun({ addresses, routes: ["203.0.113.0/24", "2001:db8:7::/48", given] })),
      );
      expect(opening).toMatchObject({ code, option: "routes[2]" });
      expect(opening.message).toContain("option routes[2]");
    },
  );

  test("as it is not there: ESRCH, and what to ask", async () => {
    using tun = openTun({ addresses, routes: [{ to: free, via: "192.0.2.2", metric: 5 }] });
    const absent = [
      "203.0.113.0/24",
      "198.51.100.0/25",
      "2001:db8:1::/48",
      { to: free, metric: 6 },
      { to: free, via: "192.0.2.3" },
      { to: free, table: 1000 },
      { to: free, source: "192.0.2.1" },
      { to: free, scope: "host" as const },
    ];
    for (const route of absent) {
      const error = await leavingNothing(() => refusal(() => tun.removeRoute(route)));
      expect(error).toMatchObject({ code: "ESRCH", errno: -3, syscall: "netlink(RTM_DELROUTE)" });
      expect(error.hint).toContain("routes()");
    }
  });

  test.each([free, "2001:db8:1::/48"])("%s while the interface is down: ENETDOWN, and to call up()", async (to) => {
    using tun = openTun();
    const error = await leavingNothing(() => refusal(() => tun.addRoute(to)));
    expect(error).toMatchObject({ code: "ENETDOWN", errno: -100 });
    expect(error.hint).toContain("up()");
    expect(error.detail).toContain("not up");
    const opening = await leavingNothing(() => refusal(() => openTun({ up: false, routes: [to] })));
    expect(opening).toMatchObject({ code: "ENETDOWN", option: "routes[0]" });
  });

  test("IPv6 where the MTU is too small for it, and where it is switched off: what stands in the way", () => {
    using small = openTun({ mtu: 1000, up: true });
    expect(refusal(() => small.addRoute("2001:db8:1::/48"))).toMatchObject({
      code: "ENODEV",
      hint: expect.stringContaining("MTU is below 1280"),
    });
    using off = openTun({ name: "off0", up: true });
    run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/off0/disable_ipv6");
    expect(refusal(() => off.addRoute("2001:db8:1::/48")).message).toContain("IPv6 is disabled");
  });

  test.each([
    [{ to: free, metrik: 5 }, TypeError, 'A route has no "metrik", did you mean "metric"? Known are to, via, metric'],
    [{ to: free, onLink: 1 }, TypeError, "`onLink` must be true or false, got 1"],
    [{ via: "192.0.2.2" }, TypeError, "A route must be text"],
    [{ to: "198.51.100.9/24" }, RangeError, 'for the network give "198.51.100.0/24"'],
    [{ to: free, via: "192.0.2.2/24" }, RangeError, "without prefix length as `via`"],
    [{ to: "2001:db8:1::/48", via: "192.0.2.2" }, RangeError, "IPv6 address"],
    [{ to: free, source: "2001:db8::1" }, RangeError, "IPv4 address without prefix length as `source`"],
    [{ to: free, table: 0 }, RangeError, "`table` must be a whole number from 1"],
    [{ to: free, mtu: 67 }, RangeError, "`mtu` must be a whole number from 68"],
    [{ to: free, scope: "universe" }, RangeError, "`scope`"],
  ])("%j is refused by every call, and nothing is done", async (route, error, says) => {
    using tun = openTun({ addresses });
    await leavingNothing(() => {
      for (const call of ["addRoute", "removeRoute"] as const) {
        expect(() => tun[call](route as never)).toThrow(error);
        expect(() => tun[call](route as never)).toThrow(says);
      }
      expect(() => openTun({ routes: [route as never] })).toThrow(error);
    });
  });
});
