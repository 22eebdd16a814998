/**
 * Tunnels to Debian's wireguard-go, configured and watched by Debian's wg: each side as initiator and as responder,
 * IPv4 and IPv6 outside and inside.
 */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { until } from "../../support/system.ts";
import { ours, shownPeers } from "./rig.ts";
import { ping, theirs, tools, transfer, tunnel } from "./tunnelled.ts";

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
      const look = () => [...shownPeers(a.host, a.name), ...shownPeers(b.host, b.name)];
      let [seenByA, seenByB] = look();
      // A keep-alive, ten seconds after the last packet, is counted on one side first.
      await until(() => {
        [seenByA, seenByB] = look();
        return seenByA?.sent === seenByB?.received && seenByA?.received === seenByB?.sent;
      }, "the same counters on both sides");
      expect(seenByA?.sent).toBeGreaterThan(0);
      expect(seenByA?.publicKey).toBe(keyOf.b);
      expect(Math.abs((seenByA?.handshake ?? 0) - Date.now() / 1000)).toBeLessThan(60);
      expect(seenByB?.endpoint).toStartWith(outer === 4 ? `${a.host.ipv4}:` : `[${a.host.ipv6}]:`);
    },
    120_000,
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
    120_000,
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
  }, 120_000);

  test("a peer with a wrong preshared key gets no answer, and one with the right one does then", async () => {
    using made = await tunnel(ours, theirs, { preshared: true });
    const { a, b, keyOf, rig } = made;
    ping(a, b.inner4);
    const wrong = rig.file("wrong", Bun.spawnSync(["wg", "genpsk"]).stdout.toString());
    const setAgain = (presharedKeyFile: string): void => {
      const at = ["endpoint", `${b.host.ipv4}:51820`, "allowed-ips", `${b.inner4}/32`];
      a.host.run("wg", "set", a.name, "peer", keyOf.b, "remove");
      a.host.run("wg", "set", a.name, "peer", keyOf.b, "preshared-key", presharedKeyFile, ...at);
    };
    setAgain(wrong);
    expect(a.host.try("ping", "-c", "1", "-W", "2", b.inner4).exitCode).toBe(1);
    setAgain(`${rig.folder}/psk`);
    ping(a, b.inner4);
  }, 120_000);
});
