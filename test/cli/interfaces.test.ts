/** `create`, `list`, `delete`, `routes`, `rules` and `changes`, beside what `ip` says of the same interfaces. */
import { afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { InterfaceInfo, Route, Rule } from "../../src/index.ts";
import { infoByIp, ipJson, shownLink, shownLinks } from "../interface/support.ts";
import { describeWithTools } from "../support/privilege.ts";
import { runToEnd } from "../support/programs.ts";
import { interfaceNames, newInterfaces, quietIPv6, run } from "../support/system.ts";
import { command, environment, jsonOf, program, Running } from "./support.ts";

setDefaultTimeout(60_000);

const tun = "cli0";
const tap = "cli1";

describeWithTools("interfaces on the command line", ["ip", "unshare"], () => {
  let before: string[];
  beforeAll(() => {
    quietIPv6();
    before = interfaceNames();
  });
  afterEach(() => {
    for (const name of interfaceNames()) if (name.startsWith("cli")) run("ip", "link", "delete", name);
  });

  test("create makes a persistent interface as ip shows it, and prints its name", () => {
    const made = command(["create", tun, "--owner", "nobody", "--address", "192.0.2.1/24", "--mtu", "1400"]);
    expect(made).toMatchObject({ stdout: `${tun}\n`, stderr: "", exitCode: 0 });
    expect(shownLink(tun)).toMatchObject({
      mtu: 1400,
      flags: expect.arrayContaining(["UP"]),
      linkinfo: { info_data: { type: "tun", persist: true, user: "nobody" } },
    });
    expect(ipJson(`address show dev ${tun}`)).toMatchObject([{ addr_info: [{ local: "192.0.2.1", prefixlen: 24 }] }]);
  });

  test("create gives the interface to the user who called sudo", () => {
    expect(command(["create", "--tap", "cli%d"], { SUDO_UID: "65534" })).toMatchObject({
      stdout: "cli0\n",
      exitCode: 0,
    });
    expect(shownLink("cli0").linkinfo?.info_data).toMatchObject({ type: "tap", user: "nobody" });
  });

  test.each([
    { args: [tun], says: "needs --owner, --group or --ownerless" },
    { args: [tun, "--ownerless", "--owner", "0"], says: "--ownerless and an owner or a group exclude each other" },
    {
      args: [tun, "--owner", "no-such-user"],
      says: '--owner must be a name in /etc/passwd or a number, got "no-such-user"',
    },
    { args: [tun, "--ownerless", "--mtu", "67"], says: '--mtu must be a whole number from 68 to 65535, got "67"' },
    { args: [tun, "cli2"], says: 'unexpected argument "cli2"' },
  ])("create $args is a mistake, and makes nothing", ({ args, says }) => {
    const stderr = `bun-tuntap create: ${says}\nSee --help for the options\n`;
    expect(command(["create", ...args])).toMatchObject({ stdout: "", stderr, exitCode: 2 });
    expect(newInterfaces(before)).toEqual([]);
  });

  test("create does not take over an interface that is there", () => {
    expect(command(["create", tun, "--ownerless"]).exitCode).toBe(0);
    const again = command(["create", tun, "--ownerless"]);
    expect(again).toMatchObject({ stdout: "", exitCode: 1 });
    expect(again.stderr).toStartWith(`bun-tuntap create: EBUSY: `);
  });

  test("list --json is what ip shows of each, with its addresses; without, a line each", () => {
    run("ip", "tuntap", "add", "mode", "tun", "name", tun, "user", "54321");
    run("ip", "tuntap", "add", "mode", "tap", "name", tap);
    run("ip", "address", "add", "192.0.2.1/24", "dev", tap);
    const all = jsonOf<(InterfaceInfo & { addresses: { address: string }[] })[]>("list");
    const listed = all.filter(({ name }) => !before.includes(name));
    const wanted = [tun, tap].map((name) => infoByIp(shownLink(name), shownLinks()));
    // What is undefined is not in JSON.
    expect(listed).toMatchObject(JSON.parse(JSON.stringify(wanted)));
    expect(listed.map(({ addresses }) => addresses.map(({ address }) => address))).toEqual([[], ["192.0.2.1/24"]]);

    const { stdout } = command(["list"]);
    expect(stdout).toMatch(/^NAME +KIND .*\n/);
    expect(stdout).toMatch(/\ncli0 +tun +down +1500 +uid 54321 +for ever +- +-\n/);
    expect(stdout).toMatch(/\ncli1 +tap +down +1500 +everybody +for ever +[0-9a-f:]{17} +192\.0\.2\.1\/24\n/);
  });

  test("list where there is none says so on stderr, and is an empty array as JSON", () => {
    const list = ["unshare", "--net", process.execPath, program, "list"];
    const stderr = "There is no TUN or TAP interface here\n";
    expect(runToEnd(list, { env: environment() })).toMatchObject({ stdout: "", stderr, exitCode: 0 });
    expect(runToEnd([...list, "--json"], { env: environment() })).toMatchObject({
      stdout: "[]\n",
      stderr: "",
      exitCode: 0,
    });
  });

  test("delete goes on where it is refused, says why, and ends with 1", () => {
    run("ip", "tuntap", "add", "mode", "tun", "name", tun);
    const { stdout, stderr, exitCode } = command(["delete", "lo", "cli9", tun]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr.split("\n")).toMatchObject([
      expect.stringMatching(/^bun-tuntap delete: EINVAL: "lo" is no TUN\/TAP interface: .*`bun-tuntap list`/),
      expect.stringMatching(/^bun-tuntap delete: ENODEV: no such device \(cli9\).*`bun-tuntap list`/),
      "",
    ]);
    expect(newInterfaces(before)).toEqual([]);
  });

  test("routes lists those of ip, of one interface; an unknown one is a failure", () => {
    run("ip", "tuntap", "add", "mode", "tun", "name", tun);
    run("ip", "address", "add", "192.0.2.1/24", "dev", tun);
    run("ip", "link", "set", tun, "up");
    run("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.2", "metric", "7", "dev", tun);
    run("ip", "route", "add", "203.0.113.0/24", "dev", tun, "table", "99");
    const shown = ipJson<{ dst: string; gateway?: string; metric?: number }>(`route show dev ${tun} table all`)
      .filter((route) => !("type" in route))
      .map(({ dst, gateway, metric }) => `${dst} ${gateway} ${metric}`);
    const listed = jsonOf<Route[]>("routes", tun).map(({ to, via, metric }) => `${to} ${via} ${metric}`);
    expect(shown).toHaveLength(3);
    expect(listed.sort()).toEqual(shown.sort());
    expect(command(["routes", tun]).stdout).toMatch(/\n198\.51\.100\.0\/24 +192\.0\.2\.2 +7 +254 +- +global +boot\n/);
    expect(command(["routes", "cli9"])).toMatchObject({ stdout: "", exitCode: 1 });
    expect(command(["routes"])).toMatchObject({ stderr: expect.stringContaining("needs NAME"), exitCode: 2 });
  });

  test("rules lists those of ip", () => {
    const selector = ["from", "192.0.2.0/24", "fwmark", "5", "table", "99", "priority", "1000"];
    run("ip", "rule", "add", ...selector);
    try {
      const shown = [...ipJson<{ priority: number }>("-4 rule show"), ...ipJson<{ priority: number }>("-6 rule show")];
      expect(jsonOf<Rule[]>("rules").map(({ priority }) => priority)).toEqual(shown.map(({ priority }) => priority));
      expect(command(["rules"]).stdout).toMatch(/\n1000 +IPv4 +from 192\.0\.2\.0\/24 mark 5 +lookup table 99\n/);
    } finally {
      run("ip", "rule", "delete", ...selector);
    }
  });

  describe("changes", () => {
    /** Changes the MTU until the command has told of it, and so listens. */
    async function listening(running: Running): Promise<void> {
      for (let mtu = 1401; !running.stdout.includes("mtu"); mtu = mtu === 1499 ? 1401 : mtu + 1) {
        if (running.hasEnded) throw new Error(await running.stderr());
        run("ip", "link", "set", tun, "mtu", String(mtu));
        await Bun.sleep(20);
      }
    }

    test("come in the order in which ip makes them, until the interface is gone", async () => {
      run("ip", "tuntap", "add", "mode", "tun", "name", tun);
      await using running = Running.start("changes", tun, "--json");
      await listening(running);
      run("ip", "link", "set", tun, "up");
      run("ip", "address", "add", "192.0.2.1/24", "dev", tun);
      run("ip", "link", "set", tun, "down");
      run("ip", "link", "set", tun, "name", "cli7");
      run("ip", "link", "delete", "cli7");
      const { code, stdout, stderr } = await running.ended();
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const told = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { type: string; time: string });
      expect(told.map(({ type }) => type).filter((type) => type !== "mtu")).toEqual([
        ...["up", "address-added", "down", "name", "address-removed", "deleted"],
      ]);
      for (const { time } of told) expect(new Date(time).toISOString()).toBe(time);
    });

    test("end after as many as were asked for, and by Ctrl-C, with 0", async () => {
      run("ip", "tuntap", "add", "mode", "tun", "name", tun);
      await using one = Running.start("changes", tun, "-n", "1");
      await listening(one);
      expect(await one.ended()).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^\S+ mtu \d+\n$/),
        stderr: "",
      });
      await using other = Running.start("changes", tun);
      await listening(other);
      other.signal("SIGINT");
      expect(await other.ended()).toMatchObject({ code: 0, stderr: "" });
    });

    test("of an interface that is not there are a failure", () => {
      expect(command(["changes", "cli9"])).toMatchObject({ stdout: "", exitCode: 1 });
    });
  });
});
