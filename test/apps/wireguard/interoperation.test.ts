/**
 * Tunnels to Debian's wireguard-go, configured and watched by Debian's wg: each side as initiator and as responder,
 * IPv4 and IPv6 outside and inside.
 */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { until } from "../../support/system.ts";
import { type Host, keys, ours, Rig, shownPeers } from "./rig.ts";

const tools = ["wg", "wireguard-go", "ping", "nsenter", "unshare", "socat", "ip"];
const theirs: readonly string[] = ["wireguard-go"];
const megabytes = Number(process.env["BUN_TUNTAP_WIREGUARD_MB"] ?? 20);

interface End {
  readonly host: Host;
  readonly name: string;
  readonly inner4: string;
  readonly inner6: string;
}

interface Tunnelled extends Disposable {
  readonly rig: Rig;
  readonly a: End;
  readonly b: End;
  readonly keyOf: { readonly a: string; readonly b: string };
}

/** Two hosts with a tunnel that only `a` can begin. */
async function tunnel(
  first: readonly string[],
  second: readonly string[],
  options: { outer?: 4 | 6; preshared?: boolean; mtu?: number } = {},
): Promise<Tunnelled> {
  const rig = await Rig.open(2);
  try {
    const end = (number: number): End => ({
      host: rig.host(number),
      name: `wg${number}`,
      inner4: `198.51.100.${number}`,
      inner6: `2001:db8:2::${number}`,
    });
    const [a, b] = [end(1), end(2)];
    await Promise.all([rig.serve(a.host, first, a.name), rig.serve(b.host, second, b.name)]);
    const [ka, kb] = [keys(), keys()];
    const preshared = options.preshared
      ? ["preshared-key", rig.file("psk", Bun.spawnSync(["wg", "genpsk"]).stdout.toString())]
      : [];
    const endpoint = options.outer === 6 ? `[${b.host.ipv6}]:51820` : `${b.host.ipv4}:51820`;
    const allowed = (end: End): string[] => ["allowed-ips", `${end.inner4}/32,${end.inner6}/128`];
    a.host.run(
      "wg",
      "set",
      a.name,
      "private-key",
      rig.file("a", ka.private),
      "peer",
      kb.public,
      ...preshared,
      "endpoint",
      endpoint,
      ...allowed(b),
    );
    b.host.run(
      "wg",
      "set",
      b.name,
      "listen-port",
      "51820",
      "private-key",
      rig.file("b", kb.private),
      "peer",
      ka.public,
      ...preshared,
      ...allowed(a),
    );
    for (const { host, name, inner4, inner6 } of [a, b]) {
      host.run("ip", "addr", "add", `${inner4}/24`, "dev", name);
      host.run("ip", "addr", "add", `${inner6}/64`, "dev", name);
      host.run("ip", "link", "set", name, "up", ...(options.mtu === undefined ? [] : ["mtu", String(options.mtu)]));
    }
    return { rig, a, b, keyOf: { a: ka.public, b: kb.public }, [Symbol.dispose]: () => rig[Symbol.dispose]() };
  } catch (error) {
    rig[Symbol.dispose]();
    throw error;
  }
}

/** One at a time: of several, ping(8) does not wait long for the last one. */
function ping(from: End, to: string, ...options: string[]): void {
  for (let i = 0; i < 3; i++) from.host.run("ping", "-c", "1", "-W", "10", ...options, to);
}

/** Sends that many MiB over TCP, and compares what arrives. */
async function transfer(from: End, to: End, address: string): Promise<void> {
  const port = "9000";
  const bracketed = address.includes(":") ? `[${address}]` : address;
  const listen = `TCP${address.includes(":") ? "6" : "4"}-LISTEN:${port},bind=${bracketed},reuseaddr`;
  const receiver = to.host.start(["sh", "-c", `socat -u ${listen} - | sha256sum`]);
  await until(() => to.host.run("ss", "-Hltn", `sport = :${port}`) !== "", "listening socket");
  // The same bytes on both sides: a cipher's stream of a fixed key.
  const make = `openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 </dev/zero 2>/dev/null | head -c ${megabytes}M`;
  const sent = from.host.run(
    "sh",
    "-c",
    `${make} | tee /proc/self/fd/3 3>&1 >/dev/null | sha256sum; ${make} | socat -u - TCP:${bracketed}:${port}`,
  );
  expect((await receiver.stdout.text()).trim()).toBe(sent.trim());
}

