/** `up` and `down` of configuration files, held against what Debian's wg-quick makes of the same file. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { type Host, keys, ours, Rig } from "./rig.ts";

/** Returns what a tunnel leaves in the kernel: addresses, routes and rules, as `ip` shows them. */
function stateOf(host: Host): unknown {
  const json = (...command: string[]): Record<string, unknown>[] =>
    JSON.parse(host.run("ip", "-j", ...command) || "[]");
  const addresses = json("addr", "show").flatMap(({ ifname, addr_info }) =>
    (addr_info as Record<string, unknown>[])
      .map(({ local, prefixlen, scope }) => `${ifname} ${local}/${prefixlen} ${scope}`)
      .filter((address) => !address.includes("fe80::")),
  );
  const routes = ["-4", "-6"].flatMap((family) =>
    json(family, "route", "show", "table", "all")
      .filter(({ type, dst }) => type === undefined && !String(dst).startsWith("fe80"))
      .map(({ dst, dev, table = "main" }) => `${family} ${dst} ${dev} ${table}`),
  );
  const rules = ["-4", "-6"].map((family) => host.run("ip", family, "rule", "show").replaceAll(" proto static", ""));
  const links = json("link", "show").map(
    ({ ifname, mtu, flags }) => `${ifname} ${mtu} ${(flags as string[]).includes("UP")}`,
  );
  return { addresses: addresses.sort(), routes: routes.sort(), rules, links: links.sort() };
}

