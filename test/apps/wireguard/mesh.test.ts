/** Three peers at once, each with a tunnel to the others: two of ours, with a cipher each, and wireguard-go. */
import { expect, test } from "bun:test";
import { describeWithTools } from "../../support/privilege.ts";
import { keys, ours, Rig, shownPeers } from "./rig.ts";
import { type End, theirs, tools, transfer } from "./tunnelled.ts";

const programs = [[...ours, "--cipher=libcrypto"], theirs, [...ours, "--cipher=libsodium"]] as const;

describeWithTools("three peers", tools, () => {
  test("reach each other at the same time, and each counts what it has with each", async () => {
    using rig = await Rig.open(3);
    const ends = rig.hosts.map(
      (host): End => ({
        host,
        name: `wg${host.number}`,
        inner4: `198.51.100.${host.number}`,
        inner6: `2001:db8:2::${host.number}`,
      }),
    );
    const made = ends.map(() => keys());
    await Promise.all(ends.map(({ host, name }, i) => rig.serve(host, programs[i] as readonly string[], name)));
    for (const [i, { host, name, inner4, inner6 }] of ends.entries()) {
      const peers = ends.flatMap((other, j) =>
        j === i
          ? []
          : [
              ...["peer", made[j]?.public as string, "endpoint", `${other.host.ipv4}:51820`],
              ...["allowed-ips", `${other.inner4}/32,${other.inner6}/128`],
            ],
      );
      const own = ["listen-port", "51820", "private-key", rig.file(name, made[i]?.private as string)];
      host.run("wg", "set", name, ...own, ...peers);
      host.run("ip", "addr", "add", `${inner4}/24`, "dev", name);
      host.run("ip", "addr", "add", `${inner6}/64`, "dev", name);
      host.run("ip", "link", "set", name, "up");
    }
    for (const { host, name } of ends) await host.usable(name);
    const pairs = ends.flatMap((from) => ends.filter((to) => to !== from).map((to) => ({ from, to })));

    // All six begin at once, in both directions of each pair.
    const pings = pairs.flatMap(({ from, to }) =>
      [to.inner4, to.inner6].map((address) => from.host.start(["ping", "-c", "5", "-i", "0.05", "-W", "10", address])),
    );
    const texts = await Promise.all(pings.map(({ stdout }) => stdout.text()));
    for (const text of texts) expect(text).toMatch(/5 packets transmitted, [1-5] received/);

    for (const { from, to } of pairs) await transfer(from, to, to.inner4, 2);
    for (const [i, { host, name }] of ends.entries()) {
      const shown = shownPeers(host, name);
      expect(shown.map(({ publicKey }) => publicKey).sort()).toEqual(
        made.flatMap(({ public: key }, j) => (j === i ? [] : [key])).sort(),
      );
      for (const { received, sent, handshake } of shown) {
        expect(Math.min(received, sent)).toBeGreaterThan(2 * 2 ** 20);
        expect(handshake).toBeGreaterThan(0);
      }
    }
  }, 120_000);
});