describeWithTools("a tunnel with wireguard-go", tools, () => {
  const pairs = [
    { first: "ours", second: "wireguard-go" },
    { first: "wireguard-go", second: "ours" },
    { first: "ours", second: "ours" },
  ];
  const command = (name: string): readonly string[] => (name === "ours" ? ours : theirs);

  test.each(pairs.flatMap((pair) => ([4, 6] as const).map((outer) => ({ ...pair, outer }))))(
    "$first begins with $second over IPv$outer: ping, wg's counters, a preshared key",
    async ({ first, second, outer }) => {
      using made = await tunnel(command(first), command(second), { outer, preshared: true });
      const { a, b, keyOf } = made;
      for (const address of [b.inner4, b.inner6]) ping(a, address);
      for (const address of [a.inner4, a.inner6]) ping(b, address);
      const [seenByA] = shownPeers(a.host, a.name);
      const [seenByB] = shownPeers(b.host, b.name);
      expect(seenByA?.publicKey).toBe(keyOf.b);
      expect(seenByA?.sent).toBe(seenByB?.received as number);
      expect(seenByA?.received).toBe(seenByB?.sent as number);
      expect(Math.abs((seenByA?.handshake ?? 0) - Date.now() / 1000)).toBeLessThan(60);
      expect(seenByB?.endpoint).toStartWith(outer === 4 ? `${a.host.ipv4}:` : `[${a.host.ipv6}]:`);
    },
    60_000,
  );

  test.each(pairs)(
    "TCP of some megabytes each way, $first and $second",
    async ({ first, second }) => {
      using made = await tunnel(command(first), command(second));
      const { a, b } = made;
      await transfer(a, b, b.inner4);
      await transfer(b, a, a.inner6);
    },
    600_000,
  );

  test.each([1280, 1420, 34_736])(
    "an MTU of %d, and packets of that size",
    async (mtu) => {
      using made = await tunnel(ours, theirs, { mtu });
      const { a, b } = made;
      ping(a, b.inner4, "-M", "do", "-s", String(mtu - 28));
      ping(b, a.inner6, "-M", "do", "-s", String(mtu - 48));
    },
    60_000,
  );

  test("roaming: by another port and another address, of either side", async () => {
    using made = await tunnel(ours, theirs);
    const { a, b } = made;
    ping(a, b.inner4);
    a.host.run("wg", "set", a.name, "listen-port", "40000");
    ping(a, b.inner4);
    expect(shownPeers(b.host, b.name)[0]?.endpoint).toBe(`${a.host.ipv4}:40000`);
    a.host.run("ip", "addr", "del", `${a.host.ipv4}/24`, "dev", "eth0");
    a.host.run("ip", "addr", "add", "192.0.2.101/24", "dev", "eth0");
    ping(a, b.inner4);
    expect(shownPeers(b.host, b.name)[0]?.endpoint).toBe("192.0.2.101:40000");
    b.host.run("wg", "set", b.name, "listen-port", "40001");
    ping(b, a.inner4);
    expect(shownPeers(a.host, a.name)[0]?.endpoint).toBe(`${b.host.ipv4}:40001`);
    ping(a, b.inner6);
  }, 60_000);

  test("a peer with a wrong preshared key gets no answer, and one with the right one does then", async () => {
    using made = await tunnel(ours, theirs, { preshared: true });
    const { a, b, keyOf, rig } = made;
    ping(a, b.inner4);
    const wrong = rig.file("wrong", Bun.spawnSync(["wg", "genpsk"]).stdout.toString());
    a.host.run("wg", "set", a.name, "peer", keyOf.b, "remove");
    a.host.run(
      "wg",
      "set",
      a.name,
      "peer",
      keyOf.b,
      "preshared-key",
      wrong,
      "endpoint",
      `${b.host.ipv4}:51820`,
      "allowed-ips",
      `${b.inner4}/32`,
    );
    expect(a.host.try("ping", "-c", "1", "-W", "2", b.inner4).exitCode).toBe(1);
    a.host.run("wg", "set", a.name, "peer", keyOf.b, "remove");
    a.host.run(
      "wg",
      "set",
      a.name,
      "peer",
      keyOf.b,
      "preshared-key",
      `${rig.folder}/psk`,
      "endpoint",
      `${b.host.ipv4}:51820`,
      "allowed-ips",
      `${b.inner4}/32`,
    );
    ping(a, b.inner4);
  }, 60_000);
});