describeWithTools(
  "a configuration file",
  ["wg", "wg-quick", "wireguard-go", "nft", "nsenter", "unshare", "bash"],
  () => {
    const config = (own: string, peer: string, allowed: string, more = ""): string => `[Interface]
PrivateKey = ${own}
ListenPort = 51820
Address = 198.51.100.1/24, 2001:db8:2::1/64
MTU = 1400
${more}
[Peer]
PublicKey = ${peer}
AllowedIPs = ${allowed}
Endpoint = 192.0.2.2:51820
PersistentKeepalive = 25
`;

    test.each([
      { name: "networks", allowed: "198.51.100.2/32, 203.0.113.0/24, 2001:db8:3::/48" },
      { name: "a network that an address covers", allowed: "198.51.100.0/24, 2001:db8:2::/64" },
      { name: "everything, by IPv4", allowed: "0.0.0.0/0" },
      { name: "everything", allowed: "0.0.0.0/0, ::/0" },
      { name: "everything, in a table", allowed: "0.0.0.0/0, 2001:db8:3::/48", more: "Table = 777" },
      { name: "everything, and no routes", allowed: "0.0.0.0/0", more: "Table = off" },
      { name: "everything, with a mark", allowed: "0.0.0.0/0", more: "FwMark = 0x77" },
    ])(
      "with $name: addresses, routes and rules are those of wg-quick, and all is gone after",
      async ({ allowed, more }) => {
        using rig = await Rig.open(2);
        const [us, them] = [rig.host(1), rig.host(2)];
        const [own, peer] = [keys(), keys()];
        const text = config(own.private, peer.public, allowed, more);
        const file = rig.file("wgq.conf", text);
        // The same addresses, so that both hosts' states can be compared.
        them.run("ip", "addr", "flush", "dev", "eth0", "scope", "global");
        them.run("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0");
        them.run("ip", "addr", "add", "2001:db8:1::1/64", "dev", "eth0");
        const before = stateOf(us);
        expect(stateOf(them)).toEqual(before);

        const shown = (host: Host): string[] => host.run("wg", "showconf", "wgq").trim().split("\n").sort();
        us.run(...ours, "up", file);
        const [ourState, ourConfig] = [stateOf(us), shown(us)];
        us.run(...ours, "down", file);
        expect(stateOf(us)).toEqual(before);
        expect(us.has("/run/wireguard/wgq.sock")).toBe(false);

        them.run("env", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1", "wg-quick", "up", file);
        expect(ourState).toEqual(stateOf(them));
        expect(ourConfig).toEqual(shown(them));
      },
      120_000,
    );

    test("two hosts, each with a file: they reach each other, and everything else goes through the tunnel", async () => {
      using rig = await Rig.open(2);
      const [a, b] = [rig.host(1), rig.host(2)];
      const [ka, kb] = [keys(), keys()];
      const first = rig.file("wga.conf", config(ka.private, kb.public, "0.0.0.0/0, ::/0"));
      const second = rig.file(
        "wgb.conf",
        config(kb.private, ka.public, "198.51.100.1/32, 2001:db8:2::1/128")
          .replace("198.51.100.1/24, 2001:db8:2::1/64", "198.51.100.2/24, 2001:db8:2::2/64, 203.0.113.7/32")
          .replace("192.0.2.2", "192.0.2.1"),
      );
      b.run(...ours, "up", second);
      a.run(...ours, "up", first);
      for (const address of ["198.51.100.2", "2001:db8:2::2", "203.0.113.7"]) {
        a.run("ping", "-c", "1", "-w", "30", address);
      }
      // The tunnel's own datagrams do not go into the tunnel.
      expect(a.run("wg", "show", "wga", "endpoints")).toContain("192.0.2.2:51820");
      a.run(...ours, "down", "wga");
      b.run(...ours, "down", second);
    }, 120_000);

    test("the commands of a file run in their order, with the interface's name", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const log = `${rig.folder}/log`;
      const say = (key: string): string =>
        `${key} = echo ${key} %i $(ip link show %i >/dev/null 2>&1 && echo there || echo gone) >>${log}`;
      const more = ["PreUp", "PostUp", "PreDown", "PostDown"].map(say).join("\n");
      const file = rig.file("wgh.conf", config(keys().private, keys().public, "203.0.113.0/24", more));
      host.run(...ours, "up", file);
      host.run(...ours, "down", file);
      expect(await Bun.file(log).text()).toBe(
        "PreUp wgh gone\nPostUp wgh there\nPreDown wgh there\nPostDown wgh gone\n",
      );
    }, 120_000);

    test.each([
      { name: "a command that fails", more: "PostUp = false", wanted: '"false" ended with exit code 1' },
      { name: "an address that the kernel refuses", more: "Address = 0.0.0.0/0", wanted: "0.0.0.0" },
    ])(
      "with $name leaves nothing, and says why",
      async ({ more, wanted }) => {
        using rig = await Rig.open(1);
        const host = rig.host(1);
        const before = stateOf(host);
        const file = rig.file("wgf.conf", config(keys().private, keys().public, "0.0.0.0/0", more));
        const { exitCode, stderr } = host.try(...ours, "up", file);
        expect(exitCode).toBe(1);
        expect(stderr).toContain(wanted);
        expect(stateOf(host)).toEqual(before);
        expect(host.has("/run/wireguard/wgf.sock")).toBe(false);
      },
      120_000,
    );

    test("SaveConfig writes what the tunnel is at its end, for its owner alone", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const [own, peer, later] = [keys(), keys(), keys()];
      const file = rig.file("wgs.conf", config(own.private, peer.public, "203.0.113.0/24", "SaveConfig = true"));
      host.run(...ours, "up", file);
      host.run("wg", "set", "wgs", "peer", later.public, "allowed-ips", "203.0.113.9/32");
      host.run(...ours, "down", file);
      const text = await Bun.file(file).text();
      expect(text).toContain(`PublicKey = ${later.public}\nAllowedIPs = 203.0.113.9/32`);
      expect(text).toContain(`PrivateKey = ${own.private}`);
      expect(host.run("stat", "-c", "%a", file).trim()).toBe("600");
      host.run(...ours, "up", file);
      expect(host.run("wg", "show", "wgs", "peers").split("\n").sort()).toContain(later.public);
      host.run(...ours, "down", file);
    }, 120_000);

    test("SaveConfig to a folder that is gone costs no rule, no route and no command", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const [before, folder, log] = [stateOf(host), `${rig.folder}/gone`, `${rig.folder}/log`];
      host.run("mkdir", folder);
      const more = `SaveConfig = true\nPostDown = echo ran >${log}`;
      await Bun.write(`${folder}/wgg.conf`, config(keys().private, keys().public, "0.0.0.0/0", more));
      host.run(...ours, "up", `${folder}/wgg.conf`);
      host.run("rm", "-r", folder);
      host.run(...ours, "down", "wgg");
      expect(stateOf(host)).toEqual(before);
      expect(await Bun.file(log).text()).toBe("ran\n");
    }, 120_000);

    test("a default route where /proc/sys is read-only, as in a container: no rule is left, or the sysctl is set already", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const before = stateOf(host);
      const file = rig.file("wgm.conf", config(keys().private, keys().public, "0.0.0.0/0"));
      const up = (): { exitCode: number | null; stderr: string } =>
        host.try(
          ...["unshare", "-m", "sh", "-c"],
          `mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec ${ours.join(" ")} up ${file}`,
        );
      const { exitCode, stderr } = up();
      expect([exitCode, stderr.includes("with --sysctl net.ipv4.conf.all.src_valid_mark=1")]).toEqual([1, true]);
      expect(stateOf(host)).toEqual(before);
      host.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/src_valid_mark");
      expect(up().exitCode).toBe(0);
      host.run(...ours, "down", "wgm");
      expect(stateOf(host)).toEqual(before);
    }, 120_000);

    test.each([
      { where: "foreground", options: ["-f"], signal: "SIGINT" },
      { where: "background", options: [], signal: "SIGTERM" },
    ])(
      "a signal while the name of an endpoint is looked for ends it in a line, also in the $where",
      async (given) => {
        using rig = await Rig.open(1);
        const host = rig.host(1);
        const text = config(keys().private, keys().public, "203.0.113.0/24").replace("192.0.2.2", "nowhere.invalid");
        const file = rig.file("wgn.conf", text);
        const child = host.start([...ours, ...given.options, "up", file]);
        const lines = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
        let said = "";
        while (!said.includes("trying again")) said += (await lines.read()).value ?? "";
        child.kill("SIGINT");
        for (let next = await lines.read(); !next.done; next = await lines.read()) said += next.value;
        expect([await child.exited, said.trim().split("\n").at(-1)]).toEqual([
          1,
          `The endpoint nowhere.invalid:51820 was not resolved before ${given.signal}`,
        ]);
        expect(host.try("ip", "link", "show", "wgn").exitCode).not.toBe(0);
      },
      60_000,
    );

    test("what a user should know is said before it goes into the background, and no key is in it", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const [own, peer, other] = [keys(), keys(), keys()];
      const text = `${config(own.private, peer.public, "203.0.113.0/24", "DNS = 192.0.2.53")}
[Peer]
PublicKey = ${other.public}
AllowedIPs = 203.0.113.0/24
[Peer]
PublicKey = ${own.public}
AllowedIPs = 203.0.113.9/32
`;
      const file = rig.file("wgw.conf", text);
      const path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
      for (const [level, format] of [
        ["error", "text"],
        ["verbose", "json"],
      ]) {
        const command = [
          "env",
          path,
          ...(level === "verbose" ? ["LOG_LEVEL=verbose"] : []),
          ...ours,
          "--log",
          format as string,
        ];
        const { exitCode, stderr } = host.try(
          "sh",
          "-c",
          `${[...command, "up", file].join(" ")} 2>${rig.folder}/err; cat ${rig.folder}/err >&2`,
        );
        expect(exitCode).toBe(0);
        expect(stderr).toContain("an allowed IP was another peer's and is now this one's");
        expect(stderr).toContain("203.0.113.0/24");
        expect(stderr).toContain("a peer has this host's own key and is left out");
        expect(stderr).toContain(
          "DNS is not set: this machine has neither resolvectl (systemd-resolved) nor resolvconf",
        );
        expect(stderr).not.toContain(own.private);
        if (format === "json")
          for (const line of stderr.trim().split("\n")) expect(JSON.parse(line).interface).toBe("wgw");
        host.run(...ours, "down", file);
      }
    }, 120_000);

    test("wg-quick drives it by WG_QUICK_USERSPACE_IMPLEMENTATION", async () => {
      using rig = await Rig.open(1);
      const host = rig.host(1);
      const file = rig.file("wgu.conf", config(keys().private, keys().public, "203.0.113.0/24"));
      const program = rig.file("implementation", `#!/bin/sh\nexec ${ours.join(" ")} "$@"\n`);
      host.run("chmod", "+x", program);
      const before = stateOf(host);
      host.run(
        "env",
        "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1",
        `WG_QUICK_USERSPACE_IMPLEMENTATION=${program}`,
        "wg-quick",
        "up",
        file,
      );
      expect(host.run("wg", "show", "wgu")).toContain("allowed ips: 203.0.113.0/24");
      host.run("wg-quick", "down", file);
      expect(stateOf(host)).toEqual(before);
    }, 120_000);
  },
);
