/** The configuration socket, driven by Debian's wg, and held against what wireguard-go says to the same. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { type Host, keys, ours, Rig, shownPeers } from "./rig.ts";

describeWithTools("the configuration socket", ["wg", "wireguard-go", "nsenter", "unshare", "socat"], () => {
  let rig: Rig;
  let ourHost: Host;
  let theirHost: Host;
  const [own, first, second] = [keys(), keys(), keys()];
  const preshared = Bun.spawnSync(["wg", "genpsk"]).stdout.toString().trim();

  beforeAll(async () => {
    rig = await Rig.open(2);
    [ourHost, theirHost] = [rig.host(1), rig.host(2)];
    // Up, so that the sockets are open.
    await Promise.all([rig.serve(ourHost, ours, "wg1"), rig.serve(theirHost, ["wireguard-go"], "wg2")]);
    ourHost.run("ip", "link", "set", "wg1", "up");
    theirHost.run("ip", "link", "set", "wg2", "up");
  });
  afterAll(() => rig[Symbol.dispose]());

  /** The text of `wg showconf` with its peers in one order: wireguard-go's is that of a hash. */
  function sorted(config: string): string[] {
    const [head = "", ...peers] = config.split("[Peer]\n").map((part) => part.trim());
    return [head, ...peers.map((peer) => peer.split("\n").sort().join("\n")).sort()];
  }

  /** Gives both implementations the same command, and compares what they then have. */
  function both(...command: string[]): string[] {
    ourHost.run("wg", command[0] as string, "wg1", ...command.slice(1));
    theirHost.run("wg", command[0] as string, "wg2", ...command.slice(1));
    const shown = sorted(ourHost.run("wg", "showconf", "wg1"));
    expect(shown).toEqual(sorted(theirHost.run("wg", "showconf", "wg2")));
    return shown;
  }

  test("wg set, setconf, addconf, syncconf and showconf do what they do with wireguard-go", () => {
    const config = rig.file(
      "conf",
      `[Interface]
PrivateKey = ${own.private}
ListenPort = 41820
FwMark = 0x1234

[Peer]
PublicKey = ${first.public}
PresharedKey = ${preshared}
AllowedIPs = 198.51.100.2/32, 2001:db8:2::/64, 203.0.113.0/24
Endpoint = 192.0.2.77:1234
PersistentKeepalive = 25

[Peer]
PublicKey = ${second.public}
AllowedIPs = 198.51.100.3/32
Endpoint = [2001:db8:1::77]:1234
`,
    );
    expect(both("setconf", config).join("\n")).toContain("FwMark = 0x1234");
    // An allowed IP moves to the peer that claims it last.
    both("set", "peer", second.public, "allowed-ips", "198.51.100.3/32,203.0.113.0/24");
    expect(shownPeers(ourHost, "wg1").find(({ publicKey }) => publicKey === first.public)?.allowedIps).not.toContain(
      "203",
    );
    both("set", "peer", first.public, "persistent-keepalive", "off", "preshared-key", "/dev/null");
    both("set", "fwmark", "off");
    both("set", "peer", first.public, "allowed-ips", "");
    const synced = rig.file(
      "sync",
      `[Interface]\nPrivateKey = ${own.private}\nListenPort = 41820\n[Peer]\nPublicKey = ${second.public}\nAllowedIPs = 198.51.100.9/32\n`,
    );
    both("syncconf", synced);
    expect(shownPeers(ourHost, "wg1").map(({ publicKey }) => publicKey)).toEqual([second.public]);
    both("addconf", rig.file("add", `[Peer]\nPublicKey = ${first.public}\nAllowedIPs = 0.0.0.0/0, ::/0\n`));
    both("set", "peer", second.public, "remove");
    // A peer with this host's own key is left out.
    both("set", "peer", own.public, "allowed-ips", "198.51.100.77/32");
    both("set", "peer", first.public, "remove");
  });

  test("odd but valid settings do what they do with wireguard-go", () => {
    const zero = rig.file("zero", Buffer.alloc(32).toString("base64"));
    both("setconf", rig.file("odd", `[Interface]\nPrivateKey = ${own.private}\nListenPort = 41830\n`));
    // Nobody is removed.
    both("set", "peer", first.public, "remove");
    both(
      "set",
      "peer",
      first.public,
      "allowed-ips",
      "198.51.100.9/24,198.51.100.0/24,203.0.113.1,::ffff:192.0.2.0/120",
    );
    both("set", "peer", second.public, "allowed-ips", "198.51.100.77/24,0.0.0.0/0,::/0");
    both("set", "peer", first.public, "persistent-keepalive", "65535", "endpoint", "[2001:DB8::0:9]:65535");
    both("set", "peer", first.public, "persistent-keepalive", "0", "preshared-key", zero);
    both("set", "fwmark", "0xffffffff");
    both("set", "fwmark", "0");
    both("set", "peer", first.public, "remove", "peer", second.public, "remove");
  });

  test.each([
    "replace_peers=false",
    "fwmark=4294967296",
    "fwmark=off",
    "listen_port=",
    "listen_port=-1",
    "listen_port=65536",
    "public_key=",
    "private_key=",
    ...[
      "remove=false",
      "update_only=false",
      "replace_allowed_ips=false",
      "persistent_keepalive_interval=",
      "persistent_keepalive_interval=-1",
      "persistent_keepalive_interval=65536",
      "persistent_keepalive_interval=off",
      "endpoint=",
      "endpoint=192.0.2.9",
      "endpoint=192.0.2.9:65536",
      "endpoint=[fe80::1%%none]:1",
      "allowed_ip=",
      "allowed_ip=192.0.2.1/",
      "allowed_ip=fe80::1%%eth0/128",
      "allowed_ip=192.0.2.01/32",
      "protocol_version=2",
      "rx_bytes=1",
      "listen_port=41000",
    ].map((line) => `public_key=${"11".repeat(32)}\\n${line}`),
  ])("%j is refused with the number that wireguard-go has", (line) => {
    const request = (host: Host, name: string): string =>
      host.run("sh", "-c", `printf 'set=1\\n${line}\\n\\n' | socat -t 5 - UNIX-CONNECT:/run/wireguard/${name}.sock`);
    expect(request(ourHost, "wg1")).toBe(request(theirHost, "wg2"));
    // It leaves what came before the mistake.
    theirHost.try("wg", "set", "wg2", "peer", Buffer.alloc(32, 0x11).toString("base64"), "remove");
  });

  test("wg show says the same, except for times", () => {
    const lines = (host: Host, name: string): string => host.run("wg", "show", name).replaceAll(name, "wg");
    for (const [host, name] of [
      [ourHost, "wg1"],
      [theirHost, "wg2"],
    ] as const) {
      host.run(
        "wg",
        "set",
        name,
        "private-key",
        rig.file("own", own.private),
        "listen-port",
        "41821",
        "peer",
        first.public,
        "allowed-ips",
        "198.51.100.2/32",
      );
    }
    expect(lines(ourHost, "wg1")).toBe(lines(theirHost, "wg2"));
  });

  test("a port that is taken is refused, as wg tells, and nothing has changed", async () => {
    const socket = ourHost.start(["socat", "-u", "UDP6-RECV:41900,ipv6only=0", "-"]);
    while (ourHost.run("ss", "-Hlun", "sport = :41900") === "") await Bun.sleep(10);
    const before = ourHost.run("wg", "showconf", "wg1");
    const { exitCode, stderr } = ourHost.try("wg", "set", "wg1", "listen-port", "41900");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("Address already in use");
    expect(ourHost.run("wg", "showconf", "wg1")).toBe(before);
    socket.kill();
  });

  const raw = (text: string): string =>
    ourHost.run("sh", "-c", `printf '${text}' | socat -t 5 - UNIX-CONNECT:/run/wireguard/wg1.sock`);

  test.each([
    ["set=1\\n\\n", "errno=0\n\n"],
    ["nonsense\\n\\n", "errno=-22\n\n"],
    ["set=1\\nlisten_port=70000\\n\\n", "errno=-22\n\n"],
    ["set=1\\nno_such_key=1\\n\\n", "errno=-22\n\n"],
    ["set=1\\nlisten_port\\n\\n", "errno=-22\n\n"],
    ["set=1\\nallowed_ip=198.51.100.0/24\\n\\n", "errno=-22\n\n"],
    [`set=1\\npublic_key=${"00".repeat(31)}\\n\\n`, "errno=-22\n\n"],
    [`set=1\\npublic_key=${"11".repeat(32)}\\nendpoint=example.net:1\\n\\n`, "errno=-22\n\n"],
    [`set=1\\npublic_key=${"11".repeat(32)}\\nallowed_ip=198.51.100.0/33\\n\\n`, "errno=-22\n\n"],
    [`set=1\\npublic_key=${"11".repeat(32)}\\nendpoint=[fe80::1%%none]:1\\n\\n`, "errno=-22\n\n"],
    [`set=1\\npublic_key=${"11".repeat(32)}\\nupdate_only=true\\nallowed_ip=198.51.100.0/24\\n\\n`, "errno=0\n\n"],
    ["set=1\\n\\nset=1\\n\\n", "errno=0\n\nerrno=0\n\n"],
  ])("answers %j with %j", (request, expected) => {
    expect(raw(request)).toBe(expected);
    expect(ourHost.run("wg", "show", "wg1", "peers")).not.toContain("ERERE");
  });

  test("a request of 10,000 peers is taken, and told again", () => {
    const count = 10_000;
    const lines = Array.from({ length: count }, (_, i) => {
      const key = new Uint8Array(32);
      new DataView(key.buffer).setUint32(0, i + 1);
      return `public_key=${key.toHex()}\nallowed_ip=2001:db8:9::${(i + 1).toString(16)}/128\n`;
    });
    const path = rig.file("many", `set=1\nreplace_peers=true\n${lines.join("")}\n`);
    expect(ourHost.run("sh", "-c", `socat -t 20 - UNIX-CONNECT:/run/wireguard/wg1.sock <${path}`)).toBe("errno=0\n\n");
    expect(shownPeers(ourHost, "wg1").length).toBe(count);
    ourHost.run(
      "sh",
      "-c",
      "printf 'set=1\\nreplace_peers=true\\n\\n' | socat -t 20 - UNIX-CONNECT:/run/wireguard/wg1.sock",
    );
    expect(shownPeers(ourHost, "wg1")).toEqual([]);
  });

  test("leaves a client that asks again and again and reads no answer", async () => {
    const script = `
      const { connect } = require("node:net");
      const socket = connect("/run/wireguard/wg1.sock").pause().on("error", () => {});
      const ask = () => socket.destroyed || socket.write("get=1\\n\\n".repeat(1000), () => setImmediate(ask));
      socket.on("close", () => (console.log("left"), process.exit()));
      ask();
    `;
    const client = ourHost.start([process.execPath, "-e", script]);
    expect(await client.stdout.text()).toBe("left\n");
    expect(ourHost.run("wg", "show", "wg1", "listen-port").trim()).toMatch(/^\d+$/);
  }, 60_000);
});
